import { problemOf } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  claimItem,
  copyItems,
  createTask,
  Fenced,
  failItem,
  finishJob,
  getJob,
  getTask,
  listItems,
  liveDependents,
  markDispatched,
  publishItem,
  requestCancel,
  requestDelete,
  sweepQueries,
} from './index.ts';
import {
  attemptAt,
  published,
  receiving,
  startRecords,
  submitted,
  type TestRecords,
  working,
} from './testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id);
const age = (id: string) =>
  test.records.sql`update jobs set updated_at = now() - interval '1 hour' where id = ${id}`;

describe('the sweep', () => {
  it('finds queued jobs whose engine was not told, after a while', async () => {
    const { db } = test.records;
    const [lost, told, fresh] = [
      await submitted(test.records),
      await submitted(test.records),
      await submitted(test.records),
    ];
    await markDispatched(db, told, 1);
    await age(lost);
    const found = ids(await sweepQueries.queuedUndispatched(db, 60_000, 100));
    expect(found).toContain(lost);
    expect(found).not.toContain(told);
    expect(found).not.toContain(fresh);
    expect(ids(await sweepQueries.queuedUndispatched(db, 0, 100))).toContain(fresh);
  });

  it('finds silent runs and cancels that were not passed on', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await working(test.records, id);
    expect(ids(await sweepQueries.openRuns(db, 60_000, 100))).not.toContain(id);
    await age(id);
    expect(ids(await sweepQueries.openRuns(db, 60_000, 100))).toContain(id);
    await requestCancel(db, id, 'x');
    expect(ids(await sweepQueries.waitingCancels(db, 100))).toContain(id);
    await sweepQueries.markCancelDispatched(db, id);
    expect(ids(await sweepQueries.waitingCancels(db, 100))).not.toContain(id);
  });

  it('finds uploads that never ended and jobs to be deleted', async () => {
    const { db } = test.records;
    const [stale, doomed] = [await receiving(test.records), await submitted(test.records)];
    await age(stale);
    expect(ids(await sweepQueries.staleReceiving(db, new Date(Date.now() - 60_000), 100))).toContain(stale);
    await requestDelete(db, doomed);
    expect(ids(await sweepQueries.deleting(db, 100))).toContain(doomed);
  });

  it('finds ended jobs past their retention, and forgets where results were', async () => {
    const { db } = test.records;
    const past = new Date(Date.now() - 1000);
    const [over, open] = [
      await submitted(test.records, { resultsExpireAt: past }),
      await submitted(test.records, { resultsExpireAt: past }),
    ];
    const fence = await working(test.records, over);
    await publishItem(db, fence, 'work', 1, { ...published, files: [] });
    await finishJob(db, { jobId: over, run: 1, state: 'succeeded' });
    const found = ids(await sweepQueries.expired(db, new Date(), 100));
    expect(found).toContain(over);
    expect(found).not.toContain(open);
    await sweepQueries.markResultsRemoved(db, over);
    expect(ids(await sweepQueries.expired(db, new Date(), 100))).not.toContain(over);
    expect((await getJob(db, over))?.job.resultsRemovedAt).toBeInstanceOf(Date);
    expect((await listItems(db, over, { limit: 1 }))[0]).toMatchObject({ state: 'succeeded', files: null });
  });

  it('queues a lost run again, once, under a run that fences off the lost one', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const lost = await working(test.records, id);
    await publishItem(db, lost, 'work', 1, published);
    await claimItem(db, lost, 'work', 2);
    await failItem(db, lost, 'work', 2, problemOf('empty_file', '0 bytes'));
    const again = await Promise.all(Array.from({ length: 5 }, () => sweepQueries.requeue(db, id, 1)));
    expect(again.filter((row) => row !== undefined)).toMatchObject([
      { state: 'queued', run: 2, dispatched: false },
    ]);
    await expect(claimItem(db, lost, 'work', 3)).rejects.toBeInstanceOf(Fenced);
    const next = await attemptAt(test.records, id, { run: 2 });
    expect(await claimItem(db, next, 'work', 2)).toMatchObject({ attempt: 1, deaths: 0 });
    await requestCancel(db, id, 'x');
    expect(await sweepQueries.requeue(db, id, 2)).toMatchObject({ state: 'cancelling', run: 3 });
    expect(await finishJob(db, { jobId: id, run: 3, state: 'cancelled' })).toBe(true);
    expect(await sweepQueries.requeue(db, id, 3)).toBeUndefined();
  });
});

describe('another job over the same sources', () => {
  it('takes items and task over, and keeps the uploads needed while it lives', async () => {
    const { db, sql } = test.records;
    const first = await submitted(test.records, { items: 2 });
    await createTask(db, { jobId: first, media: 'photo', segments: 2, scoreThreshold: 0.5 });
    const second = await receiving(test.records);
    await sql`update jobs set source_job_id = ${first} where id = ${second}`;
    const { stage, items, record } = await copyItems(db, first);
    expect({ stage, items }).toEqual({
      stage: 'work',
      items: [
        { key: 'k1', input: { n: 1 } },
        { key: 'k2', input: { n: 2 } },
      ],
    });
    await record(db, second, { scoreThreshold: 0.75 });
    expect(await getTask(db, second)).toMatchObject({ media: 'photo', segments: 2, scoreThreshold: 0.75 });
    expect(await liveDependents(db, first)).toBe(1);
    await requestDelete(db, second);
    expect(await liveDependents(db, first)).toBe(0);
  });
});
