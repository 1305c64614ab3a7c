import { problemOf } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  claimItem,
  closeAttempt,
  createTask,
  Fenced,
  failedAttempts,
  failItem,
  finishJob,
  getJob,
  getJobRow,
  holdsFence,
  holdsItem,
  insertSegment,
  markDeleted,
  publishItem,
  readPage,
  recordProgress,
  releaseItems,
  requestCancel,
  requestDelete,
  requestResume,
  retryItem,
  setStage,
} from './index.ts';
import { attemptAt, published, startRecords, submitted, type TestRecords, working } from './testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords(20);
});
afterAll(() => test.close());

const item = async (jobId: string, ordinal = 1) =>
  (await readPage(test.records.db, jobId, 'work', ordinal, ordinal + 1))[0]!;
const problem = problemOf('truncated_image', 'half a file');
const segment = (jobId: string) => ({
  jobId,
  segmentId: 1,
  filename: 'a.jpg',
  sourceUri: 's3://b/a.jpg',
  width: 1,
  height: 1,
  resultUri: 's3://b/r',
  detections: [{ label: 'cat', score: 0.5, box: { x: 0, y: 0, width: 1, height: 1 } }],
});

/** Every way an attempt can write; each must be refused to one that has lost. */
async function expectFenced(fence: Awaited<ReturnType<typeof attemptAt>>): Promise<void> {
  const { db } = test.records;
  expect(await holdsFence(db, fence)).toBe(false);
  expect(await holdsItem(db, fence, 'work', 1)).toBe(false);
  const writes = [
    claimItem(db, fence, 'work', 1),
    publishItem(db, fence, 'work', 1, published),
    publishItem(db, fence, 'work', 1, published, (tx) => insertSegment(tx, segment(fence.jobId))),
    failItem(db, fence, 'work', 1, problem),
    retryItem(db, fence, 'work', 1, problem),
    recordProgress(db, fence, { itemStage: 'work', reached: [{ ordinal: 1, reached: 1 }] }),
    setStage(db, fence, 'pack', { done: 1, total: 1 }),
  ];
  for (const outcome of await Promise.allSettled(writes)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(Fenced) });
  }
}

describe('openAttempt', () => {
  it('starts job and stage and gives growing claims', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const [first, second] = [
      await attemptAt(test.records, id),
      await attemptAt(test.records, id, { activity: 'b' }),
    ];
    expect(second.claim).toBe(first.claim + 1);
    const { job, stages } = (await getJob(db, id))!;
    expect(job).toMatchObject({ state: 'running', dispatched: true });
    expect(job.startedAt).toBeInstanceOf(Date);
    expect(stages[1]).toMatchObject({ name: 'work', state: 'running', attempts: 2, queueMs: 10 });
    expect(await holdsFence(db, first)).toBe(true);
    expect(await holdsFence(db, second)).toBe(true);
  });

  it('lets exactly the last of two attempts of one activity write, whichever comes first', async () => {
    for (let round = 0; round < 15; round++) {
      const id = await submitted(test.records);
      const [first, second] = await Promise.allSettled([
        attemptAt(test.records, id, { attempt: 1 }),
        attemptAt(test.records, id, { attempt: 2 }),
      ]);
      expect(second.status).toBe('fulfilled');
      if (first.status === 'fulfilled') await expectFenced(first.value);
      else expect(first.reason).toBeInstanceOf(Fenced);
      if (second.status === 'fulfilled') expect(await holdsFence(test.records.db, second.value)).toBe(true);
    }
  });

  it('refuses older runs, ended, cancelled and deleted jobs, and jobs that do not exist', async () => {
    const { db } = test.records;
    const ended = await submitted(test.records);
    await finishJob(db, { jobId: ended, run: 1, state: 'succeeded' });
    const cancelled = await submitted(test.records);
    await requestCancel(db, cancelled, 'x');
    const deleted = await submitted(test.records);
    await requestDelete(db, deleted);
    const other = await submitted(test.records);
    for (const id of [ended, cancelled, deleted, 'nobody']) {
      await expect(attemptAt(test.records, id)).rejects.toBeInstanceOf(Fenced);
    }
    await expect(attemptAt(test.records, other, { run: 2 })).rejects.toBeInstanceOf(Fenced);
  });

  it('fences off its own earlier opening when the same attempt opens again', async () => {
    const id = await submitted(test.records);
    const first = await working(test.records, id);
    const again = await attemptAt(test.records, id);
    await expectFenced(first);
    expect(await holdsFence(test.records.db, again)).toBe(true);
  });

  it('counts work once per closing, and per activity the failures nobody foresaw: no outage', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const outage = await attemptAt(test.records, id, { attempt: 1 });
    const away = problemOf('storage_unavailable', 'away');
    await closeAttempt(db, outage, { outcome: 'failed', workMs: 0, problem: away });
    expect(await failedAttempts(db, outage)).toBe(0);
    const unforeseen = problemOf('internal', 'nobody foresaw it');
    for (const attempt of [2, 3]) {
      const fence = await attemptAt(test.records, id, { attempt });
      await closeAttempt(db, fence, { outcome: 'failed', workMs: 100, problem: unforeseen });
      await closeAttempt(db, fence, { outcome: 'succeeded', workMs: 100 });
      expect(await failedAttempts(db, fence)).toBe(attempt - 1);
    }
    expect((await getJob(db, id))?.stages[1]).toMatchObject({ workMs: 200, attempts: 3 });
  });
});

