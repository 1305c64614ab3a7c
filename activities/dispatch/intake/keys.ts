/** Idempotency keys: the same request again names the job that the first one has made. */
import { ProblemError } from '@darkroom/contract';
import {
  findByIdempotencyKey,
  type JobRow,
  releaseIdempotencyKey,
  type SubmissionOutcome,
} from '@darkroom/records';
import type { DispatchDeps } from '../index.ts';
import type { Accepted } from './submit.ts';

/** Tries once more where the key was a deleted job's and is free again. */
export async function withFreeKey(
  deps: DispatchDeps,
  tryIt: () => Promise<SubmissionOutcome>,
): Promise<SubmissionOutcome> {
  const outcome = await tryIt();
  if (outcome.outcome !== 'key_deleted' || !isKeyFree(deps, outcome.deletedAt)) return outcome;
  await releaseIdempotencyKey(deps.records.db, outcome.jobId);
  return tryIt();
}

/** What came of a submit. Throws where its key belongs to another request, or to a job that was deleted. */
export function acceptedAs(deps: DispatchDeps, id: string, outcome: SubmissionOutcome): Accepted {
  if (outcome.outcome === 'accepted') return { jobId: id, duplicate: false };
  if (outcome.outcome === 'duplicate') return { jobId: outcome.jobId, duplicate: true };
  if (outcome.outcome === 'key_deleted') throw keyDeleted(deps, outcome.jobId, outcome.deletedAt);
  throw keyReused(outcome.jobId);
}

const keyReused = (jobId: string): ProblemError =>
  new ProblemError('idempotency_key_reused', `The key belongs to job ${jobId}, whose request was another.`);

/**
 * The job that an owner submitted under a key. Throws `idempotency_key_deleted` where that job was deleted, until the key is free again.
 */
export async function earlierSubmission(
  deps: DispatchDeps,
  owner: string,
  key: string,
): Promise<JobRow | undefined> {
  const { db } = deps.records;
  const job = await findByIdempotencyKey(db, owner, key);
  if (job === undefined || job.deleteRequestedAt === null) return job;
  if (!isKeyFree(deps, job.deleteRequestedAt)) throw keyDeleted(deps, job.id, job.deleteRequestedAt);
  await releaseIdempotencyKey(db, job.id);
  return undefined;
}

/** The earlier job, where its request was the same. Throws `idempotency_key_reused` where it was another. */
export function sameAs(earlier: JobRow, fingerprint: string): Accepted {
  if (earlier.fingerprint === fingerprint) return { jobId: earlier.id, duplicate: true };
  throw keyReused(earlier.id);
}

/** Of a request: whose it is, and how it is told from others. */
export interface Keyed {
  readonly owner: string;
  readonly idempotencyKey: string | undefined;
  readonly fingerprint: string;
}

/**
 * Makes a job by `make`, unless an earlier request with the key has: then nothing that the request names is looked at again, as it may be
 * gone by now. Throws `idempotency_key_reused`, `idempotency_key_deleted`.
 */
export async function once(
  deps: DispatchDeps,
  { owner, idempotencyKey: key, fingerprint }: Keyed,
  make: () => Promise<Accepted>,
): Promise<Accepted> {
  const known = async (): Promise<Accepted | undefined> => {
    const earlier = key === undefined ? undefined : await earlierSubmission(deps, owner, key);
    return earlier && sameAs(earlier, fingerprint);
  };
  const before = await known();
  if (before !== undefined) return before;
  try {
    return await make();
  } catch (error) {
    // The same request beside this one may have been first, and have used the upload up.
    const first = await known();
    if (first === undefined) throw error;
    return first;
  }
}

const freeAgainAt = ({ config }: DispatchDeps, deletedAt: Date): Date =>
  new Date(deletedAt.getTime() + config.retention.deletedKeyHours * 3_600_000);

const isKeyFree = (deps: DispatchDeps, deletedAt: Date): boolean =>
  freeAgainAt(deps, deletedAt) <= new Date();

const keyDeleted = (deps: DispatchDeps, jobId: string, deletedAt: Date): ProblemError =>
  new ProblemError(
    'idempotency_key_deleted',
    `Job ${jobId} was deleted at ${deletedAt.toISOString()}; its key is free again from ${freeAgainAt(deps, deletedAt).toISOString()}.`,
  );
