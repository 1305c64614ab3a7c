/** How a job's state changes from outside its run: dispatch, cancel, resume, delete. Each takes the job's row lock first. */
import { and, eq, inArray, isNull, ne, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { bump, jobsChannel } from './events.ts';
import type { JobRow } from './rows.ts';
import { jobAttempts, jobCheckpoints, jobEvents, jobItems, jobLogs, jobStages, jobs } from './schema.ts';
import { recognitionResults, taskSegments, tasks } from './schema-analysis.ts';
import { write } from './unavailable.ts';

const ended = ['succeeded', 'succeeded_with_warnings', 'failed', 'cancelled'];

/** Locks the row until the transaction ends; its state cannot change meanwhile. */
export async function lockJob(tx: Db, id: string): Promise<JobRow | undefined> {
  const [row] = await tx.select().from(jobs).where(eq(jobs.id, id)).for('no key update');
  return row;
}

/** Notes that the engine was told to start this run. False when the job is at another run or has ended. */
export const markDispatched = write(async (db: Db, id: string, run: number): Promise<boolean> => {
  const rows = await db
    .update(jobs)
    .set({ dispatched: true, updatedAt: sql`now()` })
    .where(and(eq(jobs.id, id), eq(jobs.run, run), inArray(jobs.state, ['queued', 'running', 'cancelling'])))
    .returning({ id: jobs.id });
  return rows.length > 0;
});

/**
 * Asks for a job's end. One that no engine was told of ends here and never starts; one that runs becomes
 * `cancelling`; one that has ended stays as it is. Undefined when there is no such job.
 */
export const requestCancel = write(
  async (db: Db, id: string, reason: string): Promise<JobRow | undefined> =>
    db.transaction(async (tx) => {
      const job = await lockJob(tx, id);
      if (!job || job.deletedAt !== null) return undefined;
      return await cancelLocked(tx, job, reason);
    }),
);

async function cancelLocked(tx: Db, job: JobRow, reason: string): Promise<JobRow> {
  if (ended.includes(job.state) || job.state === 'cancelling') return job;
  const neverStarted = job.state === 'receiving' || (job.state === 'queued' && !job.dispatched);
  const state = neverStarted ? 'cancelled' : 'cancelling';
  const [row] = await tx
    .update(jobs)
    .set({
      state,
      waiting: null,
      cancelReason: reason,
      cancelRequestedAt: sql`now()`,
      finishedAt: neverStarted ? sql`now()` : null,
    })
    .where(eq(jobs.id, job.id))
    .returning();
  if (neverStarted) await endStages(tx, job.id, 'cancelled');
  await bump(tx, job.id, 'state', { state, run: job.run });
  return row!;
}

/** Brings the stages, and items nobody works on any more, to what the job's end means for them. */
export async function endStages(
  tx: Db,
  jobId: string,
  end: 'succeeded' | 'failed' | 'cancelled',
): Promise<void> {
  const open = end === 'failed' ? ['running'] : ['pending', 'running'];
  await tx
    .update(jobStages)
    .set({ state: end, finishedAt: sql`coalesce(${jobStages.finishedAt}, now())` })
    .where(and(eq(jobStages.jobId, jobId), inArray(jobStages.state, open)));
  await tx
    .update(jobItems)
    .set({ state: 'pending', updatedAt: sql`now()` })
    .where(and(eq(jobItems.jobId, jobId), eq(jobItems.state, 'running')));
}

/** Notes that the engine was told of the cancel. */
export const markCancelDispatched = write(async (db: Db, id: string): Promise<void> => {
  await db.update(jobs).set({ cancelDispatched: true }).where(eq(jobs.id, id));
});

export interface ResumeTrace {
  readonly traceparent?: string | undefined;
  readonly traceId?: string | undefined;
}

/**
 * Queues a failed or cancelled job again under the next run: what succeeded is kept, failed items are pending.
 * Undefined when the job is in another state, was never submitted whole, is deleted, or its results were removed.
 */
export const requestResume = write(
  async (db: Db, id: string, trace: ResumeTrace): Promise<JobRow | undefined> =>
    db.transaction(async (tx) => {
      const job = await lockJob(tx, id);
      const resumable =
        job !== undefined &&
        ['failed', 'cancelled'].includes(job.state) &&
        job.run > 0 &&
        job.deleteRequestedAt === null &&
        job.resultsRemovedAt === null;
      if (!resumable) return undefined;
      const [row] = await tx
        .update(jobs)
        .set({
          state: 'queued',
          run: job.run + 1,
          dispatched: false,
          waiting: null,
          warnings: 0,
          problem: null,
          result: null,
          finishedAt: null,
          cancelRequestedAt: null,
          cancelReason: null,
          cancelDispatched: false,
          traceparent: trace.traceparent ?? null,
          traceId: trace.traceId ?? null,
        })
        .where(eq(jobs.id, id))
        .returning();
      await beginAgain(tx, id);
      await bump(tx, id, 'state', { state: 'queued', run: job.run + 1 });
      return row;
    }),
);

/**
 * Makes items that have not succeeded pending, as if nobody had tried, and lets stages begin with what the ledger
 * holds as done, which may be all of theirs; durations and attempts of stages go on summing over the runs.
 */
export async function beginAgain(tx: Db, jobId: string): Promise<void> {
  await tx
    .update(jobItems)
    .set({ state: 'pending', attempt: 0, deaths: 0, problem: null, updatedAt: sql`now()` })
    .where(and(eq(jobItems.jobId, jobId), inArray(jobItems.state, ['failed', 'running', 'pending'])));
  await tx
    .update(jobItems)
    .set({ counted: jobItems.reached })
    .where(and(eq(jobItems.jobId, jobId), ne(jobItems.counted, jobItems.reached)));
  await resetStages(tx, jobId);
}

async function resetStages(tx: Db, jobId: string): Promise<void> {
  await tx.execute(sql`
    update ${jobStages} as stage
    set state = case when whole then 'succeeded' else 'pending' end,
        started_at = case when whole then stage.started_at end,
        finished_at = case when whole then stage.finished_at end,
        failed = 0, done = counted.done, resumed_from = counted.done
    from (
      select s.name, count(i.ordinal)::int as done, count(i.ordinal) > 0 and count(i.ordinal) >= s.total as whole
      from ${jobStages} s
      left join ${jobStages} working on working.job_id = s.job_id and working.unit = s.unit
      left join ${jobItems} i on i.job_id = s.job_id and i.stage = working.name and i.reached >= s.ordinal
      where s.job_id = ${jobId}
      group by s.name, s.total
    ) as counted
    where stage.job_id = ${jobId} and stage.name = counted.name`);
}

/**
 * Asks for a job's removal: from now on it is not found and nothing more is written for it. Cancels it if it is
 * still open. Undefined when there is no such job.
 */
export const requestDelete = write(
  async (db: Db, id: string): Promise<JobRow | undefined> =>
    db.transaction(async (tx) => {
      const job = await lockJob(tx, id);
      if (!job) return undefined;
      if (job.deleteRequestedAt !== null) return job;
      await cancelLocked(tx, job, 'The job was deleted.');
      const [row] = await tx
        .update(jobs)
        .set({ deleteRequestedAt: sql`now()` })
        .where(eq(jobs.id, id))
        .returning();
      await bump(tx, id, 'state', { state: 'deleted', run: job.run });
      return row;
    }),
);

const ofTheJob = [
  recognitionResults,
  taskSegments,
  tasks,
  jobLogs,
  jobEvents,
  jobAttempts,
  jobCheckpoints,
  jobItems,
  jobStages,
] as const;

/**
 * Removes all rows of a job and what its own row tells of its content. The row stays as a tombstone, with its
 * idempotency key, so that a late repetition of the submit does not bring the job back.
 */
export const markDeleted = write(async (db: Db, id: string): Promise<void> => {
  await db.transaction(async (tx) => {
    const job = await lockJob(tx, id);
    if (!job || job.deletedAt !== null) return;
    for (const table of ofTheJob) await tx.delete(table).where(eq(table.jobId, id));
    await tx
      .update(jobs)
      .set({
        state: ended.includes(job.state) ? job.state : 'cancelled',
        deleteRequestedAt: sql`coalesce(${jobs.deleteRequestedAt}, now())`,
        deletedAt: sql`now()`,
        finishedAt: sql`coalesce(${jobs.finishedAt}, now())`,
        input: {},
        pinned: null,
        result: null,
        problem: null,
        cancelReason: null,
        waiting: null,
      })
      .where(and(eq(jobs.id, id), isNull(jobs.deletedAt)));
    await tx.execute(sql`select pg_notify(${jobsChannel}, ${id})`);
  });
});
