/** What the sweep looks for, each by an index that holds open or overdue jobs alone. */
import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lt, ne, or, type SQL, sql } from 'drizzle-orm';
import { bump } from '../feed/events.ts';
import { beforeAll } from '../items/items.ts';
import { resetSome } from '../jobs/begin-again.ts';
import { lockJob } from '../jobs/lifecycle.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { JobRow } from '../rows.ts';
import { inOrder, isAfter, jobs, lostRunConfirmations } from '../schema.ts';

export { markCancelDispatched } from '../jobs/lifecycle.ts';

const notTouchedFor = (ms: number) =>
  sql`${jobs.updatedAt} <= now() - ${ms}::float8 * interval '1 millisecond'`;

/** The next `limit` jobs after an id, in the order of ids, of those that an index on open jobs holds. */
const openJobs = (db: Db, which: SQL | undefined, after: string, limit: number): Promise<JobRow[]> =>
  db
    .select()
    .from(jobs)
    .where(and(which, gt(jobs.id, after)))
    .orderBy(asc(jobs.id))
    .limit(limit);

/** Submitted, resumed or requeued jobs whose engine was not told for this long. */
export const queuedUndispatched = read(
  (db: Db, olderThanMs: number, after: string, limit: number): Promise<JobRow[]> =>
    openJobs(
      db,
      and(
        inArray(jobs.state, ['queued', 'cancelling']),
        eq(jobs.dispatched, false),
        isNull(jobs.deleteRequestedAt),
        notTouchedFor(olderThanMs),
      ),
      after,
      limit,
    ),
);

/** Jobs the engine should be at work on that were silent for this long. */
export const openRuns = read(
  (db: Db, silentForMs: number, after: string, limit: number): Promise<JobRow[]> =>
    openJobs(
      db,
      and(
        inArray(jobs.state, ['queued', 'running', 'cancelling']),
        eq(jobs.dispatched, true),
        isNull(jobs.deleteRequestedAt),
        notTouchedFor(silentForMs),
      ),
      after,
      limit,
    ),
);

/** Cancels the engine was not told of, of runs that it was told to start: what it does not know yet it cannot cancel. */
export const waitingCancels = read(
  (db: Db, after: string, limit: number): Promise<JobRow[]> =>
    openJobs(
      db,
      and(eq(jobs.state, 'cancelling'), eq(jobs.dispatched, true), eq(jobs.cancelDispatched, false)),
      after,
      limit,
    ),
);

/** Jobs whose upload never ended, and those whose taking back did not. */
export const staleReceiving = read(
  (db: Db, olderThan: Date, after: string, limit: number): Promise<JobRow[]> =>
    openJobs(
      db,
      and(
        eq(jobs.state, 'receiving'),
        or(lt(jobs.updatedAt, olderThan), sql`${jobs.deleteRequestedAt} < now() - interval '1 minute'`),
      ),
      after,
      limit,
    ),
);

/** Jobs whose removal was asked for and is not proven yet. */
export const deleting = read(
  async (db: Db, after: string, limit: number): Promise<JobRow[]> =>
    db
      .select()
      .from(jobs)
      .where(
        and(
          isNotNull(jobs.deleteRequestedAt),
          isNull(jobs.deletedAt),
          ne(jobs.state, 'receiving'),
          isAfter(jobs.id, after),
        ),
      )
      .orderBy(inOrder(jobs.id))
      .limit(limit),
);

/**
 * Notes for which workers a job waits, or null that it does so no more. Only while the row is as `job` says: an attempt that
 * has opened meanwhile knows better.
 */
export const noteUnserved = write(async (db: Db, job: JobRow, waiting: string | null): Promise<void> => {
  await db.transaction(async (tx) => {
    const [row] = await tx
      .update(jobs)
      .set({ waiting })
      .where(
        and(eq(jobs.id, job.id), eq(jobs.version, job.version), inArray(jobs.state, ['queued', 'running'])),
      )
      .returning({ state: jobs.state });
    if (row) await bump(tx, job.id, 'state', { state: row.state, run: job.run, waiting });
  });
});

/**
 * Says that the engine has lost its runs: what was silent until now and has no run there is queued again, however many jobs
 * those are. Without it a sweep that misses more than a few stops with an alarm. `by` says who knows.
 */
export const confirmLostRuns = write(async (db: Db, by: string): Promise<void> => {
  await db.insert(lostRunConfirmations).values({ by });
});

/** When the engine's loss was last confirmed; undefined when it never was. */
export const lostRunsConfirmedAt = read(async (db: Db): Promise<Date | undefined> => {
  const [row] = await db
    .select({ at: lostRunConfirmations.at })
    .from(lostRunConfirmations)
    .orderBy(desc(lostRunConfirmations.id))
    .limit(1);
  return row?.at;
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
        .set({
          state,
          run: run + 1,
          endingClaim: null,
          dispatched: false,
          resetAfter: beforeAll,
          cancelDispatched: false,
          waiting: null,
        })
        .where(eq(jobs.id, id))
        .returning();
      await resetSome(tx, id, beforeAll);
      await bump(tx, id, 'state', { state, run: run + 1 });
      return row;
    }),
);
