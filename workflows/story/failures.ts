/** What an error in a job's workflow means: how the run closes, which problem the job's row keeps, whether a worker was busy only. */
import type { notTaken, ReplacedCall, released } from '@darkroom/contract';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  isCancellation,
  TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';

/** How the worker says that it had no slot for it. */
const tooBusy: typeof notTaken = 'not-taken';

/** How a worker that stops says so. */
const letGo: typeof released = 'released';

/** No worker took the activity in time, or the one that did had no slot for it. */
export const wasNotTaken = (error: unknown): boolean =>
  error instanceof ActivityFailure &&
  ((error.cause instanceof TimeoutFailure && error.cause.timeoutType === 'SCHEDULE_TO_START') ||
    (error.cause instanceof ApplicationFailure && error.cause.type === tooBusy));

/** The call, when this error ended the only attempt it had and another attempt may end otherwise. */
export function replaceable(error: unknown): ReplacedCall | undefined {
  if (!(error instanceof ActivityFailure) || error.activityId === undefined) return undefined;
  if (error.retryState !== 'MAXIMUM_ATTEMPTS_REACHED') return undefined;
  const wasReleased = error.cause instanceof ApplicationFailure && error.cause.type === letGo;
  return { activity: error.activityId, failed: !wasReleased };
}

/** The run goes on as another one: no failure at all. */
export function isContinueAsNew(error: unknown): boolean {
  return error instanceof Error && error.name === 'ContinueAsNew';
}

/**
 * What the run closes with: Canceled or Failed, as the job's row says. The engine would try a plain error, a mistake in
 * a story, again and again.
 */
export function closing(error: unknown, cancelled: boolean): unknown {
  if (cancelled) return isCancellation(error) ? error : new CancelledFailure('The job was cancelled.');
  if (error instanceof TemporalFailure && !isCancellation(error)) return error;
  return ApplicationFailure.fromError(error, { type: 'problem:internal', nonRetryable: true });
}

/** The problem a failed activity named; a bound in time that runs of old versions have is an outage; the rest is ours. */
export function problemOfFailure(error: unknown): { code: string; detail: string } {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && cause.type?.startsWith('problem:')) {
    return { code: cause.type.slice('problem:'.length), detail: cause.message };
  }
  if (cause instanceof TimeoutFailure) {
    return { code: 'outage', detail: `No worker could finish the stage in time (${cause.timeoutType}).` };
  }
  return { code: 'internal', detail: cause instanceof Error ? cause.message : String(cause) };
}
