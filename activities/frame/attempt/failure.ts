/** Turns what was thrown in an activity into what Temporal needs to know: whose fault, and whether to try again. */
import { ProblemError, type ProblemRecord, problemOf } from '@darkroom/contract';
import { Fenced } from '@darkroom/records';
import { StorageError } from '@darkroom/storage';
import { ApplicationFailure } from '@temporalio/common';

/** Names an error as one of the closed list; an unknown one is `internal`. */
export function problemOfError(error: unknown): ProblemRecord {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof StorageError) return problemOf(storageCode(error), error.message);
  if (isOutOfSpace(error)) return problemOf('out_of_space', 'The disk is full.');
  return problemOf('internal', error instanceof Error ? error.message : String(error));
}

/** An outage is waited for, for hours if need be; it is never counted against an item. */
export function isOutage(problem: ProblemRecord): boolean {
  return problem.retryable && problem.code !== 'internal';
}

/** The failure to throw. `last` says that an error nobody foresaw has been met often enough. */
export function failureOf(error: unknown, last: boolean): ApplicationFailure {
  const problem = problemOfError(error);
  return ApplicationFailure.create({
    type: `problem:${problem.code}`,
    message: problem.detail,
    nonRetryable: !isOutage(problem) && (last || !(problem.retryable || error instanceof Fenced)),
    ...(error instanceof Error && { cause: error }),
  });
}

function storageCode(error: StorageError): ProblemRecord['code'] {
  switch (error.code) {
    case 'source_changed':
    case 'source_not_found':
    case 'too_large':
    case 'storage_unavailable':
      return error.code;
    case 'platform_access':
      return 'storage_access_failed';
    case 'access_denied':
      return 'source_not_granted';
    default:
      return 'internal';
  }
}

function isOutOfSpace(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOSPC';
}
