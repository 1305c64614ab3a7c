/**
 * The wrapper of every activity of a job: it gives an attempt its fence, cancellation, progress, log and problem, and keeps the
 * durations of the attempt. The worker makes it beat (alive.ts), as every activity.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '@darkroom/contract';
import type { Estimates } from '@darkroom/estimates';
import { type Config, currentTraceId, type Logger, metrics } from '@darkroom/platform';
import {
  closeAttempt,
  type Fence,
  Fenced,
  failedAttempts,
  holdsFence,
  type JobRow,
  type Kind,
  type Kinds,
  noteWaiting,
  openAttempt,
  type Records,
  RunEnded,
} from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { trace } from '@opentelemetry/api';
import { activityInfo, cancellationSignal, type Info } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import { kindOf, stagesOf } from '../kinds.ts';
import { JobLog } from '../reports/log.ts';
import { ProgressWriter } from '../reports/progress.ts';
import { Signs } from '../reports/signs.ts';
import { isReleased, showInHeartbeats } from './alive.ts';
import { failureOf, isOutage, problemOfError } from './failure.ts';
import { takeSlot } from './slots.ts';

/** What the activities of a process share. */
export interface FrameDeps {
  readonly records: Records;
  readonly storage: Storage;
  readonly config: Config;
  readonly logger: Logger;
  /** Names the process in the ledger of attempts. */
  readonly worker: string;
  readonly kinds: Kinds;
  readonly estimates: Estimates;
  /** Task queue of this worker alone, beside the one whose activities these are: pages of groups it has open may be sent there. */
  readonly ownQueue?: string;
}

/** One attempt at an activity, holding the fence that its writes carry. */
export interface Attempt {
  readonly deps: FrameDeps;
  readonly call: Call;
  readonly fence: Fence;
  readonly job: JobRow;
  readonly kind: Kind;
  /** Aborts on cancel, worker shutdown, time-out, and when the fence is lost. */
  readonly signal: AbortSignal;
  readonly log: JobLog;
  readonly progress: ProgressWriter;
  /** Ends the attempt: whoever writes for it has found that it may not any more. */
  readonly lose: (error: Fenced) => void;
  /** Throws {@link Fenced} unless this attempt may still write. */
  assertHeld(): Promise<void>;
  /**
   * Has `then` called when the attempt has ended and its result is kept, or with the error it ended with: for what is not to be let go of
   * before. It must not throw.
   */
  atEnd(then: (error: unknown) => Promise<void>): void;
}

/** Attempts that fail for a reason nobody foresaw, before the job fails. */
const unforeseenFailures = 3;

export interface ActivityOptions {
  /**
   * Seconds that the work may stand still, by its own word: `progress`, a checkpoint. Longer, and the attempt fails, though its worker
   * lives. Without it only the longest time of the activity bounds it.
   */
  readonly longestStillSeconds?: number;
}

/** What work that stood still gets to end by itself, once it was told. */
const standstillGraceMs = 5000;

/** The work of an attempt stood still. */
class StoodStill extends Error {
  override readonly name = 'StoodStill';
}

/** Makes an activity of `work`: its first argument is the {@link Call}, the rest are `work`'s own. */
export function jobActivity<A extends unknown[], R>(
  deps: FrameDeps,
  work: (attempt: Attempt, ...args: A) => Promise<R>,
  { longestStillSeconds }: ActivityOptions = {},
): (call: Call, ...args: A) => Promise<R> {
  return async (call, ...args) => {
    const info = activityInfo();
    const { activity, attempt } = placeOf(call, info);
    using _slot = takeSlot(info.taskQueue);
    const startedAt = Date.now();
    const over = new AbortController();
    const signal = AbortSignal.any([cancellationSignal(), over.signal]);
    const lose = (error: Error): void => over.abort(error);
    trace.getActiveSpan()?.setAttributes({
      'darkroom.job': call.jobId,
      'darkroom.stage': call.stage,
      'darkroom.attempt': attempt,
    });

    let fence: Fence | undefined;
    const db = deps.records.db;
    try {
      const queueMs = Math.max(0, startedAt - info.currentAttemptScheduledTimestampMs);
      const opened = await openAttempt(db, {
        jobId: call.jobId,
        run: call.run,
        activity,
        attempt,
        stage: call.stage,
        worker: deps.worker,
        queueMs,
      });
      fence = opened.fence;
      const held = opened.fence;
      metrics.queueWait.observe({ kind: opened.job.kind, stage: call.stage }, queueMs / 1000);
      const log = new JobLog(deps, held, call.stage, currentTraceId());
      const signs = new Signs(deps, held, call.stage, {
        longestStillSeconds,
        onStill: (seconds) => lose(new StoodStill(`The work stood still for ${Math.round(seconds)} s.`)),
        onFenced: lose,
      });
      const stages = stagesOf(deps.kinds, opened.job.kind);
      const progress = new ProgressWriter(deps, held, stages, call.stage, lose, () => signs.moved());
      showInHeartbeats(() => ({ stage: call.stage, ...progress.shown, movedAt: signs.movedAt }));
      const ending = new Ending();
      if (attempt > 1) log.line('warn', `${call.stage}: attempt ${attempt}`);
      try {
        if (opened.job.state === 'cancelling') await cancelOf(signal);
        const working = work(
          {
            deps,
            call,
            fence: held,
            job: opened.job,
            kind: kindOf(deps.kinds, opened.job.kind),
            signal,
            log,
            progress,
            lose,
            assertHeld: async () => {
              if (!(await holdsFence(db, held))) throw new Fenced('A later attempt or run has taken over.');
            },
            atEnd: (then) => ending.add(then),
          },
          ...args,
        );
        const result = await Promise.race([working, standstill(signal)]);
        await progress.close();
        await log.close();
        const workMs = Date.now() - startedAt;
        await closeAttempt(db, held, { outcome: 'succeeded', workMs });
        await ending.is(undefined);
        metrics.stageSeconds.observe({ kind: opened.job.kind, stage: call.stage }, workMs / 1000);
        return result;
      } catch (error) {
        await ending.is(error);
        await progress.close().catch(() => {});
        if (!signal.aborted) log.line('error', `${call.stage}: ${problemOfError(error).detail}`);
        else if (isReleased(signal)) log.line('info', `${call.stage}: the worker stops; another one goes on`);
        await log.close().catch(() => {});
        // Whoever waited for the signal throws what it was aborted with, and others what came of it.
        throw signal.reason instanceof StoodStill ? signal.reason : error;
      } finally {
        await signs.close();
      }
    } catch (error) {
      throw await failed(deps, {
        error,
        fence,
        signal,
        attempt,
        workMs: Date.now() - startedAt,
      });
    }
  };
}

