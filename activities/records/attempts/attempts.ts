/** Attempts of activities: each opens under a new claim, which fences off the ones before it. */
import type { ProblemRecord } from '@darkroom/contract';
import { and, eq, inArray, isNull, sql } from 'drizzle-orm';
import { bump, eventOf, wake } from '../feed/events.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { JobRow } from '../rows.ts';
import { jobAttempts, jobStages, jobs } from '../schema.ts';
import { type Fence, type Fenced, fencedOff, fenceOf, RunEnded } from './fence.ts';

export interface NewAttempt {
  readonly jobId: string;
  readonly run: number;
  readonly activity: string;
  /** Temporal's count, from 1. */
  readonly attempt: number;
  readonly stage: string;
  /** Who works: host and process. */
  readonly worker: string;
  /** Milliseconds the attempt waited for a worker. */
  readonly queueMs: number;
}

/**
 * Opens an attempt: the job runs, its stage too, earlier attempts of the same activity are fenced off.
 * Throws {@link Fenced} when the job is at another run or is deleted, or a later attempt has opened; {@link RunEnded} when the run has ended.
 */
export const openAttempt = write(
  async (db: Db, attempt: NewAttempt): Promise<{ fence: Fence; job: JobRow }> => {
    const { jobId, run, activity, stage } = attempt;
    return db.transaction(async (tx) => {
      const [job] = await tx
        .update(jobs)
        .set({
          claims: sql`${jobs.claims} + 1`,
          state: sql`case when ${jobs.state} = 'queued' then 'running' else ${jobs.state} end`,
          startedAt: sql`coalesce(${jobs.startedAt}, now())`,
          waiting: null,
          dispatched: true,
          version: sql`${jobs.version} + 1`,
          updatedAt: sql`now()`,
        })
        .where(
          and(
            eq(jobs.id, jobId),
            eq(jobs.run, run),
            inArray(jobs.state, ['queued', 'running', 'cancelling']),
            isNull(jobs.deleteRequestedAt),
            isNull(jobs.endingClaim),
          ),
        )
        .returning();
      if (!job) throw await lossOf(tx, attempt);
      const queueMs = Math.max(0, Math.round(attempt.queueMs));
      // A statement of its own, so that it sees what was committed while the update waited for the row.
      const { rows: opened } = await tx.execute(sql`
        with mine as (
          insert into ${jobAttempts} (job_id, run, activity, attempt, stage, claim, worker, queue_ms)
          select ${jobId}, ${run}, ${activity}, ${attempt.attempt}::int, ${stage}, ${job.claims}::bigint,
                 ${attempt.worker}, ${queueMs}::bigint
          where not exists (
            select 1 from ${jobAttempts} where job_id = ${jobId} and run = ${run} and activity = ${activity}
              and attempt > ${attempt.attempt})
          on conflict (job_id, run, activity, attempt) do update
            set claim = excluded.claim, worker = excluded.worker, outcome = null, work_ms = null,
                started_at = now(), finished_at = null
          returning job_id as id, ${job.version}::bigint as version
        ), older as (
          update ${jobAttempts} set outcome = 'fenced', finished_at = coalesce(finished_at, now())
          where job_id = ${jobId} and run = ${run} and activity = ${activity} and attempt < ${attempt.attempt}
            and exists (select 1 from mine) and outcome is null
        ), stage as (
          update ${jobStages} set attempts = attempts + 1, queue_ms = queue_ms + ${queueMs}::bigint,
            started_at = coalesce(started_at, now()), alive_at = now(),
            state = case when state = 'succeeded' then state else 'running' end
          where job_id = ${jobId} and name = ${stage} and exists (select 1 from mine)
        ), ${eventOf('mine', jobId, 'state', { state: job.state, run, stage })}
        select id, ${wake} from mine`);
      if (opened.length === 0) throw fencedOff(attempt);
      return { fence: { jobId, run, claim: job.claims, activity, attempt: attempt.attempt }, job };
    });
  },
);