describe('an attempt that has lost', () => {
  it('writes nothing after a later attempt has opened', async () => {
    const id = await submitted(test.records);
    const stopped = await working(test.records, id);
    const next = await attemptAt(test.records, id, { attempt: 2 });
    await expectFenced(stopped);
    expect(await releaseItems(test.records.db, next)).toBe(0);
    const taken = await claimItem(test.records.db, next, 'work', 1);
    expect(taken).toMatchObject({ attempt: 2, deaths: 1, claim: next.claim });
    await publishItem(test.records.db, next, 'work', 1, published);
    expect(await item(id)).toMatchObject({ state: 'succeeded', claim: next.claim });
  });

  it('writes nothing after its run was resumed', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const old = await working(test.records, id);
    await finishJob(db, { jobId: id, run: 1, state: 'failed', problem });
    await expectFenced(old);
    await requestResume(db, id, {});
    await expectFenced(old);
    const fresh = await attemptAt(test.records, id, { run: 2 });
    await expectFenced(old);
    expect(await finishJob(db, { jobId: id, run: 1, state: 'succeeded' })).toBe(false);
    expect(await claimItem(db, fresh, 'work', 1)).toMatchObject({ run: 2, attempt: 1, deaths: 0 });
  });

  it('writes nothing for a job that is to be deleted', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const fence = await working(test.records, id);
    await requestDelete(db, id);
    await expectFenced(fence);
    expect(await getJob(db, id)).toBeUndefined();
    await markDeleted(db, id);
    await expectFenced(fence);
    await closeAttempt(db, fence, { outcome: 'fenced', workMs: 5 });
    expect((await getJobRow(db, id))?.deletedAt).toBeInstanceOf(Date);
  });
});

