import { problemOf } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  claimItem,
  eventsAfter,
  eventsKept,
  Fenced,
  findByIdempotencyKey,
  finishJob,
  getJob,
  getJobRow,
  jobsChannel,
  listItems,
  markDeleted,
  markDispatched,
  publishItem,
  requestCancel,
  requestDelete,
  requestResume,
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

  it('may find the job really done', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await attemptAt(test.records, id);
    await requestCancel(db, id, 'x');
    expect(await finishJob(db, { jobId: id, run: 1, state: 'succeeded', result: { a: 1 } })).toBe(true);
    expect((await getJob(db, id))?.job).toMatchObject({ state: 'succeeded', result: { a: 1 } });
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

describe('delete', () => {
  it('hides a job at once, cancels it, and keeps a tombstone that holds its key', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { idempotencyKey: 'once' });
    await working(test.records, id);
    expect(await requestDelete(db, id)).toMatchObject({ state: 'cancelling' });
    expect(await getJob(db, id)).toBeUndefined();
    expect(await requestDelete(db, id)).toMatchObject({ id });
    expect(await finishJob(db, { jobId: id, run: 1, state: 'cancelled' })).toBe(true);
    await markDeleted(db, id);
    await markDeleted(db, id);
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
    expect(await eventsKept(db, id)).toBe(1);
    expect(await eventsKept(db, 'nobody')).toBe(0);
    expect(await stateOf(id)).toBe('cancelled');
  });
});
