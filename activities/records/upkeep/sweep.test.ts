import { problemOf } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  assertExpired,
  createReceiving,
  expiredJobs,
  Fenced,
  finishJob,
  forgetFiles,
  getJob,
  isNeeded,
  listItems,
  markDispatched,
  markResultsPurged,
  pagesOfItems,
  requestCancel,
  requestDelete,
  submitJob,
  submittedItems,
  sweepQueries,
  takeExpired,
} from '../index.ts';
import {
  alice,
  attemptAt,
  claimItem,
  failItem,
  newId,
  published,
  publishItem,
  receiving,
  rowsReadBy,
  startRecords,
  submitted,
  type TestRecords,
  toy,
  working,
} from '../testing.ts';
import { expiredPage } from './retention.ts';

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
    const found = ids(await sweepQueries.queuedUndispatched(db, 60_000, '', 100));
    expect(found).toContain(lost);
    expect(found).not.toContain(told);
    expect(found).not.toContain(fresh);
    expect(ids(await sweepQueries.queuedUndispatched(db, 0, '', 100))).toContain(fresh);
  });

  it('finds silent runs and cancels that were not passed on', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await working(test.records, id);
    expect(ids(await sweepQueries.openRuns(db, 60_000, '', 100))).not.toContain(id);
    await age(id);
    expect(ids(await sweepQueries.openRuns(db, 60_000, '', 100))).toContain(id);
    await requestCancel(db, id, 'x');
    expect(ids(await sweepQueries.waitingCancels(db, '', 100))).toContain(id);
    await sweepQueries.markCancelDispatched(db, id, 1);
    expect(ids(await sweepQueries.waitingCancels(db, '', 100))).not.toContain(id);
  });

  it('finds uploads that never ended and jobs to be deleted', async () => {
    const { db } = test.records;
    const [stale, doomed] = [await receiving(test.records), await submitted(test.records)];
    await age(stale);
    expect(ids(await sweepQueries.staleReceiving(db, new Date(Date.now() - 60_000), '', 100))).toContain(
      stale,
    );
    await requestDelete(db, doomed);
    expect(ids(await sweepQueries.deleting(db, '', 100))).toContain(doomed);
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
    const found = ids(await expiredJobs(db, new Date(), '', 100));
    expect(found).toContain(over);
    expect(found).not.toContain(open);
    expect(await takeExpired(db, open, new Date())).toBeUndefined();
    await expect(assertExpired(db, over)).rejects.toBeInstanceOf(Fenced);
    expect(await takeExpired(db, over, new Date())).toMatchObject({ id: over });
    await assertExpired(db, over);
    // Until the objects are proven gone it is found again.
    expect(ids(await expiredJobs(db, new Date(), '', 100))).toContain(over);
    expect(await takeExpired(db, over, new Date())).toMatchObject({ id: over });
    // More than are cleared at a time.
    await test.records.sql`
      insert into job_items (job_id, stage, ordinal, key, input, state, result_uri, files)
      select ${over}, 'work', n, n, '{}', 'succeeded', 's3://b/' || n, '[]' from generate_series(10, 12000) as n`;
    await forgetFiles(db, over);
    const [known] = await test.records.sql`
      select count(*)::int as items from job_items where job_id = ${over} and (files is not null or result_uri is not null)`;
    expect(known).toEqual({ items: 0 });
    await markResultsPurged(db, over);
    expect(ids(await expiredJobs(db, new Date(), '', 100))).not.toContain(over);
    expect(await takeExpired(db, over, new Date())).toBeUndefined();
    await expect(assertExpired(db, over)).rejects.toBeInstanceOf(Fenced);
    expect((await getJob(db, over))?.job.resultsRemovedAt).toBeInstanceOf(Date);
    expect((await listItems(db, over, { limit: 1 }))[0]).toMatchObject({ state: 'succeeded', files: null });
  });

  it('reads none of the jobs that were deleted before they expired, or while their results were removed', async () => {
    const { db, sql } = test.records;
    await sql`
      insert into jobs (id, kind, state, owner, role, priority, input, finished_at, results_expire_at, results_removed_at,
                        delete_requested_at, deleted_at)
      select 'gone-' || n, 'toy', 'succeeded', 'gone', 'user', 3, '{}', now(), now() - interval '1 day',
             case when n % 2 = 0 then now() end, now(), now()
      from generate_series(1, 20000) as n`;
    await sql`analyze jobs`;
    const read = await rowsReadBy(db, expiredPage(db, new Date(), '', 100).toSQL());
    await sql`delete from jobs where owner = 'gone'`;
    expect(read).toBeLessThan(100);
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
    // Its next run is cancelled when the engine knows of it, also if the cancel of the lost one was noted late.
    await sweepQueries.markCancelDispatched(db, id, 2);
    const waitsForCancel = async () => ids(await sweepQueries.waitingCancels(db, '', 100)).includes(id);
    expect(await waitsForCancel()).toBe(false);
    await markDispatched(db, id, 3);
    expect(await waitsForCancel()).toBe(true);
    expect(await finishJob(db, { jobId: id, run: 3, state: 'cancelled' })).toBe(true);
    expect(await sweepQueries.requeue(db, id, 3)).toBeUndefined();
  });
});

describe('another job over the same sources', () => {
  it('takes the items over, and keeps the uploads needed while it lives', async () => {
    const { db, sql } = test.records;
    const first = await submitted(test.records, { items: 2 });
    const second = await receiving(test.records);
    await sql`update jobs set source_job_id = ${first} where id = ${second}`;
    const items = await submittedItems(db, first);
    expect(items).toMatchObject({ stage: 'work', length: 2 });
    const inputs: object[] = [];
    for await (const page of pagesOfItems(db, items)) inputs.push(...page.map(({ input }) => input));
    expect(inputs).toEqual([{ n: 1 }, { n: 2 }]);
    await requestDelete(db, first);
    expect(await isNeeded(db, first)).toBe(true);
    await requestDelete(db, second);
    expect(await isNeeded(db, first)).toBe(false);
  });

  it.each(['repeats', 'reads the inputs of'])(
    'comes before the removal of the one it %s, or not at all',
    async (how) => {
      const { db } = test.records;
      const first = await submitted(test.records);
      const from = { sourceJobId: first, ...(how === 'repeats' && { rerunOf: first }) };
      const job = (id: string) => ({ id, kind: toy, caller: alice, input: {}, ...from });
      let made = 0;
      const repeat = (id: string): Promise<unknown> =>
        made++ % 2 === 0
          ? createReceiving(db, job(id))
          : submitJob(db, job(id), { id, fingerprint: id, input: {}, stage: 'work', items: [] });
      for (let round = 0; round < 10; round++) {
        const [repeated] = await Promise.allSettled([repeat(newId()), requestDelete(db, first)]);
        expect(await isNeeded(db, first)).toBe(repeated.status === 'fulfilled');
        await test.records.sql`delete from jobs where source_job_id = ${first}`;
        await test.records.sql`update jobs set delete_requested_at = null where id = ${first}`;
      }
      await requestDelete(db, first);
      for (const id of [newId(), newId()])
        await expect(repeat(id)).rejects.toMatchObject({ code: 'not_found' });
      expect(await isNeeded(db, first)).toBe(false);
    },
  );
});
