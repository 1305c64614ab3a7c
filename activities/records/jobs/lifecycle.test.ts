import { problemOf } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  beginAgain,
  eventsAfter,
  Fenced,
  findByIdempotencyKey,
  finishJob,
  getJob,
  getJobRow,
  jobsChannel,
  listItems,
  markDeleted,
  markDispatched,
  requestCancel,
  requestDelete,
  requestResume,
} from '../index.ts';
import {
  attemptAt,
  claimItem,
  ledgerRowsOf,
  published,
  publishItem,
  receiving,
  startRecords,
  submitted,
  type TestRecords,
  working,
} from '../testing.ts';
import { rowsAtOnce } from './begin-again.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const problem = problemOf('outage', 'the store was away');
const stateOf = async (id: string) => (await getJobRow(test.records.db, id))?.state;

describe('cancel', () => {
  it('ends a job that no engine was told of, and it never starts', async () => {
    const { db } = test.records;
    const waiting = await submitted(test.records);
    const uploading = await receiving(test.records);
    for (const id of [waiting, uploading]) {
      expect(await requestCancel(db, id, 'no need')).toMatchObject({
        state: 'cancelled',
        cancelReason: 'no need',
      });
      const { job, stages } = (await getJob(db, id))!;
      expect(job.finishedAt).toBeInstanceOf(Date);
      expect(new Set(stages.map(({ state }) => state))).toEqual(new Set(['cancelled']));
    }
    expect(await markDispatched(db, waiting, 1)).toBe(false);
    await expect(attemptAt(test.records, waiting)).rejects.toBeInstanceOf(Fenced);
  });

  it('asks a dispatched or running one to end, once', async () => {
    const { db } = test.records;
    const queued = await submitted(test.records);
    expect(await markDispatched(db, queued, 1)).toBe(true);
    const running = await submitted(test.records);
    await working(test.records, running);
    for (const id of [queued, running]) {
      expect(await requestCancel(db, id, 'first')).toMatchObject({ state: 'cancelling' });
      const { version } = (await getJobRow(db, id))!;
      expect(await requestCancel(db, id, 'second')).toMatchObject({ cancelReason: 'first', version });
      expect(await finishJob(db, { jobId: id, run: 1, state: 'cancelled' })).toBe(true);
    }
    expect((await listItems(db, running, { limit: 1 }))[0]?.state).toBe('pending');
  });

  it('leaves what has ended, and knows nothing of what is not there', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await finishJob(db, { jobId: id, run: 1, state: 'succeeded' });
    expect(await requestCancel(db, id, 'late')).toMatchObject({ state: 'succeeded', cancelReason: null });
    expect(await requestCancel(db, 'nobody', 'x')).toBeUndefined();
  });

  it('and dispatch at once: never cancelled and dispatched both', async () => {
    const { db } = test.records;
    for (let round = 0; round < 15; round++) {
      const id = await submitted(test.records);
      const [cancelled, dispatched] = await Promise.all([
        requestCancel(db, id, 'x'),
        markDispatched(db, id, 1),
      ]);
      expect(cancelled?.state).toBe(dispatched ? 'cancelling' : 'cancelled');
    }
  });

  it.each(['succeeded', 'succeeded_with_warnings'] as const)(
    'that was answered is not overtaken by an end as %s',
    async (state) => {
      const { db } = test.records;
      const id = await submitted(test.records);
      await attemptAt(test.records, id);
      await requestCancel(db, id, 'x');
      expect(await finishJob(db, { jobId: id, run: 1, state, result: { a: 1 } })).toBe(false);
      expect((await getJob(db, id))?.job).toMatchObject({ state: 'cancelling', result: null });
      expect(await finishJob(db, { jobId: id, run: 1, state: 'cancelled' })).toBe(true);
    },
  );

  it('may find the job failed, or done before', async () => {
    const { db } = test.records;
    const failed = await submitted(test.records);
    await attemptAt(test.records, failed);
    await requestCancel(db, failed, 'x');
    expect(await finishJob(db, { jobId: failed, run: 1, state: 'failed', problem })).toBe(true);
    const done = await submitted(test.records);
    await finishJob(db, { jobId: done, run: 1, state: 'succeeded', result: { a: 1 } });
    expect(await requestCancel(db, done, 'x')).toMatchObject({ state: 'succeeded', result: { a: 1 } });
  });
});

