/** The end of a run, by whom it was published or by whom it is ended otherwise: once, under the lock on the job's row. */
import { type EndState, type ProblemRecord, storable } from '@darkroom/contract';
import { and, eq, inArray, isNull, sql } from 'drizzle-orm';
import { Fenced } from '../attempts/fence.ts';
import { recountAll } from '../attempts/progress.ts';
import { eventOf, wake } from '../feed/events.ts';
import { insertJobFiles, itemFileCount } from '../items/files.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import { type ItemFile, jobAttempts, jobStages, jobs } from '../schema.ts';
import { lockJob, stagesEnd } from './lifecycle.ts';

const open = ['queued', 'running', 'cancelling'];

/** How a run's stages end with it. */
const endOfStages = (end: EndState) => (end === 'succeeded_with_warnings' ? 'succeeded' : end);

export interface JobEnd {
  readonly jobId: string;
  readonly run: number;
  readonly state: EndState;
  readonly problem?: ProblemRecord | undefined;
  readonly result?: Record<string, unknown> | undefined;
  /** Files of the job itself. */
  readonly ownFiles?: readonly ItemFile[] | undefined;
  /** Items that failed. */
  readonly warnings?: number | undefined;
  /** Why it was cancelled, where the row does not know it yet: the cancel came by the engine. */
  readonly cancelReason?: string | undefined;
  /** When the results may be removed; never, when absent. */
  readonly resultsExpireAt?: Date | undefined;
  /** The claim of {@link beginEnding} that the end is written under; null: nobody may have begun to end it; absent: whoever has. */
  readonly endingClaim?: number | null;
}

/** Who ends a run without having published it. */
export interface Ending {
  readonly jobId: string;
  readonly run: number;
  readonly claim: number;
}

/**
 * Begins to end a run that did not publish itself: from now on no attempt of the run may write, and an earlier ending has lost.
 * What the attempts have left unfinished is decided after this. Undefined when the run is not the job's any more, or has ended.
 */
export const beginEnding = write(
  async (db: Db, { jobId, run }: Pick<Ending, 'jobId' | 'run'>): Promise<Ending | undefined> => {
    const [row] = await db
      .update(jobs)
      .set({ claims: sql`${jobs.claims} + 1`, endingClaim: sql`${jobs.claims} + 1` })
      .where(and(eq(jobs.id, jobId), eq(jobs.run, run), isNull(jobs.deletedAt), inArray(jobs.state, open)))
      .returning({ claim: jobs.claims });
    return row && { jobId, run, claim: row.claim };
  },
);

/** Throws {@link Fenced} unless the run is still being ended under this claim: asked before each batch of deletes. */
export const assertEnding = read(async (db: Db, { jobId, run, claim }: Ending): Promise<void> => {
  const [row] = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(
      and(eq(jobs.id, jobId), eq(jobs.run, run), eq(jobs.endingClaim, claim), inArray(jobs.state, open)),
    );
  if (row === undefined) throw new Fenced(`Run ${run} of job ${jobId} has been ended by another attempt.`);
});

/**
 * Ends a run. False when the run is not the job's any more, has ended already, is ended by another, or would have succeeded though its
 * cancel was answered: nothing is written then.
 */
export const finishJob = write(
  async (db: Db, end: JobEnd): Promise<boolean> =>
    db.transaction(async (tx) => {
      const job = await lockJob(tx, end.jobId);
      const endsStages = endOfStages(end.state);
      const mine =
        job !== undefined &&
        job.run === end.run &&
        job.deletedAt === null &&
        open.includes(job.state) &&
        !(job.state === 'cancelling' && endsStages === 'succeeded') &&
        (end.endingClaim === undefined || job.endingClaim === end.endingClaim);
      if (!mine) return false;
      await recountAll(tx, end.jobId);
      const own = end.ownFiles ?? [];
      await insertJobFiles(tx, end.jobId, own);
      await tx.execute(sql`
        with ${stagesEnd(end.jobId, endsStages)}, job as (
          update ${jobs} set
            state = ${end.state}, files = ${own.length}::int + (${itemFileCount(end.jobId)}), waiting = null, warnings = ${end.warnings ?? 0}::int, ending_claim = null, finished_at = now(),
            problem = ${end.problem ? JSON.stringify(end.problem) : null}::jsonb,
            result = ${end.result ? JSON.stringify(end.result) : null}::jsonb,
            results_expire_at = coalesce(${end.resultsExpireAt?.toISOString() ?? null}::timestamptz, results_expire_at),
            cancel_requested_at = case when ${end.state === 'cancelled'}::boolean
              then coalesce(cancel_requested_at, now()) else cancel_requested_at end,
            cancel_reason = case when ${end.state === 'cancelled'}::boolean
              then coalesce(cancel_reason, ${end.cancelReason === undefined ? null : storable(end.cancelReason)}::text) else cancel_reason end,
            version = version + 1, updated_at = now()
          where id = ${end.jobId}
          returning id, version
        ), ${eventOf('job', end.jobId, 'state', { state: end.state, run: end.run })}
        select ${wake} from job`);
      return true;
    }),
);

/**
 * Seconds that an ended job of one run worked: from its start to its end, and no more than its attempts worked together, so that what waited for
 * workers does not count. Undefined where another run has begun, or the job is gone.
 */
export const workedSeconds = read(
  async (db: Db, { jobId, run }: Pick<Ending, 'jobId' | 'run'>): Promise<number | undefined> => {
    const { rows } = await db.execute<{ seconds: number }>(sql`
      select least(
        extract(epoch from job.finished_at - job.started_at),
        (select sum(work_ms) from ${jobStages} where job_id = job.id) / 1000.0
          -- Whoever ends the job has not closed its own attempt yet.
          + (select coalesce(sum(extract(epoch from job.finished_at - started_at)), 0) from ${jobAttempts}
             where job_id = job.id and run = job.run and finished_at is null))::float8 as seconds
      from ${jobs} as job
      where id = ${jobId} and run = ${run} and finished_at is not null and started_at is not null`);
    return rows[0] && Math.max(0, rows[0].seconds);
  },
);

/** Whether the run has ended well and its results are there, and stay. */
export const hasResults = read(
  async (db: Db, { jobId, run }: Pick<Ending, 'jobId' | 'run'>): Promise<boolean> => {
    const [row] = await db
      .select({ id: jobs.id })
      .from(jobs)
      .where(
        and(
          eq(jobs.id, jobId),
          eq(jobs.run, run),
          inArray(jobs.state, ['succeeded', 'succeeded_with_warnings']),
          isNull(jobs.deleteRequestedAt),
          isNull(jobs.resultsRemovedAt),
        ),
      );
    return row !== undefined;
  },
);

/** Throws {@link Fenced} unless {@link hasResults}: asked before each batch of deletes. */
export async function assertResults(db: Db, ending: Pick<Ending, 'jobId' | 'run'>): Promise<void> {
  if (!(await hasResults(db, ending)))
    throw new Fenced(`Run ${ending.run} of job ${ending.jobId} has no results to tidy up behind.`);
}
