/**
 * The frame of a job's workflow: its stages, items, cancel, clean-up and end.
 *
 * A kind's file calls {@link defineJob} with the story of the job; everything here is what the stories share.
 * Workflow code is deterministic: no clock, no environment, no zod; it imports types of the contract only.
 */
import type {
  Call,
  EndState,
  GroupPages,
  JobStart,
  Longest,
  longestActivity as longestUnsaid,
  openForSeconds,
  Page,
  PageReport,
  Published,
  ReplacedCall,
} from '@darkroom/contract';
import { defineSearchAttributeKey, HandlerUnfinishedPolicy } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  type ActivityInterfaceFor,
  type ActivityOptions,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  log,
  patched,
  proxyActivities,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { QueueActivities } from './queues.ts';
import { Details } from './story/details.ts';
import { closing, isContinueAsNew, problemOfFailure, replaceable, wasNotTaken } from './story/failures.ts';
import { MeasuredPages } from './story/measured-pages.ts';
import { workOnPages } from './story/pages.ts';

/** Cancels the job and says why; the same end as Temporal's own cancel and as the API's. */
export const cancelSignal = defineSignal<[string?]>('cancel');

/** An activity of a job as `on` gives it: its first argument is the call's fence, the rest its own. */
export interface JobActivity<A extends unknown[], R> {
  readonly executeWithOptions: (options: ActivityOptions, args: [call: Call, ...A]) => Promise<R>;
}

const jobStateKey = defineSearchAttributeKey('JobState', 'KEYWORD');

/** `Queues`: which activities each task queue has. */
export interface Story<Queues> {
  /**
   * The activities of a task queue, which its machines serve. An attempt at one that works longer than `longest` is taken for hung:
   * ten minutes, or less than it asks for where the kind's definition allowed less when the run began. Time it waits in the queue does not count.
   */
  on<Name extends keyof Queues & string>(queue: Name, longest?: Longest): ActivityInterfaceFor<Queues[Name]>;
  /** Runs one activity as the whole of a stage. */
  stage<A extends unknown[], R>(name: string, activity: JobActivity<A, R>, ...args: A): Promise<R>;
  /** Runs one activity of a stage that takes several. */
  step<A extends unknown[], R>(name: string, activity: JobActivity<A, R>, ...args: A): Promise<R>;
  /**
   * Works on pages of items, `atOnce` of them at a time, and of a group never more than one. A page that used up its time returns where
   * it stopped: its rest is worked on next, before pages that were not begun, in the queue's order among other jobs; the rest of a group
   * by the worker that has it open, if that takes it within seconds. Page n is worked on while the source of pages still finds page n + 1.
   * Resolves with the job's end where it was one page only and that page's activity has published the job.
   */
  items(
    name: string,
    pages: PagesFrom,
    activity: JobActivity<[Page], PageReport>,
    options?: { atOnce?: number },
  ): Promise<Published | undefined>;
  /** The groups of a stage's items in the ledger as pages for `items`: each is one page, and its rests. */
  groups(stage: string): PagesFrom;
}

/** The pages of a stage from an ordinal on: 1, or where a run before this one had come to. */
export type PagesFrom = (from: number) => Iterable<Page> | AsyncIterable<Page>;

/** How long a worker has to take the next page of a group that it has open, before any other may. */
const openFor: `${typeof openForSeconds} seconds` = '5 seconds';

/** Rounds of a story that the store lost objects in, before the job fails. */
const mostRedone = 3;

/**
 * Defines the workflow of a kind. `story` returns when the job's last activity has published it, and is told once more when that found
 * objects missing: the ledger skips what is there. When it throws or is cancelled, the frame ends the job's row and leaves nothing
 * half-published. A kind whose queues are not the house's own names theirs.
 */