describe('finish', () => {
  it('ends the stages as the job ended', async () => {
    const { db } = test.records;
    const states = async (end: 'succeeded_with_warnings' | 'failed' | 'cancelled') => {
      const id = await submitted(test.records);
      await attemptAt(test.records, id);
      await finishJob(db, {
        jobId: id,
        run: 1,
        state: end,
        warnings: 1,
        ...(end === 'failed' && { problem }),
      });
      const { job, stages } = (await getJob(db, id))!;
      expect(job.problem?.code).toBe(end === 'failed' ? 'outage' : undefined);
      return stages.map(({ state }) => state);
    };
    expect(await states('succeeded_with_warnings')).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(await states('failed')).toEqual(['pending', 'failed', 'pending']);
    expect(await states('cancelled')).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  it('is written whatever a program or somebody has said of it', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await attemptAt(test.records, id);
    const cut = problemOf('internal', 'the end of its output: \udc00 a\0b');
    const end = { jobId: id, run: 1, state: 'cancelled', problem: cut, cancelReason: 'no\0 need' } as const;
    expect(await finishJob(db, end)).toBe(true);
    expect(await getJobRow(db, id)).toMatchObject({
      problem: { detail: 'the end of its output: \ufffd ab' },
      cancelReason: 'no need',
    });
    const other = await submitted(test.records);
    expect(await requestCancel(db, other, 'a\0b')).toMatchObject({ cancelReason: 'ab' });
  });

  it('counts what no attempt has counted any more', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 1 });
    const fence = await working(test.records, id);
    await publishItem(db, fence, 'work', 1, published);
    await finishJob(db, { jobId: id, run: 1, state: 'succeeded' });
    expect((await getJob(db, id))?.stages.map(({ done }) => done)).toEqual([1, 1, 0]);
  });
});

describe('resume', () => {
  it('queues the next run with what was done kept', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const fence = await working(test.records, id);
    await publishItem(db, fence, 'work', 1, published);
    await claimItem(db, fence, 'work', 2);
    await requestCancel(db, id, 'later');
    await finishJob(db, { jobId: id, run: 1, state: 'cancelled' });
    const resumed = await requestResume(db, id, { traceId: 't2' });
    expect(resumed).toMatchObject({
      state: 'queued',
      run: 2,
      dispatched: false,
      cancelReason: null,
      cancelRequestedAt: null,
      finishedAt: null,
      traceId: 't2',
    });
    const items = await listItems(db, id, { limit: 5 });
    expect(items.map(({ state, attempt, deaths }) => [state, attempt, deaths])).toEqual([
      ['succeeded', 1, 0],
      ['pending', 0, 0],
      ['pending', 0, 0],
    ]);
    expect(await requestResume(db, id, {})).toBeUndefined();
  });

  it('is for whole jobs that failed or were cancelled, once of many tries at once', async () => {
    const { db } = test.records;
    const never = await receiving(test.records);
    await requestCancel(db, never, 'x');
    const done = await submitted(test.records);
    await finishJob(db, { jobId: done, run: 1, state: 'succeeded' });
    expect(await requestResume(db, never, {})).toBeUndefined();
    expect(await requestResume(db, done, {})).toBeUndefined();
    const failed = await submitted(test.records);
    await finishJob(db, { jobId: failed, run: 1, state: 'failed', problem });
    const tries = await Promise.all(Array.from({ length: 10 }, () => requestResume(db, failed, {})));
    expect(tries.filter((row) => row !== undefined).map(({ run }) => run)).toEqual([2]);
  });
});

