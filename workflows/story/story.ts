/** What a job's story is told with: its activities, stages, and pages of items. */
import type {
  Call,
  GroupPages,
  JobStart,
  Longest,
  openForSeconds,
  Page,
  PageReport,
  Published,
  ReplacedCall,
} from '@darkroom/contract';
import {
  type ActivityInterfaceFor,
  type ActivityOptions,
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  patched,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import { lightActivities, optionsOn } from './activities.ts';
import type { Details } from './details.ts';
import { replaceable, wasNotTaken } from './failures.ts';
import { MeasuredPages } from './measured-pages.ts';
import { workOnPages } from './pages.ts';

/** An activity of a job as `on` gives it: its first argument is the call's fence, the rest its own. */
export interface JobActivity<A extends unknown[], R> {
  readonly executeWithOptions: (options: ActivityOptions, args: [call: Call, ...A]) => Promise<R>;
}

/** An activity that works on a page of items. */
export type PageActivity = JobActivity<[Page], PageReport>;

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
  /** Runs one activity as the whole of a stage, again and again until it says that it is done: for work of more than one turn. */
  turns<A extends unknown[], R extends { readonly done: boolean }>(
    name: string,
    activity: JobActivity<A, R>,
    ...args: A
  ): Promise<R & { readonly done: true }>;
  /**
   * Works on pages of items, `atOnce` of them at a time, and of a group never more than one. A page that used up its time returns where
   * it stopped: its rest is worked on next, before pages that were not begun, in the queue's order among other jobs; the rest of a group
   * by the worker that has it open, if that takes it within seconds. Page n is worked on while the source of pages still finds page n + 1.
   * Which activity works on a page, so on which queue, may depend on its group, and on nothing else: the rest of a page has the same.
   * Resolves with the job's end where it was one page only and that page's activity has published the job.
   */
  items(
    name: string,
    pages: PagesFrom,
    activity: PageActivity | ((page: Page) => PageActivity),
    options?: { atOnce?: number },
  ): Promise<Published | undefined>;
  /**
   * The groups of a stage's items in the ledger as pages for `items`: each is one page, and its rests; small ones that follow one another
   * share one, unless what stands before the first `:` in their names differs.
   */
  groups(stage: string): PagesFrom;
}

/** The pages of a stage from an ordinal on: 1, or where a run before this one had come to. */
export type PagesFrom = (from: number) => Iterable<Page> | AsyncIterable<Page>;

const isDone = <R extends { readonly done: boolean }>(turn: R): turn is R & { readonly done: true } =>
  turn.done;

/** How long a worker has to take the next page of a group that it has open, before any other may. */
const openFor: `${typeof openForSeconds} seconds` = '5 seconds';

/** `atWork` gets what was asked for and has not ended. */
export function storyOf<Queues>(
  start: JobStart,
  details: Details,
  atWork: Set<Promise<unknown>>,
): Story<Queues> {
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

    async turns<A extends unknown[], R extends { readonly done: boolean }>(
      name: string,
      activity: JobActivity<A, R>,
      ...args: A
    ) {
      for (;;) {
        const turn = await call(name, name, activity, args);
        if (!isDone(turn)) continue;
        details.done(name);
        return turn;
      }
    },

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
          const working = 'executeWithOptions' in activity ? activity : activity(page);
          const report = await (openAt === undefined
            ? call(name, summary, working, args)
            : callAt(openAt, name, summary, working, args));
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