async function lossOf(tx: Db, attempt: NewAttempt): Promise<Fenced> {
  const [job] = await tx
    .select({ run: jobs.run, state: jobs.state, finishedAt: jobs.finishedAt })
    .from(jobs)
    .where(eq(jobs.id, attempt.jobId));
  if (job?.run !== attempt.run || job.finishedAt === null) return fencedOff(attempt);
  return new RunEnded(`Run ${attempt.run} of job ${attempt.jobId} has ended as ${job.state}.`);
}

/** `released`: its worker was told to stop, and another one goes on. */
export type Outcome = 'succeeded' | 'failed' | 'cancelled' | 'released' | 'fenced';

export interface AttemptEnd {
  readonly outcome: Outcome;
  readonly workMs: number;
  readonly problem?: ProblemRecord | undefined;
}

/** Closes an attempt once and adds its work to its stage; an attempt that was fenced off stays so, and ended then. */
export const closeAttempt = write(async (db: Db, fence: Fence, end: AttemptEnd): Promise<void> => {
  const workMs = Math.max(0, Math.round(end.workMs));
  await db.execute(sql`
    with job as (
      select id from ${jobs} where id = ${fence.jobId} for no key update
    ), closed as (
      update ${jobAttempts}
      set outcome = coalesce(outcome, ${end.outcome}), work_ms = ${workMs}::bigint, finished_at = coalesce(finished_at, now()),
          problem = ${end.problem ? JSON.stringify(end.problem) : null}::jsonb
      from job
      where job_id = job.id and run = ${fence.run} and activity = ${fence.activity}
        and attempt = ${fence.attempt} and claim = ${fence.claim} and work_ms is null
      returning stage
    )
    update ${jobStages} set work_ms = job_stages.work_ms + ${workMs}::bigint, alive_at = now(),
      moved_at = case when ${end.outcome === 'succeeded'}::boolean then now() else moved_at end
    from closed where job_stages.job_id = ${fence.jobId} and job_stages.name = closed.stage`);
});

/**
 * Notes that the worker of an attempt lives, and how many milliseconds ago its work got on; null when it has not since that was noted
 * last. Nobody is woken by it. Throws {@link Fenced}.
 */
export const noteSigns = write(
  async (db: Db, fence: Fence, stage: string, movedMsAgo: number | null): Promise<void> => {
    const { rows } = await db.execute(sql`
      with ${fenceOf(fence, 'share')}, signs as (
        update ${jobStages} set alive_at = now(),
          moved_at = greatest(moved_at, now() - ${movedMsAgo}::float8 * interval '1 millisecond')
        from fence where job_stages.job_id = fence.job_id and name = ${stage}
      )
      select 1 from fence`);
    if (rows.length === 0) throw fencedOff(fence);
  },
);

/** Notes what the job waits for until its next attempt opens; an older run's word does not count. */
export const noteWaiting = write(async (db: Db, { jobId, run }: Fence, waiting: string): Promise<void> => {
  await db.transaction(async (tx) => {
    const [job] = await tx
      .update(jobs)
      .set({ waiting })
      .where(and(eq(jobs.id, jobId), eq(jobs.run, run), eq(jobs.state, 'running')))
      .returning({ state: jobs.state });
    if (job) await bump(tx, jobId, 'state', { state: job.state, run, waiting });
  });
});

/** Attempts of the fence's activity in this run that failed for a reason nobody foresaw; outages are bounded by time. */
export const failedAttempts = read(
  async (db: Db, { jobId, run, activity }: Fence): Promise<number> =>
    db.$count(
      jobAttempts,
      and(
        eq(jobAttempts.jobId, jobId),
        eq(jobAttempts.run, run),
        eq(jobAttempts.activity, activity),
        eq(jobAttempts.outcome, 'failed'),
        sql`${jobAttempts.problem} ->> 'code' = 'internal'`,
      ),
    ),
);
