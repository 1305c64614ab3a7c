import { setTimeout as sleep } from 'node:timers/promises';
import { problemOf } from '@darkroom/contract';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  assertEnding,
  beginEnding,
  closeAttempt,
  Fenced,
  failedAttempts,
  finishJob,
  getJob,
  getJobRow,
  holdsFence,
  markDeleted,
  readPage,
  recordProgress,
  releaseItems,
  requestCancel,
  requestDelete,
  requestResume,
  setStage,
  sweepQueries,
} from '../index.ts';
import {
  attemptAt,
  claimItem,
  failItem,
  findingsOf,
  holdsItem,
  insertFinding,
  published,
  publishItem,
  retryItem,
  startRecords,
  submitted,
  type TestRecords,
  toyRecords,
  working,
} from '../testing.ts';
import { lockFence } from './fence.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords(20);
});
afterAll(() => test.close());

const item = async (jobId: string, ordinal = 1) =>
  (await readPage(test.records.db, jobId, 'work', ordinal, ordinal + 1))[0]!;
const all = { from: 1, to: 100 };
const problem = problemOf('truncated_image', 'half a file');

/** Every way an attempt can write; each must be refused to one that has lost. */
async function expectFenced(fence: Awaited<ReturnType<typeof attemptAt>>): Promise<void> {
  const { db } = test.records;
  expect(await holdsFence(db, fence)).toBe(false);
  expect(await holdsItem(db, fence, 'work', 1)).toBe(false);
  const writes = [
    claimItem(db, fence, 'work', 1),
    publishItem(db, fence, 'work', 1, published),
    publishItem(db, fence, 'work', 1, published, (tx) => insertFinding(tx, fence.jobId)),
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
    expect(await releaseItems(test.records.db, next, 'work', all)).toBe(0);
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
    await markDeleted(db, id, toyRecords);
    await expectFenced(fence);
    await closeAttempt(db, fence, { outcome: 'fenced', workMs: 5 });
    expect((await getJobRow(db, id))?.deletedAt).toBeInstanceOf(Date);
  });
});

describe('a run that is being ended', () => {
  it('lets no attempt of its own write or open, and the last to begin the ending alone', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const fence = await working(test.records, id);
    const first = await beginEnding(db, { jobId: id, run: 1 });
    await assertEnding(db, first!);
    await expectFenced(fence);
    await expect(attemptAt(test.records, id, { attempt: 2 })).rejects.toBeInstanceOf(Fenced);
    const second = await beginEnding(db, { jobId: id, run: 1 });
    await expect(assertEnding(db, first!)).rejects.toBeInstanceOf(Fenced);
    const end = { jobId: id, run: 1, state: 'failed' as const };
    expect(await finishJob(db, { ...end, endingClaim: first!.claim })).toBe(false);
    // Nor does a publish that was under way.
    expect(await finishJob(db, { ...end, state: 'succeeded', endingClaim: null })).toBe(false);
    expect(await finishJob(db, { ...end, endingClaim: second!.claim })).toBe(true);
    expect(await beginEnding(db, { jobId: id, run: 1 })).toBeUndefined();
    await expect(assertEnding(db, second!)).rejects.toBeInstanceOf(Fenced);
    await requestResume(db, id, {});
    await expect(assertEnding(db, second!)).rejects.toBeInstanceOf(Fenced);
    expect(await beginEnding(db, { jobId: id, run: 1 })).toBeUndefined();
    expect(await claimItem(db, await attemptAt(test.records, id, { run: 2 }), 'work', 1)).toBeDefined();
  });

  it('that the engine lost is queued again, and its ending has lost', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const ending = await beginEnding(db, { jobId: id, run: 1 });
    await sweepQueries.requeue(db, id, 1);
    await expect(assertEnding(db, ending!)).rejects.toBeInstanceOf(Fenced);
    expect((await attemptAt(test.records, id, { run: 2 })).run).toBe(2);
  });
});

describe('races against a publish', () => {
  const race = async (against: (id: string) => Promise<unknown>) => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const fence = await working(test.records, id);
    const [publish] = await Promise.allSettled([
      publishItem(db, fence, 'work', 1, published, (tx) => insertFinding(tx, id)),
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
        await markDeleted(db, job, toyRecords);
      });
      const [left] = await sql`
        select (select count(*) from job_items where job_id = ${id}) + (select count(*) from toy_findings where job_id = ${id})
             + (select count(*) from job_events where job_id = ${id})
             + (select count(*) from job_stages where job_id = ${id}) + (select count(*) from job_attempts where job_id = ${id}) as rows`;
      expect(Number(left?.rows)).toBe(0);
      expect(await getJobRow(db, id)).toMatchObject({ state: 'cancelled', input: {} });
    }
  });

  it('end of the job: an item is published before it, or not at all', async () => {
    const { db } = test.records;
    for (let round = 0; round < 15; round++) {
      const { id, won } = await race((job) => finishJob(db, { jobId: job, run: 1, state: 'cancelled' }));
      expect((await item(id)).state).toBe(won ? 'succeeded' : 'pending');
      expect(await findingsOf(db, id)).toHaveLength(won ? 1 : 0);
    }
  });

  it('the ending of a run: an item is published before it, and kept, or not at all', async () => {
    const { db } = test.records;
    for (let round = 0; round < 15; round++) {
      let kept = false;
      const { won } = await race(async (job) => {
        await beginEnding(db, { jobId: job, run: 1 });
        kept = (await item(job)).state === 'succeeded';
      });
      expect(kept).toBe(won);
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
    expect(await releaseItems(db, fence, 'work', all)).toBe(1);
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

describe("the job's row", () => {
  it('is locked once in a publication, as strongly as what it writes beside the item may need', async () => {
    const { db } = test.records;
    const jobId = await submitted(test.records);
    const fences = await Promise.all(
      [1, 2].map(async (ordinal) => {
        const fence = await attemptAt(test.records, jobId, { activity: `page ${ordinal}` });
        await claimItem(db, fence, 'work', ordinal);
        return fence;
      }),
    );
    let entered = 0;
    const waits = async () => {
      const [row] = await test.records.sql<{ waiting: number }>`
        select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return row!.waiting > 0;
    };
    await Promise.all(
      fences.map((fence, index) =>
        publishItem(db, fence, 'work', index + 1, published, async (tx) => {
          entered++;
          // The other one is in here too, or waits for this one with what it has locked.
          for (let looks = 0; entered < 2 && !(await waits()) && looks < 200; looks++) await sleep(20);
          // Two that hold the row in share would each wait for the other's to go: not until the server rolls one back.
          await tx.execute(sql`set local lock_timeout = '300ms'`);
          await lockFence(tx, fence);
        }),
      ),
    );
    // One that the server had to roll back would have come in again.
    expect(entered).toBe(2);
  });
});