export function defineJob<Queues = QueueActivities>(
  story: (job: Story<Queues>, start: JobStart) => Promise<Published>,
): (start: JobStart) => Promise<{ state: EndState }> {
  return async (start) => {
    /** Activities that were asked for and have not ended. */
    const atWork = new Set<Promise<unknown>>();
    const details = new Details(start);
    let reason: string | undefined;
    setHandler(
      cancelSignal,
      async (why) => {
        reason ??= why ?? 'Cancelled by signal.';
        await askToCancel(start, reason);
      },
      { unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON },
    );
    const showEnd = (state: EndState): void => {
      upsertSearchAttributes([{ key: jobStateKey, value: state }]);
      details.show(state);
    };
    details.show('running');
    try {
      for (let again = start; ; ) {
        const end = await story(storyOf<Queues>(again, details, atWork), again);
        if ('state' in end) {
          showEnd(end.state);
          return end;
        }
        again = redo(again, end.missing);
      }
    } catch (error) {
      if (isContinueAsNew(error)) throw error;
      const cancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
      // What a story does side by side does not end at once: a cancelled job has nobody at work on it.
      if (cancelled && atWork.size > 0)
        await CancellationScope.nonCancellable(() => Promise.allSettled([...atWork]));
      const inRow = await CancellationScope.nonCancellable(() =>
        lightActivities(start).finish.executeWithOptions({ summary: 'clean up' }, [
          { jobId: start.jobId, run: start.run, stage: 'finish' },
          cancelled
            ? { state: 'cancelled', reason: reason ?? 'Cancelled in Temporal.' }
            : { state: 'failed', ...problemOfFailure(error) },
        ]),
      );
      // A worker may die between the end in the row and its answer; the run then ends as the row did. Older workers answer nothing.
      const state = inRow ?? (cancelled ? 'cancelled' : 'failed');
      showEnd(state);
      if (state === 'succeeded' || state === 'succeeded_with_warnings') return { state };
      if (state === 'cancelled' && !cancelled) await askToCancel(start, 'The job is cancelled.');
      throw closing(error, state === 'cancelled');
    }
  };
}

/** The story from its beginning. Throws when that has been tried too often. */
function redo({ cursor: _, cursors: __, open: ___, ...start }: JobStart, missing: number): JobStart {
  const redone = (start.redone ?? 0) + 1;
  if (redone <= mostRedone) return { ...start, redone };
  throw ApplicationFailure.nonRetryable(
    `${missing} items and files had no end or no object in the store when the job was to be published, after they were made again ${mostRedone} times. Somebody deletes them.`,
    'problem:internal',
  );
}

/** A run cannot cancel itself. Being asked to makes it close as Canceled, whichever way the cancel came. */
async function askToCancel(start: JobStart, reason: string): Promise<void> {
  await CancellationScope.nonCancellable(() =>
    lightActivities(start).cancelRun.executeWithOptions({ summary: 'cancel' }, [start.jobId, reason]),
  );
}

/** Pages of `size` items over ordinals 1 to `items`, from ordinal `from`. */
export function* pagesOf(items: number, size: number, from = 1): Generator<Page> {
  for (let start = from; start <= items; start += size) {
    yield { from: start, to: Math.min(start + size, items + 1) };
  }
}

/** Pages over ordinals 1 to `items`, from ordinal `from`, as many items in each as their measured time allows: from one to some thousands. */
export const pagesByTime = (items: number, from = 1): Iterable<Page> => new MeasuredPages(items, from);

const longestActivity: typeof longestUnsaid = '10 minutes';

/** The most that an activity of a kind may take. */
export const atMost = (ofKind: Longest = longestActivity): Longest =>
  msToNumber(ofKind) > msToNumber(longestActivity) ? ofKind : longestActivity;

/**
 * A removal looks for objects once more when no activity of the kind can write any: none may work for longer than the kind says. A run that
 * began before the kind said as much as its story asks for now goes on within what was said then.
 */
function bounded(start: JobStart, longest: Longest): Longest {
  const most = atMost(start.longest);
  if (msToNumber(longest) <= msToNumber(most)) return longest;
  log.warn(
    `An activity is to get ${longest}; the kind ${start.kind} said ${most} at most when the run began`,
  );
  return most;
}

function optionsOn(start: JobStart, queue: string, longest: Longest = longestActivity): ActivityOptions {
  return {
    taskQueue: queue,
    // No bound counts from the schedule: waiting in a queue is no outage. Dead workers and outages are bounded by the time since
    // the first failed attempt, an item's own errors by count, both inside the activity.
    startToCloseTimeout: bounded(start, longest),
    heartbeatTimeout: `${start.timing.heartbeatSeconds} seconds`,
    // Not the SDK's default at run time: without it the run closes while the activity still works.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '20 seconds' },
  };
}

/** What every worker's `light` queue offers to end a job that does not end itself. */
const lightActivities = (start: JobStart) =>
  proxyActivities<QueueActivities['light']>(optionsOn(start, 'light'));

