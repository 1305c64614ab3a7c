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
import { defineSearchAttributeKey, HandlerUnfinishedPolicy } from '@temporalio/common';
import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { workInLanes } from './lanes.ts';

/** Cancels the job and says why; the same end as Temporal's own cancel and as the API's. */
export const cancelSignal = defineSignal<[string?]>('cancel');

/** An activity of a job: its first argument is the call's fence, the rest its own. */
type JobActivity<A extends unknown[], R> = (call: Call, ...args: A) => Promise<R>;

const jobStateKey = defineSearchAttributeKey('JobState', 'KEYWORD');

type Activities = Record<string, JobActivity<never[], unknown>>;

/** What every worker's `light` queue offers to end a job that does not end itself. */
interface LightActivities {
  cancelRun(jobId: string, reason: string): Promise<void>;
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
  /** Runs one activity of a stage that takes several. */
  step<A extends unknown[], R>(name: string, activity: JobActivity<A, R>, ...args: A): Promise<R>;
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
    setHandler(
      cancelSignal,
      async (why) => {
        reason ??= why ?? 'Cancelled by signal.';
        // A run cannot cancel itself. Being asked to makes it close as Canceled, whichever way the cancel came.
        await CancellationScope.nonCancellable(() =>
          lightActivities(start).cancelRun.executeWithOptions({ ...lightOptions(start), summary: 'cancel' }, [
            start.jobId,
            reason ?? '',
          ]),
        );
      },
      { unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON },
    );
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
        lightActivities(start).finish.executeWithOptions({ ...lightOptions(start), summary: 'clean up' }, [
          { jobId: start.jobId, run: start.run, stage: 'finish' },
          cancelled
            ? { state: 'cancelled', reason: reason ?? 'Cancelled in Temporal.' }
            : { state: 'failed', code: failure!.code, detail: failure!.detail },
        ]),
      );
      showEnd(cancelled ? 'cancelled' : 'failed');
      throw closing(error, cancelled);
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

const lightOptions = (start: JobStart): ActivityOptions => optionsOn(start, 'light');
const lightActivities = (start: JobStart) => proxyActivities<LightActivities>(lightOptions(start));

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

    step: (name, activity, ...args) => call<Awaited<ReturnType<typeof activity>>>(name, name, activity, args),

    async items(name, pages, activity, { lanes = 3 } = {}) {
      const left = await workInLanes(pages, {
        lanes,
        pause: () => workflowInfo().continueAsNewSuggested,
        work: async (page) => {
          const summary = `${name} ${page.from}–${page.to - 1}`;
          const report = await call<PageReport>(name, summary, activity, [page]);
          details.counts(report.stages);
          return report.next === null || report.next >= page.to
            ? undefined
            : { from: report.next, to: page.to };
        },
      });
      // Pages from there on may be finished already: the ledger skips what is done.
      if (left !== undefined) {
        // A cancel that is on its way would be lost with this run.
        await condition(allHandlersFinished);
        if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('Cancelled.');
        await continueAsNew<(start: JobStart) => Promise<unknown>>({ ...start, cursor: left });
      }
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

/**
 * What the run closes with: Canceled or Failed, as the job's row says. The engine would try a plain error, a mistake in
 * a story, again and again.
 */
function closing(error: unknown, cancelled: boolean): unknown {
  if (cancelled) return isCancellation(error) ? error : new CancelledFailure('The job was cancelled.');
  if (error instanceof TemporalFailure) return error;
  return ApplicationFailure.fromError(error, { type: 'problem:internal', nonRetryable: true });
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
