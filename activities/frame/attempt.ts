/**
 * The wrapper of every activity of a job: it gives an attempt its fence, heartbeat, cancellation, progress, log and problem,
 * and keeps the durations of the attempt.
 */
import { once } from 'node:events';
import type { Call, Kinds } from '@darkroom/contract';
import { type Config, currentTraceId, type Logger, metrics } from '@darkroom/platform';
import {
  closeAttempt,
  type Fence,
  Fenced,
  failedAttempts,
  holdsFence,
  type JobRow,
  noteWaiting,
  openAttempt,
  type Records,
} from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { trace } from '@opentelemetry/api';
import { activityInfo, Context, cancellationSignal } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';

import { failureOf, isOutage, problemOfError } from './failure.ts';
import { JobLog } from './log.ts';
import { ProgressReport } from './progress.ts';
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
}

/** One attempt at an activity, holding the fence that its writes carry. */
export interface Attempt {
  readonly deps: FrameDeps;
  readonly call: Call;
  readonly fence: Fence;
  readonly job: JobRow;
  /** Aborts on cancel, worker shutdown, time-out, and when the fence is lost. */
  readonly signal: AbortSignal;
  readonly log: JobLog;
  readonly progress: ProgressReport;
  /** Where the attempt stands; what a next attempt finds with the last heartbeat. */
  cursor: unknown;
  /** Throws {@link Fenced} unless this attempt may still write. */
  assertHeld(): Promise<void>;
}

/** Attempts that fail for a reason nobody foresaw, before the job fails. */
const unforeseenFailures = 3;

/** Makes an activity of `work`: its first argument is the {@link Call}, the rest are `work`'s own. */
export function jobActivity<A extends unknown[], R>(
  deps: FrameDeps,
  work: (attempt: Attempt, ...args: A) => Promise<R>,
): (call: Call, ...args: A) => Promise<R> {
  return async (call, ...args) => {
    const info = activityInfo();
    using _slot = takeSlot(info.taskQueue);
    const startedAt = Date.now();
    const fenceLost = new AbortController();
    const signal = AbortSignal.any([cancellationSignal(), fenceLost.signal]);
    let cursor: unknown = info.heartbeatDetails;
    const beat = (): void => Context.current().heartbeat(cursor);
    beat();
    const pulse = setInterval(beat, Math.min(1000, (info.heartbeatTimeoutMs ?? 3000) / 3));
    trace.getActiveSpan()?.setAttributes({
      'darkroom.job': call.jobId,
      'darkroom.stage': call.stage,
      'darkroom.attempt': info.attempt,
    });

    let fence: Fence | undefined;
    const db = deps.records.db;
    try {
      const queueMs = Math.max(0, startedAt - info.currentAttemptScheduledTimestampMs);
      const opened = await openAttempt(db, {
        jobId: call.jobId,
        run: call.run,
        activity: `${info.workflowExecution?.runId ?? ''}/${info.activityId}`,
        attempt: info.attempt,
        stage: call.stage,
        worker: deps.worker,
        queueMs,
      });
      fence = opened.fence;
      const held = opened.fence;
      metrics.queueWait.observe({ kind: opened.job.kind, stage: call.stage }, queueMs / 1000);
      const log = new JobLog(deps, held, call.stage, currentTraceId());
      const progress = new ProgressReport(
        deps,
        held,
        stagesOf(deps.kinds, opened.job.kind),
        call.stage,
        (error) => fenceLost.abort(error),
      );
      if (info.attempt > 1) log.line('warn', `${call.stage}: attempt ${info.attempt}`);
      try {
        if (opened.job.state === 'cancelling') await calledOff(signal);
        const result = await work(
          {
            deps,
            call,
            fence: held,
            job: opened.job,
            signal,
            log,
            progress,
            get cursor() {
              return cursor;
            },
            set cursor(value) {
              cursor = value;
            },
            assertHeld: async () => {
              if (!(await holdsFence(db, held))) throw new Fenced('A later attempt or run has taken over.');
            },
          },
          ...args,
        );
        await progress.close();
        await log.close();
        const workMs = Date.now() - startedAt;
        await closeAttempt(db, held, { outcome: 'succeeded', workMs });
        metrics.stageSeconds.observe({ kind: opened.job.kind, stage: call.stage }, workMs / 1000);
        return result;
      } catch (error) {
        await progress.close().catch(() => {});
        if (!signal.aborted) log.line('error', `${call.stage}: ${problemOfError(error).detail}`);
        await log.close().catch(() => {});
        throw error;
      }
    } catch (error) {
      throw await failed(deps, {
        error,
        fence,
        signal,
        attempt: info.attempt,
        workMs: Date.now() - startedAt,
      });
    } finally {
      clearInterval(pulse);
    }
  };
}

/** A job that is being cancelled gets no new work: the attempt waits for the engine to tell it so. Never returns. */
async function calledOff(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

/** Stage names of a kind, in order. */
export function stagesOf(kinds: Kinds, kind: string): string[] {
  const definition = kinds[kind];
  if (definition === undefined) throw new TypeError(`This worker does not know the kind ${kind}.`);
  return definition.stages.map((stage) => stage.name);
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
  const outcome = stopped ? 'cancelled' : error instanceof Fenced ? 'fenced' : 'failed';
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
    return failureOf(error, end.attempt >= unforeseenFailures && error instanceof Fenced);
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
