/** What the sweep looks for, each by an index that holds open or overdue jobs alone. */
import { and, asc, eq, inArray, isNotNull, isNull, lt, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { bump } from './events.ts';
import { beginAgain, lockJob } from './lifecycle.ts';
import type { JobRow } from './rows.ts';
import { jobItems, jobs } from './schema.ts';
import { read, write } from './unavailable.ts';

export { markCancelDispatched } from './lifecycle.ts';

const notTouchedFor = (ms: number) =>
  sql`${jobs.updatedAt} <= now() - ${ms}::float8 * interval '1 millisecond'`;

/** Submitted, resumed or requeued jobs whose engine was not told for this long, oldest first. */
export const queuedUndispatched = read(
  async (db: Db, olderThanMs: number, limit: number): Promise<JobRow[]> =>
    db
      .select()
      .from(jobs)
      .where(
        and(
          inArray(jobs.state, ['queued', 'cancelling']),
          eq(jobs.dispatched, false),
          isNull(jobs.deleteRequestedAt),
          notTouchedFor(olderThanMs),
        ),
      )
      .orderBy(asc(jobs.updatedAt))
      .limit(limit),
);

/** Jobs the engine should be at work on that were silent for this long, the longest first. */
export const openRuns = read(
  async (db: Db, silentForMs: number, limit: number): Promise<JobRow[]> =>
    db
      .select()
      .from(jobs)
      .where(
        and(
          inArray(jobs.state, ['queued', 'running', 'cancelling']),
          eq(jobs.dispatched, true),
          isNull(jobs.deleteRequestedAt),
          notTouchedFor(silentForMs),
        ),
      )
      .orderBy(asc(jobs.updatedAt))
      .limit(limit),
);

/** Cancels the engine was not told of. */
export const waitingCancels = read(
  async (db: Db, limit: number): Promise<JobRow[]> =>
    db
      .select()
      .from(jobs)
      .where(and(eq(jobs.state, 'cancelling'), eq(jobs.cancelDispatched, false)))
      .orderBy(asc(jobs.updatedAt))
      .limit(limit),
);

/** Jobs whose upload never ended. */
export const staleReceiving = read(
  async (db: Db, olderThan: Date, limit: number): Promise<JobRow[]> =>
    db
      .select()
      .from(jobs)
      .where(and(eq(jobs.state, 'receiving'), lt(jobs.updatedAt, olderThan)))
      .orderBy(asc(jobs.updatedAt))
      .limit(limit),
);

/** Ended jobs whose results are past their retention. */
export const expired = read(
  async (db: Db, now: Date, limit: number): Promise<JobRow[]> =>
    db
      .select()
      .from(jobs)
      .where(
        and(
          isNotNull(jobs.resultsExpireAt),
          lt(jobs.resultsExpireAt, now),
          isNull(jobs.resultsRemovedAt),
          isNull(jobs.deleteRequestedAt),
          isNotNull(jobs.finishedAt),
        ),
      )
      .orderBy(asc(jobs.resultsExpireAt))
      .limit(limit),
);

/** Jobs whose removal was asked for and is not proven yet. */
export const deleting = read(
  async (db: Db, limit: number): Promise<JobRow[]> =>
    db
      .select()
      .from(jobs)
      .where(and(isNotNull(jobs.deleteRequestedAt), isNull(jobs.deletedAt)))
      .orderBy(asc(jobs.deleteRequestedAt))
      .limit(limit),
);

/** Notes that the results' objects are gone; the items forget where they were. */
export const markResultsRemoved = write(async (db: Db, id: string): Promise<void> => {
  await db.transaction(async (tx) => {
    const job = await lockJob(tx, id);
    if (!job || job.resultsRemovedAt !== null) return;
    await tx.update(jobs).set({ resultsRemovedAt: sql`now()` }).where(eq(jobs.id, id));
    await tx
      .update(jobItems)
      .set({ resultUri: null, files: null, updatedAt: sql`now()` })
      .where(eq(jobItems.jobId, id));
    await bump(tx, id, 'state', { state: job.state, run: job.run, resultsRemoved: true });
  });
});

/**
 * Queues a job again whose engine lost it, under the next run; a `cancelling` one stays so. Undefined when the
 * job is not at `run` any more, has ended, or is to be deleted.
 */
export const requeue = write(
  async (db: Db, id: string, run: number): Promise<JobRow | undefined> =>
    db.transaction(async (tx) => {
      const job = await lockJob(tx, id);
      const open = job && ['queued', 'running', 'cancelling'].includes(job.state);
      if (!open || job.run !== run || job.deleteRequestedAt !== null) return undefined;
      const state = job.state === 'cancelling' ? 'cancelling' : 'queued';
      const [row] = await tx
        .update(jobs)
        .set({ state, run: run + 1, dispatched: false, cancelDispatched: false, waiting: null })
        .where(eq(jobs.id, id))
        .returning();
      await beginAgain(tx, id);
      await bump(tx, id, 'state', { state, run: run + 1 });
      return row;
    }),
);
