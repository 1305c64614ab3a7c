/** How a job's state changes from outside its run: dispatch, cancel, resume, delete. Each takes the job's row lock first. */
import { storable } from '@darkroom/contract';
import { and, eq, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm';
import { Fenced } from '../attempts/fence.ts';
import { bump, jobsChannel } from '../feed/events.ts';
import { beforeAll } from '../items/items.ts';
import type { JobTable, KindRecords } from '../kind.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { JobRow } from '../rows.ts';
import {
  jobAttempts,
  jobCheckpoints,
  jobEvents,
  jobFiles,
  jobItems,
  jobLogs,
  jobStages,
  jobs,
} from '../schema.ts';
import { resetSome, rowsAtOnce } from './begin-again.ts';

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
      cancelReason: storable(reason),
      cancelRequestedAt: sql`now()`,
      finishedAt: neverStarted ? sql`now()` : null,
    })
    .where(eq(jobs.id, job.id))
    .returning();
  if (neverStarted) await tx.execute(sql`with ${stagesEnd(job.id, 'cancelled')} select 1`);
  await bump(tx, job.id, 'state', { state, run: job.run });
  return row!;
}

/** CTEs that bring the stages, and items nobody works on any more, to what the job's end means for them. */
export const stagesEnd = (jobId: string, end: 'succeeded' | 'failed' | 'cancelled'): SQL => {
  // A stage that nobody began is no part of a failure.
  const open = end === 'failed' ? ['running'] : ['pending', 'running'];
  return sql`
    stages as (
      update ${jobStages} set state = ${end}, finished_at = coalesce(finished_at, now())
      where job_id = ${jobId} and state = any(string_to_array(${open.join(',')}, ','))
    ), unfinished as (
      update ${jobItems} set state = 'pending', updated_at = now() where job_id = ${jobId} and state = 'running'
    )`;
};

/** Notes that the engine was told to cancel this run; a run that was queued again meanwhile has yet to be cancelled. */
export const markCancelDispatched = write(async (db: Db, id: string, run: number): Promise<void> => {
  await db
    .update(jobs)
    .set({ cancelDispatched: true })
    .where(and(eq(jobs.id, id), eq(jobs.run, run)));
});

export interface ResumeTrace {
  readonly traceparent?: string | undefined;
  readonly traceId?: string | undefined;
}

/**
 * Queues a failed or cancelled job again under the next run: what succeeded is kept, failed items are pending once {@link beginAgain} is done.
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
          endingClaim: null,
          dispatched: false,
          resetAfter: beforeAll,
          waiting: null,
          warnings: 0,
          problem: null,
          result: null,
          files: null,
          finishedAt: null,
          // Of the run that failed; the next one's end sets its own.
          resultsExpireAt: null,
          cancelRequestedAt: null,
          cancelReason: null,
          cancelDispatched: false,
          traceparent: trace.traceparent ?? null,
          traceId: trace.traceId ?? null,
        })
        .where(eq(jobs.id, id))
        .returning();
      const resetAfter = await resetSome(tx, id, beforeAll);
      await bump(tx, id, 'state', { state: 'queued', run: job.run + 1 });
      return { ...row!, resetAfter };
    }),
);

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

/** Throws {@link Fenced} unless the removal of the job was asked for: asked before each batch of deletes. */
export const assertToDelete = read(async (db: Db, id: string): Promise<void> => {
  const [row] = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(eq(jobs.id, id), isNotNull(jobs.deleteRequestedAt)));
  if (row === undefined) throw new Fenced(`Job ${id} is not to be deleted.`);
});

const ofEveryJob = [jobLogs, jobEvents, jobAttempts, jobCheckpoints, jobItems, jobFiles, jobStages] as const;

/**
 * Removes all rows of a job, those in the tables of its kind's `own` too, and what its own row tells of its content. The row stays as a
 * tombstone, with its idempotency key, so that a late repetition of the submit does not bring the job back.
 */
export async function markDeleted(db: Db, id: string, own: KindRecords | undefined): Promise<void> {
  const tables = [...(own?.tables ?? []), ...ofEveryJob];
  for (const table of tables) {
    let removed: number;
    do removed = await removeSome(db, id, table);
    while (removed === rowsAtOnce);
  }
  await bury(db, id, tables);
}

/** Removes rows of a job whose removal was asked for, so that nobody writes new ones. How many. */
const removeSome = write(async (db: Db, id: string, table: JobTable): Promise<number> => {
  const { rowCount } = await db.execute(sql`
    delete from ${table} where ctid = any (array(
      select ctid from ${table}
      where job_id = ${id} and exists (select 1 from ${jobs} where id = ${id} and delete_requested_at is not null)
      limit ${rowsAtOnce}))`);
  return rowCount ?? 0;
});

/** What is left, and the tombstone. */
const bury = write(async (db: Db, id: string, tables: readonly JobTable[]): Promise<void> => {
  await db.transaction(async (tx) => {
    const job = await lockJob(tx, id);
    if (!job || job.deletedAt !== null) return;
    for (const table of tables) await tx.delete(table).where(eq(table.jobId, id));
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