/**
 * Where the ledger has an attempt. Those at a call that replaces another one are that one's next attempts there: opening fences it off, its
 * worker may only be stopped, and failures count together.
 */
function placeOf(
  { replaces }: Call,
  { workflowExecution, activityId, attempt }: Info,
): { activity: string; attempt: number } {
  const run = workflowExecution?.runId ?? '';
  return replaces === undefined
    ? { activity: `${run}/${activityId}`, attempt }
    : { activity: `${run}/${replaces.activity}`, attempt: attempt + 1 };
}

/** What waits for the end of an attempt; what comes later, of work that went on after it, waits no more. */
class Ending {
  readonly #waiting: ((error: unknown) => Promise<void>)[] = [];
  #end: { readonly error: unknown } | undefined;

  add(then: (error: unknown) => Promise<void>): void {
    if (this.#end === undefined) this.#waiting.push(then);
    else void then(this.#end.error);
  }

  async is(error: unknown): Promise<void> {
    this.#end ??= { error };
    await Promise.all(this.#waiting.splice(0).map((then) => then(this.#end?.error)));
  }
}

/**
 * Rejects when the work was told that it stood still and has not ended by itself since: one that hangs does not hear it. What it may still
 * write is refused by its fence as soon as the next attempt begins.
 */
async function standstill(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  if (!(signal.reason instanceof StoodStill)) return new Promise<never>(() => {});
  await sleep(standstillGraceMs, undefined, { ref: false });
  throw signal.reason;
}

/** A job that is being cancelled gets no new work: the attempt waits for the engine to tell it so. Never returns. */
export async function cancelOf(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

/** Records how the attempt ended and returns what Temporal is to be told. */
async function failed(
  deps: FrameDeps,
  end: { error: unknown; fence: Fence | undefined; signal: AbortSignal; attempt: number; workMs: number },
): Promise<unknown> {
  const { error, fence, signal, workMs } = end;
  const db = deps.records.db;
  const stopped = signal.aborted && signal.reason instanceof CancelledFailure;
  const problem = problemOfError(error);
  const outcome = isReleased(signal)
    ? 'released'
    : stopped
      ? 'cancelled'
      : error instanceof Fenced
        ? 'fenced'
        : 'failed';
  deps.logger[stopped ? 'info' : 'warn'](
    { jobId: fence?.jobId, attempt: end.attempt, outcome, err: error },
    'attempt ended early',
  );
  // A cancelled attempt must tell so, or its end would count as its result.
  if (stopped) {
    if (fence) await closeAttempt(db, fence, { outcome, workMs }).catch(() => {});
    return signal.reason;
  }
  if (fence === undefined)
    return failureOf(
      error,
      error instanceof RunEnded || (end.attempt >= unforeseenFailures && error instanceof Fenced),
    );
  let failures = 0;
  try {
    await closeAttempt(db, fence, { outcome, workMs, problem });
    failures = await failedAttempts(db, fence);
    if (isOutage(problem)) await noteWaiting(db, fence, problem.title);
  } catch {
    // The records are away: an outage, which is bounded by time.
  }
  return failureOf(error, failures >= unforeseenFailures);
}
