/**
 * The frame of a job's workflow: its stages, items, cancel, clean-up and end.
 *
 * A kind's file calls {@link defineJob} with the story of the job; everything here is what the stories share.
 * Workflow code is deterministic: no clock, no environment, no zod; it imports types of the contract only.
 */
import type {
  Call,
  EndState,
  JobStart,
  Page,
  PageReport,
  ProblemCode,
  StageCounts,
} from '@darkroom/contract';
import { defineSearchAttributeKey } from '@temporalio/common';
import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  continueAsNew,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';

/** Cancels the job and says why; the same end as Temporal's own cancel and as the API's. */
export const cancelSignal = defineSignal<[string?]>('cancel');

/** An activity of a job: its first argument is the call's fence, the rest its own. */
type JobActivity<A extends unknown[], R> = (call: Call, ...args: A) => Promise<R>;

const jobStateKey = defineSearchAttributeKey('JobState', 'KEYWORD');

type Activities = Record<string, JobActivity<never[], unknown>>;

/** What every worker's `light` queue offers to end a job that did not end itself. */
interface FrameActivities {
  finish(
    call: Call,
    end: { state: EndState; code?: ProblemCode; detail?: string; reason?: string },
  ): Promise<void>;
}

export interface Story {
  /** The activities of a capability, on the queue whose machines serve it. */
  on<A extends object>(queue: string): A;
  /** Runs one activity as the whole of a stage. */
  stage<A extends unknown[], R>(name: string, activity: JobActivity<A, R>, ...args: A): Promise<R>;
  /**
   * Works on pages of items, `lanes` at a time. A page that used up its time returns where it stopped and goes on
   * behind the others; page n is worked on while the source of pages still finds page n + 1.
   */
  items(
    name: string,
    pages: Iterable<Page> | AsyncIterable<Page>,
    activity: JobActivity<[Page], PageReport>,
    options?: { lanes?: number },
  ): Promise<void>;
}

/**
 * Defines the workflow of a kind. `story` returns when the job's last activity has published it;
 * when it throws or is cancelled, the frame ends the job's row and leaves nothing half-published.
 */
export function defineJob(
  story: (job: Story, start: JobStart) => Promise<{ state: EndState }>,
): (start: JobStart) => Promise<{ state: EndState }> {
  return async (start) => {
    const details = new Details(start);
    let reason: string | undefined;
    setHandler(cancelSignal, async (why) => {
      reason = why ?? 'cancelled by signal';
      // Asking the engine itself makes the run close as Canceled, whichever way the cancel came.
      await CancellationScope.nonCancellable(() =>
        getExternalWorkflowHandle(workflowInfo().workflowId).cancel(),
      );
    });
    const showEnd = (state: EndState): void => {
      upsertSearchAttributes([{ key: jobStateKey, value: state }]);
      details.show(state);
    };
    details.show('running');
    try {
      const end = await story(storyOf(start, details), start);
      showEnd(end.state);
      return end;
    } catch (error) {
      if (isContinueAsNew(error)) throw error;
      const cancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
      const failure = cancelled ? undefined : problemOf(error);
      await CancellationScope.nonCancellable(() =>
        finishActivities(start).finish.executeWithOptions({ ...finishOptions(start), summary: 'clean up' }, [
          { jobId: start.jobId, run: start.run, stage: 'finish' },
          cancelled
            ? { state: 'cancelled', ...(reason !== undefined && { reason }) }
            : { state: 'failed', code: failure!.code, detail: failure!.detail },
        ]),
      );
      showEnd(cancelled ? 'cancelled' : 'failed');
      throw error;
    }
  };
}

/** Pages of `size` items over ordinals 1 to `items`, from ordinal `from`. */
export function* pagesOf(items: number, size: number, from = 1): Generator<Page> {
  for (let start = from; start <= items; start += size) {
    yield { from: start, to: Math.min(start + size, items + 1) };
  }
}

/** Time an activity may work before it is taken for hung; a page stops by itself long before. */
export const longestActivity = '10 minutes';

function optionsOn(start: JobStart, queue: string): ActivityOptions {
  return {
    taskQueue: queue,
    startToCloseTimeout: longestActivity,
    // Dead workers and outages are bounded by time, an item's own errors by count inside the activity.
    scheduleToCloseTimeout: `${start.timing.outageHours} hours`,
    heartbeatTimeout: `${start.timing.heartbeatSeconds} seconds`,
    // Not the SDK's default at run time: without it the run closes while the activity still works.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '20 seconds' },
  };
}

const finishOptions = (start: JobStart): ActivityOptions => optionsOn(start, 'light');
const finishActivities = (start: JobStart) => proxyActivities<FrameActivities>(finishOptions(start));