describe('races against a publish', () => {
  const race = async (against: (id: string) => Promise<unknown>) => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await createTask(db, { jobId: id, media: 'photo', segments: 3, scoreThreshold: 0.5 });
    const fence = await working(test.records, id);
    const [publish] = await Promise.allSettled([
      publishItem(db, fence, 'work', 1, published, (tx) => insertSegment(tx, segment(id))),
      against(id),
    ]);
    if (publish.status === 'rejected') expect(publish.reason).toBeInstanceOf(Fenced);
    return { id, fence, won: publish.status === 'fulfilled' };
  };

  it('delete: rows are gone whoever came first', async () => {
    const { db, sql } = test.records;
    for (let round = 0; round < 15; round++) {
      const { id } = await race(async (job) => {
        await requestDelete(db, job);
        await markDeleted(db, job);
      });
      const [left] = await sql`
        select (select count(*) from job_items where job_id = ${id}) + (select count(*) from task_segments where job_id = ${id})
             + (select count(*) from recognition_results where job_id = ${id}) + (select count(*) from job_events where job_id = ${id})
             + (select count(*) from job_stages where job_id = ${id}) + (select count(*) from job_attempts where job_id = ${id}) as rows`;
      expect(Number(left?.rows)).toBe(0);
      expect(await getJobRow(db, id)).toMatchObject({ state: 'cancelled', input: {} });
    }
  });

  it('end of the job: an item is published before it, or not at all', async () => {
    const { db, sql } = test.records;
    for (let round = 0; round < 15; round++) {
      const { id, won } = await race((job) => finishJob(db, { jobId: job, run: 1, state: 'cancelled' }));
      expect((await item(id)).state).toBe(won ? 'succeeded' : 'pending');
      const segments = await sql`select segment_id from task_segments where job_id = ${id}`;
      expect(segments.length).toBe(won ? 1 : 0);
    }
  });

  it('cancel: what was in hand may still be published while it cleans up', async () => {
    const { db } = test.records;
    const { id, won, fence } = await race((job) => requestCancel(db, job, 'enough'));
    expect(won).toBe(true);
    expect((await getJobRow(db, id))?.state).toBe('cancelling');
    expect(await holdsFence(db, fence)).toBe(true);
    expect(await finishJob(db, { jobId: id, run: 1, state: 'cancelled' })).toBe(true);
    await expectFenced(fence);
  });

  it('a later attempt: it either finds the item done or takes it over', async () => {
    const { db } = test.records;
    for (let round = 0; round < 15; round++) {
      let next: Awaited<ReturnType<typeof attemptAt>> | undefined;
      const { id, won } = await race(async (job) => {
        next = await attemptAt(test.records, job, { attempt: 2 });
      });
      const taken = await claimItem(db, next!, 'work', 1);
      expect(taken === undefined).toBe(won);
      expect((await item(id)).state).toBe(won ? 'succeeded' : 'running');
    }
  });

  it('the end comes once of twenty tries at once', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await attemptAt(test.records, id);
    const ends = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        finishJob(db, { jobId: id, run: 1, state: i % 2 === 0 ? 'succeeded' : 'failed' }),
      ),
    );
    expect(ends.filter(Boolean)).toHaveLength(1);
  });
});

describe('items', () => {
  it('are claimed, given back, tried again, failed and skipped as the ledger says', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const fence = await working(test.records, id);
    expect(await claimItem(db, fence, 'work', 1)).toMatchObject({ attempt: 1, deaths: 0 });
    expect(await releaseItems(db, fence)).toBe(1);
    expect(await item(id)).toMatchObject({ state: 'pending', attempt: 0, deaths: 0 });
    await claimItem(db, fence, 'work', 1);
    await retryItem(db, fence, 'work', 1, problem);
    expect(await item(id)).toMatchObject({ state: 'pending', problem: { code: 'truncated_image' } });
    expect(await claimItem(db, fence, 'work', 1)).toMatchObject({ attempt: 2, deaths: 0 });
    await failItem(db, fence, 'work', 1, problem);
    expect(await claimItem(db, fence, 'work', 1)).toBeUndefined();
    await expect(publishItem(db, fence, 'work', 1, published)).rejects.toBeInstanceOf(Fenced);
    await expect(claimItem(db, fence, 'work', 99)).rejects.toThrow('no item 99');
  });

  it('belong to the newest claim of two activities', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const older = await attemptAt(test.records, id, { activity: 'a' });
    const newer = await attemptAt(test.records, id, { activity: 'b' });
    await claimItem(db, newer, 'work', 1);
    await expect(claimItem(db, older, 'work', 1)).rejects.toBeInstanceOf(Fenced);
    expect(await holdsItem(db, newer, 'work', 1)).toBe(true);
    expect(await claimItem(db, older, 'work', 2)).toMatchObject({ claim: older.claim });
    expect(await claimItem(db, newer, 'work', 2)).toMatchObject({ claim: newer.claim, deaths: 1 });
    await expect(publishItem(db, older, 'work', 2, published)).rejects.toBeInstanceOf(Fenced);
  });

  it('that succeeded in an earlier run can be claimed by the next, if their digest is another', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const fence = await working(test.records, id);
    await publishItem(db, fence, 'work', 1, published);
    await finishJob(db, { jobId: id, run: 1, state: 'failed', problem });
    await requestResume(db, id, {});
    const next = await attemptAt(test.records, id, { run: 2 });
    expect(await item(id)).toMatchObject({ state: 'succeeded', inputDigest: 'd', run: 1 });
    expect(await claimItem(db, next, 'work', 1)).toMatchObject({ state: 'running', run: 2, attempt: 1 });
  });
});
