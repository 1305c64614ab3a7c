/** The life of an activity, whichever it is: it beats while it runs, and gives up when its attempts have failed for too long. */
import { released as releasedType } from '@darkroom/contract';
import { activityInfo, Context, cancellationSignal, type Info } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { failureOf } from './failure.ts';

/** Since when attempts of an activity fail; each heartbeat carries it to the next attempt. */
export interface Failing {
  /** When the first attempt was known to have failed, as milliseconds since 1970. */
  readonly since: number;
  /** Milliseconds that attempts have waited for a worker since then: no outage. */
  readonly queuedMs: number;
  /** Set by an attempt that began when it had been too long already. */
  readonly last?: boolean;
}

type Begun = Pick<Info, 'attempt' | 'currentAttemptScheduledTimestampMs'> & { heartbeatDetails?: unknown };

/**
 * What an attempt that begins at `now` knows of those before it; undefined for the first, unless an activity that this one replaces
 * `hasFailed`. The engine schedules a second attempt when the first has failed or its worker is known to be dead, so that time when nothing
 * ran at all, the engine neither, does not count.
 */
export function failingAt(info: Begun, now: number, hasFailed = false): Failing | undefined {
  if ((info.attempt <= 1 && !hasFailed) || wasReleased(info.heartbeatDetails)) return undefined;
  const scheduled = info.currentAttemptScheduledTimestampMs;
  const before = isFailing(info.heartbeatDetails) ? info.heartbeatDetails : { since: scheduled, queuedMs: 0 };
  const queuedMs = before.queuedMs + Math.max(0, now - scheduled);
  // Not what the last heartbeat showed beside it.
  return { since: before.since, queuedMs, ...(before.last !== undefined && { last: before.last }) };
}

/** How long attempts have failed, in milliseconds, without the time they waited for a worker. */
export const failedFor = ({ since, queuedMs }: Failing, now: number): number => now - since - queuedMs;

function isFailing(details: unknown): details is Failing {
  if (typeof details !== 'object' || details === null) return false;
  return 'since' in details && Number.isFinite(details.since) && 'queuedMs' in details;
}

/** What an attempt leaves behind whose worker was told to stop: no failure, and whatever failed before is over. */
const releasedDetails = { released: true } as const;

const wasReleased = (details: unknown): boolean =>
  typeof details === 'object' && details !== null && 'released' in details;

/** Whether an activity was told to stop because its worker stops: another worker goes on with it. */
export const isReleased = ({ reason }: AbortSignal): boolean =>
  reason instanceof CancelledFailure && reason.message === 'WORKER_SHUTDOWN';

/** How soon another worker may take up what a worker that stops has released. */
const takenUpAfter = '500 ms';

interface Life {
  gotOn(): void;
  /** What the heartbeats show beside it. */
  shows?: () => object;
}

const lives = new WeakMap<Context, Life>();

/**
 * Says that the current attempt has brought the work of its activity on for good, so that no later one does it again: from now on the
 * activity has not failed before.
 */
export const gotOn = (): void => lives.get(Context.current())?.gotOn();

/** Has the heartbeats of the current attempt carry what `shows` returns, for people who look at pending activities in Temporal's Web UI. */
export function showInHeartbeats(shows: () => object): void {
  const life = lives.get(Context.current());
  if (life !== undefined) life.shows = shows;
}

/**
 * Runs `work` as an attempt of the current activity. It beats for as long as the process lives, so that a slow attempt is not
 * taken for a dead one and a cancel reaches it. Attempts are tried again until they have failed for `outageHours`: dead workers
 * count, waiting for a worker does not. Throws `problem:outage` then, which ends the activity: after one last try, since the machine
 * itself may have been off, but without it where that ended with its worker too. `hasFailed` says that an attempt before its first one did.
 */
export async function keepAlive<R>(
  outageHours: number,
  work: () => Promise<R>,
  hasFailed = false,
): Promise<R> {
  const context = Context.current();
  const info = activityInfo();
  // A local activity has no heartbeat: the step of its workflow has one.
  if (info.isLocal) return work();
  let known = failingAt(info, Date.now(), hasFailed);
  const isOver = (): boolean => known !== undefined && failedFor(known, Date.now()) > outageHours * 3_600_000;
  if (known?.last === true && isOver()) throw outage(outageHours);
  if (known !== undefined && isOver()) known = { ...known, last: true };
  const life: Life = {
    gotOn: () => {
      known = undefined;
    },
  };
  lives.set(context, life);
  const beat = (): void => context.heartbeat({ ...life.shows?.(), ...known });
  // The first attempt has nothing to tell before it has lasted a while; a later one must be known to the next even if it dies at once.
  if (info.attempt > 1 || hasFailed) beat();
  const pulse = setInterval(beat, Math.min(1000, (info.heartbeatTimeoutMs || 3000) / 3));
  try {
    return await work();
  } catch (error) {
    const failure = error instanceof ApplicationFailure ? error : failureOf(error, false);
    if (isReleased(cancellationSignal()) && failure.nonRetryable !== true) {
      context.heartbeat(releasedDetails);
      throw released();
    }
    if (error instanceof CancelledFailure || cancellationSignal().aborted) throw error;
    throw failure.nonRetryable !== true && isOver() ? outage(outageHours, failure) : failure;
  } finally {
    clearInterval(pulse);
  }
}

const released = (): ApplicationFailure =>
  ApplicationFailure.create({
    type: releasedType,
    message: 'The worker stops; another one goes on.',
    nextRetryDelay: takenUpAfter,
  });

function outage(hours: number, cause?: ApplicationFailure): ApplicationFailure {
  const last =
    cause === undefined ? 'the last attempts ended with their worker.' : `the last time: ${cause.message}`;
  return ApplicationFailure.create({
    type: 'problem:outage',
    message: `Attempts have failed for ${hours} hours; ${last}`,
    nonRetryable: true,
    ...(cause !== undefined && { cause }),
  });
}