function storyOf(start: JobStart, details: Details): Story {
  const optionsOf = new WeakMap<object, ActivityOptions>();

  const call = async <R>(stage: string, summary: string, activity: object, args: unknown[]): Promise<R> => {
    const options = optionsOf.get(activity);
    if (options === undefined) throw new TypeError('A stage takes an activity of on(queue).');
    const run = activity as {
      executeWithOptions(options: ActivityOptions, args: unknown[]): Promise<R>;
    };
    const fence: Call = { jobId: start.jobId, run: start.run, stage };
    return run.executeWithOptions({ ...options, summary }, [fence, ...args]);
  };

  return {
    on<A extends object>(queue: string): A {
      const options = optionsOn(start, queue);
      const proxy = proxyActivities<Activities>(options);
      return new Proxy({} as A, {
        get(_, name) {
          const activity = proxy[String(name)];
          if (typeof activity !== 'function') throw new TypeError(`No activity ${String(name)}`);
          optionsOf.set(activity, options);
          return activity;
        },
      });
    },

    async stage(name, activity, ...args) {
      const result = await call<Awaited<ReturnType<typeof activity>>>(name, name, activity, args);
      details.done(name);
      return result;
    },

    async items(name, pages, activity, { lanes = 3 } = {}) {
      const waiting: Page[] = [];
      const running = new Set<Promise<void>>();
      let failure: { error: unknown } | undefined;

      const launch = (page: Page): void => {
        const work = call<PageReport>(name, `${name} ${page.from}–${page.to - 1}`, activity, [page])
          .then(
            (report) => {
              details.counts(report.stages);
              if (report.next !== null && report.next < page.to)
                waiting.push({ from: report.next, to: page.to });
            },
            (error: unknown) => {
              failure ??= { error };
            },
          )
          .finally(() => running.delete(work));
        running.add(work);
      };
      const roomFor = async (limit: number): Promise<void> => {
        while (running.size >= limit && failure === undefined) await Promise.race(running);
      };

      // A lane that fails stops the others at their next heartbeat; nothing is left running behind the job's end.
      await CancellationScope.cancellable(async () => {
        const scope = CancellationScope.current();
        for await (const page of pages) {
          await roomFor(lanes);
          if (failure !== undefined) break;
          if (workflowInfo().continueAsNewSuggested) {
            await Promise.all(running);
            if (failure !== undefined) break;
            // Pages that were cut short are found again by their items: the ledger skips what is done.
            await continueAsNew<(start: JobStart) => Promise<unknown>>({
              ...start,
              cursor: Math.min(page.from, ...waiting.map((rest) => rest.from)),
            });
          }
          launch(page);
        }
        while (failure === undefined && (running.size > 0 || waiting.length > 0)) {
          while (waiting.length > 0 && running.size < lanes) launch(waiting.shift()!);
          await Promise.race(running);
        }
        if (failure !== undefined) {
          scope.cancel();
          await Promise.all(running);
        }
      }).catch((error: unknown) => {
        failure ??= { error };
      });
      if (failure !== undefined) throw failure.error;
    },
  };
}

/** The stages as a small table in Temporal's Web UI. */
class Details {
  readonly #start: JobStart;
  readonly #counts = new Map<string, StageCounts>();
  #state = 'running';

  constructor(start: JobStart) {
    this.#start = start;
  }

  counts(stages: readonly StageCounts[]): void {
    for (const stage of stages) {
      // Lanes report out of order; what was shown does not fall.
      if ((this.#counts.get(stage.name)?.done ?? -1) <= stage.done) this.#counts.set(stage.name, stage);
    }
    this.show(this.#state);
  }

  done(name: string): void {
    const known = this.#counts.get(name);
    const total = known?.total ?? (this.#start.items > 0 ? this.#start.items : null);
    this.#counts.set(name, { name, done: total ?? known?.done ?? 0, failed: known?.failed ?? 0, total });
    this.show(this.#state);
  }

  show(state: string): void {
    this.#state = state;
    const rows = this.#start.stages.map((name) => {
      const stage = this.#counts.get(name);
      const done =
        stage === undefined ? '–' : `${stage.done}${stage.total === null ? '' : ` / ${stage.total}`}`;
      return `| ${name} | ${done} | ${stage?.failed ? stage.failed : ''} |`;
    });
    setCurrentDetails(
      [
        `**${this.#start.title}** · ${state} · run ${this.#start.run}`,
        '',
        '| stage | done | failed |',
        '| --- | --- | --- |',
        ...rows,
      ].join('\n'),
    );
  }
}

function isContinueAsNew(error: unknown): boolean {
  return error instanceof Error && error.name === 'ContinueAsNew';
}

/** The problem a failed activity named; an exceeded bound in time is an outage; the rest is ours. */
function problemOf(error: unknown): { code: ProblemCode; detail: string } {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && cause.type?.startsWith('problem:')) {
    return { code: cause.type.slice('problem:'.length) as ProblemCode, detail: cause.message };
  }
  if (cause instanceof TimeoutFailure) {
    return { code: 'outage', detail: `No worker could finish the stage in time (${cause.timeoutType}).` };
  }
  return { code: 'internal', detail: cause instanceof Error ? cause.message : String(cause) };
}