function storyOf<Queues>(start: JobStart, details: Details, atWork: Set<Promise<unknown>>): Story<Queues> {
  const call = <A extends unknown[], R>(
    stage: string,
    summary: string,
    activity: JobActivity<A, R>,
    args: A,
    replaces?: ReplacedCall,
  ): Promise<R> => {
    const fence: Call = { jobId: start.jobId, run: start.run, stage, ...(replaces && { replaces }) };
    const running = activity.executeWithOptions({ summary }, [fence, ...args]);
    atWork.add(running);
    const ended = (): boolean => atWork.delete(running);
    running.then(ended, ended);
    return running;
  };

  /** Asks the one worker, once; the others when it does not take the page in time, or its attempt comes to nothing. */
  const callAt = async <A extends unknown[], R>(
    taskQueue: string,
    stage: string,
    summary: string,
    activity: JobActivity<A, R>,
    args: A,
  ): Promise<R> => {
    // The engine would hand a second attempt to the open questions of a worker that is stopped.
    const once: ActivityOptions = {
      taskQueue,
      scheduleToStartTimeout: openFor,
      retry: { maximumAttempts: 1 },
    };
    const there: JobActivity<A, R> = {
      executeWithOptions: (options, given) => activity.executeWithOptions({ ...options, ...once }, given),
    };
    try {
      return await call(stage, summary, there, args);
    } catch (error) {
      const replaces = replaceable(error);
      if (replaces === undefined && !wasNotTaken(error)) throw error;
      return await call(stage, summary, activity, args, replaces);
    }
  };

  /** Where the pages of a stage begin, and behind them once they are done. */
  const cursors: Record<string, number> = { ...start.cursors };
  const hasContinued = start.cursor !== undefined || start.cursors !== undefined;
  const cursorOf = (stage: string): number =>
    (start.cursors === undefined ? start.cursor : cursors[stage]) ?? 1;

  return {
    on: <Name extends keyof Queues & string>(queue: Name, longest?: Longest) =>
      proxyActivities<Queues[Name]>(optionsOn(start, queue, longest)),

    async stage(name, activity, ...args) {
      const result = await call(name, name, activity, args);
      details.done(name);
      return result;
    },

    step: (name, activity, ...args) => call(name, name, activity, args),

    async items(name, pagesFrom, activity, { atOnce = 3 } = {}) {
      const from = cursorOf(name);
      const pages = pagesFrom(from);
      let behind = from;
      const measured = pages instanceof MeasuredPages ? pages : undefined;
      const source = Symbol.asyncIterator in pages || measured ? pages : [...pages];
      const isOne = measured?.isOne ?? (Array.isArray(source) && source.length === 1);
      const whole = isOne && !hasContinued;
      let end: PageReport['end'];
      const left = await workOnPages(source, {
        atOnce,
        open: start.open?.stage === name ? start.open.pages : undefined,
        pause: () => workflowInfo().continueAsNewSuggested,
        restIsNext: () => patched('rest-is-next'),
        work: async ({ openAt, ...page }) => {
          behind = Math.max(behind, page.to);
          const summary = `${name} ${page.from}–${page.to - 1}`;
          const args: [Page] = [whole ? { ...page, whole } : page];
          const report = await (openAt === undefined
            ? call(name, summary, activity, args)
            : callAt(openAt, name, summary, activity, args));
          details.counts(report.stages);
          measured?.measured(report.itemMs);
          end = report.end;
          return report.next === null || report.next >= page.to
            ? undefined
            : { ...page, from: report.next, ...(report.openAt !== undefined && { openAt: report.openAt }) };
        },
      });
      if (left !== undefined) {
        // A cancel that is on its way would be lost with this run.
        await condition(allHandlersFinished);
        if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('Cancelled.');
        await continueAsNew<(start: JobStart) => Promise<unknown>>({
          ...start,
          cursor: left.found ?? from,
          cursors: { ...cursors, [name]: left.found ?? from },
          open: { stage: name, pages: left.open },
          counts: details.all,
        });
      }
      cursors[name] = behind;
      return end;
    },

    groups: (stage) =>
      async function* (begin) {
        const { findGroups } = lightActivities(start);
        for (let from: number | null = begin; from !== null; ) {
          const found: GroupPages = await call<[number], GroupPages>(stage, 'groups', findGroups, [from]);
          yield* found.pages;
          from = found.next;
        }
      },
  };
}
