import { problemOf } from '@darkroom/contract';
import { sql as query } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsAfter, finishJob, getJob, recordProgress, requestResume, setStage } from '../index.ts';
import {
  attemptAt,
  claimItem,
  failItem,
  published,
  publishItem,
  startRecords,
  submitted,
  type TestRecords,
} from '../testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const stagesOf = async (id: string) =>
  (await getJob(test.records.db, id))!.stages.map(({ name, state, done, failed, total }) => [
    name,
    state,
    done,
    failed,
    total,
  ]);

describe('recordProgress', () => {
  it('counts stages from the ledger, failed items as done in all', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 4 });
    const fence = await attemptAt(test.records, id);
    for (const ordinal of [1, 2, 3]) await claimItem(db, fence, 'work', ordinal);
    await recordProgress(db, fence, {
      itemStage: 'work',
      reached: [
        { ordinal: 1, reached: 0 },
        { ordinal: 2, reached: 1 },
        { ordinal: 4, reached: 1 }, // not claimed: not ours to tell of
      ],
    });
    expect(await stagesOf(id)).toEqual([
      ['read', 'running', 2, 0, 4],
      ['work', 'running', 1, 0, 4],
      ['pack', 'pending', 0, 0, null],
    ]);
    await failItem(db, fence, 'work', 3, problemOf('empty_file', '0 bytes'));
    await publishItem(db, fence, 'work', 1, published);
    await publishItem(db, fence, 'work', 2, published);
    await claimItem(db, fence, 'work', 4);
    await recordProgress(db, fence, { itemStage: 'work', reached: [{ ordinal: 4, reached: 0 }] });
    expect(await stagesOf(id)).toEqual([
      ['read', 'succeeded', 4, 1, 4],
      ['work', 'running', 3, 1, 4],
      ['pack', 'pending', 0, 0, null],
    ]);
    await setStage(db, fence, 'pack', { done: 1, total: 2 });
    await setStage(db, fence, 'pack', { done: 0, total: null });
    expect((await stagesOf(id))[2]).toEqual(['pack', 'running', 1, 0, 2]);
    const events = await eventsAfter(db, id, 0, 100);
    expect(events.map(({ id: version }) => version)).toEqual(events.map((_, i) => i + 1));
    expect(events.at(-1)).toMatchObject({ type: 'progress', data: { run: 1, stages: expect.any(Array) } });
  });

  it('goes by equal units in rows that do not say whose items they count', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 2 });
    await db.execute(query`update job_stages set items_of = null, total = 2 where job_id = ${id}`);
    const fence = await attemptAt(test.records, id);
    await claimItem(db, fence, 'work', 1);
    await publishItem(db, fence, 'work', 1, { ...published, reached: 2 });
    await recordProgress(db, fence, { itemStage: 'work', reached: [] });
    expect((await stagesOf(id)).map(([, , done]) => done)).toEqual([1, 1, 1]);
  });

  it('never lets done fall, whatever order reports of many attempts come in', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 60 });
    const pages = await Promise.all(
      [0, 1, 2, 3, 4, 5].map(async (page) => {
        const fence = await attemptAt(test.records, id, { activity: `p${page}` });
        const ordinals = Array.from({ length: 10 }, (_, i) => page * 10 + i + 1);
        await Promise.all(ordinals.map((ordinal) => claimItem(db, fence, 'work', ordinal)));
        return { fence, ordinals };
      }),
    );
    await Promise.all(
      pages.map(async ({ fence, ordinals }) => {
        for (const ordinal of ordinals) {
          await publishItem(db, fence, 'work', ordinal, published);
          await recordProgress(db, fence, { itemStage: 'work', reached: [{ ordinal, reached: 1 }] });
        }
      }),
    );
    const told = (await eventsAfter(db, id, 0, 1000))
      .filter(({ type }) => type === 'progress')
      .map(({ data }) => (data.stages as { done: number }[])[1]!.done);
    expect(told).toHaveLength(60);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect((await stagesOf(id))[1]).toEqual(['work', 'succeeded', 60, 0, 60]);
  });

  it('keeps what was reached over a resume, and counts failed items again', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 3 });
    const fence = await attemptAt(test.records, id);
    for (const ordinal of [1, 2, 3]) await claimItem(db, fence, 'work', ordinal);
    await publishItem(db, fence, 'work', 1, published);
    await failItem(db, fence, 'work', 2, problemOf('empty_file', '0 bytes'));
    await recordProgress(db, fence, { itemStage: 'work', reached: [{ ordinal: 3, reached: 0 }] });
    await finishJob(db, { jobId: id, run: 1, state: 'failed' });
    await requestResume(db, id, {});
    const { stages } = (await getJob(db, id))!;
    expect(stages.map(({ state, done, failed, resumedFrom }) => [state, done, failed, resumedFrom])).toEqual([
      ['pending', 2, 0, 2],
      ['pending', 1, 0, 1],
      ['pending', 0, 0, 0],
    ]);
  });

  it('keeps 1,000 events of a job', async () => {
    const { db, sql } = test.records;
    const id = await submitted(test.records);
    const fence = await attemptAt(test.records, id);
    await sql`update jobs set version = 5000 where id = ${id}`;
    await sql`insert into job_events (job_id, id, type, data)
      select ${id}, n, 'progress', '{}' from generate_series(3, 5000) as n on conflict do nothing`;
    await setStage(db, fence, 'pack', { done: 1, total: 1 });
    const [kept] =
      await sql`select count(*)::int as events, min(id)::int as oldest from job_events where job_id = ${id}`;
    expect(kept).toEqual({ events: 1000, oldest: 4002 });
  });

  it('costs a job of 100,000 items hardly more than a small one', async () => {
    const { db, sql } = test.records;
    const prepare = async (items: number) => {
      const id = await submitted(test.records, { items });
      const fence = await attemptAt(test.records, id);
      const half = items / 2;
      await sql`update job_items set run = 1, claim = ${fence.claim},
          state = case when ordinal <= ${half} then 'succeeded' else 'running' end,
          reached = case when ordinal <= ${half} then 1 else -1 end,
          counted = case when ordinal <= ${half} then 1 else -1 end,
          files = jsonb_build_array(input, input, input)
        where job_id = ${id}`;
      await sql`update job_stages set done = ${half} where job_id = ${id} and items_of = 'work'`;
      return { id, fence, half, times: [] as number[] };
    };
    const [small, large] = [await prepare(1000), await prepare(100_000)];
    await sql`analyze job_items`;
    for (let round = 0; round < 10; round++) {
      for (const { fence, half, times } of [small, large]) {
        const reached = Array.from({ length: 50 }, (_, i) => ({
          ordinal: half + 1 + round * 50 + i,
          reached: 1,
        }));
        const before = performance.now();
        await recordProgress(db, fence, { itemStage: 'work', reached });
        times.push(performance.now() - before);
      }
    }
    expect((await stagesOf(large.id))[1]).toEqual(['work', 'running', 50_500, 0, 100_000]);
    const [smallMs, largeMs] = [small, large].map(({ times }) => times.sort((a, b) => a - b)[5]!) as [
      number,
      number,
    ];
    expect(largeMs).toBeLessThan(5 * smallMs + 10);
  }, 60_000);
});