describe('a job of many items', () => {
  const items = 2 * rowsAtOnce + 1;
  const failedItems = async (): Promise<string> => {
    const id = await submitted(test.records, { items: 0 });
    await test.records.sql`
      insert into job_items (job_id, stage, ordinal, key, input, state, attempt, run, counted)
      select ${id}, 'work', i, i, '{}', 'failed', 3, 1, 32767 from generate_series(1, ${items}::int) as i`;
    await finishJob(test.records.db, { jobId: id, run: 1, state: 'failed', problem });
    return id;
  };
  const pending = async (id: string) => {
    const [row] = await test.records.sql<{ count: number }>`
      select count(*)::int from job_items where job_id = ${id} and state = 'pending' and attempt = 0`;
    return row?.count;
  };

  it('ends with thousands of them that nobody has counted yet', async () => {
    const { db, sql } = test.records;
    const id = await submitted(test.records, { items: 0 });
    await sql`
      insert into job_items (job_id, stage, ordinal, key, input, state, reached)
      select ${id}, 'work', i, i, '{}', case when i % 4 = 0 then 'failed' else 'succeeded' end, 1
      from generate_series(1, ${items}::int) as i`;
    const { read } = await ledgerRowsOf(db, (tx) =>
      finishJob(tx, { jobId: id, run: 1, state: 'succeeded_with_warnings' }),
    );
    expect(read).toBeLessThan(1000 * items);
    expect((await getJob(db, id))?.stages.map(({ done, failed }) => [done, failed])).toEqual([
      [items, rowsAtOnce / 2],
      [items, rowsAtOnce / 2],
      [0, 0],
    ]);
  });

  it('begins again in batches: whoever is stopped between two leaves it queued, and the next one goes on', async () => {
    const { db } = test.records;
    const id = await failedItems();
    const { read, changed } = await ledgerRowsOf(db, (tx) => requestResume(tx, id, {}));
    expect(changed).toBe(rowsAtOnce);
    expect(read).toBeLessThan(rowsAtOnce + 50);
    expect(await pending(id)).toBe(rowsAtOnce);
    const queued = { state: 'queued', run: 2, dispatched: false };
    expect(await getJobRow(db, id)).toMatchObject({
      ...queued,
      resetAfter: { stage: 'work', ordinal: rowsAtOnce },
    });
    expect(await beginAgain(db, id, 2, 0)).toBe(false);
    expect(await pending(id)).toBe(2 * rowsAtOnce);
    expect(await beginAgain(db, id, 2, Number.POSITIVE_INFINITY)).toBe(true);
    expect(await pending(id)).toBe(items);
    expect(await getJobRow(db, id)).toMatchObject({ ...queued, resetAfter: null });
    // Another may have been at it meanwhile.
    expect(await beginAgain(db, id, 2, 0)).toBe(true);
    expect((await getJob(db, id))?.stages.map(({ failed }) => failed)).toEqual([0, 0, 0]);
  });

  it('is left as it is by whoever goes on late: at work, at a later run, or cancelled', async () => {
    const { db } = test.records;
    const id = await failedItems();
    await requestResume(db, id, {});
    expect(await beginAgain(db, id, 1, Number.POSITIVE_INFINITY)).toBe(false);
    expect(await pending(id)).toBe(rowsAtOnce);
    await requestCancel(db, id, 'x');
    expect(await beginAgain(db, id, 2, Number.POSITIVE_INFINITY)).toBe(false);
    expect(await pending(id)).toBe(rowsAtOnce);
    // The next one begins from the beginning.
    await requestResume(db, id, {});
    await attemptAt(test.records, id, { run: 3 });
    expect(await beginAgain(db, id, 3, Number.POSITIVE_INFINITY)).toBe(false);
    expect(await pending(id)).toBe(rowsAtOnce);
  });
});

describe('delete', () => {
  it('hides a job at once, cancels it, and keeps a tombstone that holds its key', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { idempotencyKey: 'once' });
    await working(test.records, id);
    expect(await requestDelete(db, id)).toMatchObject({ state: 'cancelling' });
    expect(await getJob(db, id)).toBeUndefined();
    expect(await requestDelete(db, id)).toMatchObject({ id });
    expect(await finishJob(db, { jobId: id, run: 1, state: 'cancelled' })).toBe(true);
    await markDeleted(db, id, undefined);
    await markDeleted(db, id, undefined);
    const tombstone = (await findByIdempotencyKey(db, 'alice', 'once'))!;
    expect(tombstone).toMatchObject({ id, state: 'cancelled', input: {}, result: null });
    expect(tombstone.deletedAt).toBeInstanceOf(Date);
    expect(await requestResume(db, id, {})).toBeUndefined();
    expect(await requestDelete(db, 'nobody')).toBeUndefined();
    expect(await eventsAfter(db, id, 0, 10)).toEqual([]);
  });
});

describe('events', () => {
  it('wake followers when they are committed, in order and without gaps', async () => {
    const { db } = test.records;
    const woken: string[] = [];
    const ear = await test.records.listen(jobsChannel, (id) => woken.push(id));
    const id = await submitted(test.records);
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => attemptAt(test.records, id, { activity: `a${i}` })),
    );
    await requestCancel(db, id, 'x');
    await finishJob(db, { jobId: id, run: 1, state: 'cancelled' });
    await expect.poll(() => woken.filter((one) => one === id).length).toBe(13);
    await ear.unlisten();
    const events = await eventsAfter(db, id, 0, 100);
    expect(events.map((event) => event.id)).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
    expect(events.slice(-2).map(({ data }) => data.state)).toEqual(['cancelling', 'cancelled']);
    expect(await eventsAfter(db, id, 11, 100)).toHaveLength(2);
    expect(await stateOf(id)).toBe('cancelled');
  });
});
