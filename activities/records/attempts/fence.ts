/** The fence: which attempt may write for a job. A write locks the rows that decide it until its transaction ends. */
import { type SQL, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { read } from '../postgres/unavailable.ts';
import { jobAttempts, jobs } from '../schema.ts';

/** What an attempt writes under. */
export interface Fence {
  readonly jobId: string;
  readonly run: number;
  /** Orders the attempts of a run. */
  readonly claim: number;
  /** Temporal's run id and activity id. */
  readonly activity: string;
  readonly attempt: number;
}

/** The write or delete lost: it came from an older run or attempt, or its job has ended or was deleted. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

/** The write lost because the run it came from has its end in the job's row. */
export class RunEnded extends Fenced {}

/** The loss of an attempt, in words. */
export const fencedOff = (fence: Pick<Fence, 'jobId' | 'run' | 'activity' | 'attempt'>): Fenced =>
  new Fenced(
    `Attempt ${fence.attempt} of ${fence.activity} (run ${fence.run}) may not write for job ${fence.jobId} any more: ` +
      'a later run or attempt has taken over, or the job has ended. Stop the attempt.',
  );

/**
 * CTEs up to `fence(job_id)`, which has one row while the fence holds. The rows that decide stay locked, so a newer
 * attempt, a cancel's end or a delete waits for the statement's transaction; and after having waited for one of
 * those itself, the statement sees its outcome. The job's row is locked before the attempt's, everywhere.
 * `share` lets attempts of a job write side by side; take `no key update` if the job's row is changed afterwards.
 */
export const fenceOf = (fence: Fence, lock: Lock): SQL => sql`
  fenced_job as (${fencedJob(fence, lock)}), fence as (${fencedAttempt(fence)})`;

/** The same for a statement of drizzle's: both for `with`, the second one, `fence`, to be joined. */
export function fenceCtes(db: Db, fence: Fence, lock: Lock) {
  return [
    db.$with('fenced_job', { id: jobs.id }).as(fencedJob(fence, lock)),
    db.$with('fence', { jobId: jobAttempts.jobId }).as(fencedAttempt(fence)),
  ] as const;
}

/** A transaction takes the job's row in one of these strengths, first, and never raises it. */
export type Lock = 'share' | 'no key update';

const fencedJob = (fence: Fence, lock: Lock): SQL => sql`
  select id from ${jobs}
  where id = ${fence.jobId} and run = ${fence.run} and state in ('queued', 'running', 'cancelling')
    and delete_requested_at is null and ending_claim is null
  for ${sql.raw(lock)}`;

const fencedAttempt = (fence: Fence): SQL => sql`
  select attempt.job_id from ${jobAttempts} as attempt, fenced_job
  where attempt.job_id = fenced_job.id and attempt.run = ${fence.run} and attempt.activity = ${fence.activity}
    and attempt.attempt = ${fence.attempt} and attempt.claim = ${fence.claim}
    and attempt.outcome is null
  for share of attempt`;

/** Whether the attempt may still write: asked right before an object is written. */
export const holdsFence = read(async (db: Db, fence: Fence): Promise<boolean> => {
  const { rows } = await db.execute(sql`with ${fenceOf(fence, 'share')} select 1 from fence`);
  return rows.length > 0;
});

/** Locks the fence for the rest of the transaction; throws {@link Fenced}. */
export async function lockFence(tx: Db, fence: Fence): Promise<void> {
  const { rows } = await tx.execute(sql`with ${fenceOf(fence, 'no key update')} select 1 from fence`);
  if (rows.length === 0) throw fencedOff(fence);
}
