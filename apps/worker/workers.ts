/** The workers of a process: one for each queue it serves, with that queue's activities only. */
import { availableParallelism } from 'node:os';
import {
  type Call,
  notTaken,
  openForSeconds,
  queues,
  sharedQueue,
  workersOwnQueue,
} from '@darkroom/contract';
import { type Dispatch, maintenanceActivities, standaloneActivities } from '@darkroom/dispatch';
import { type FrameDeps, frameActivities, keepAlive, offerSlots } from '@darkroom/frame';
import type { Holding } from '@darkroom/lane';
import { type Config, failpoint, type Telemetry } from '@darkroom/platform';
import type { ModelLanes, RecogniserConfig } from '@darkroom/recognition/lane/lanes.ts';
import type { Serving } from '@darkroom/recognition/serving/serve-models.ts';
import type { CutoutJobActivities } from '@darkroom/sky/jobs/activities.ts';
import type { TileWalk } from '@darkroom/sky/walk/walk.ts';
import { createStorage } from '@darkroom/storage';
import type { QueueActivities } from '@darkroom/workflows/queues.ts';
import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import {
  type ActivityExecuteInput,
  type NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { tracing } from './bundle.ts';
import { NoSlot, SharedSlots } from './slots.ts';
import { unitRunner } from './units.ts';

export interface WorkerDeps extends FrameDeps {
  readonly dispatch: Dispatch;
  readonly telemetry: Telemetry;
  /** Takes what is to be done when the workers have stopped, while the connections are still open. */
  readonly atEnd?: (work: () => Promise<void>) => void;
}

/** A queue: its activities, loaded only where it is served, and how many run at once. */
export interface QueueDefinition<Activities extends object = object> {
  activities(deps: WorkerDeps): Promise<Activities>;
  slots(config: Config): number;
  /** Its kinds have groups of items that are worth keeping open: each of its workers serves a queue of its own besides. */
  readonly keepsGroups?: boolean;
  /** Its work is done in lanes, which are held so. */
  lanes?(config: Config): Promise<Holding>;
}

/** When a worker has its threads compile what decodes tiles; one that is asked for a cutout sooner has them then. */
const warmAfterMs = 5000;

/**
 * Pages of cutouts of one worker at once: one more than a job takes, so that another's begins beside them, and that while none does a page goes on to the
 * end of its tile. What was read ahead of it is read again by the next.
 */
const pagesAtOnce = ({ worker }: Config): number =>
  worker.slots[queues.sky] ?? Math.max(3, availableParallelism() + 1);

/** The activities of each queue, as stories ask for them; a new capability is one entry. */
export const queueDefinitions: {
  readonly [Name in keyof QueueActivities]: QueueDefinition<QueueActivities[Name]>;
} = {
  [queues.light]: {
    activities: async (deps) => ({
      ...frameActivities(deps),
      ...maintenanceActivities(deps.dispatch, cancellationSignal),
    }),
    slots: () => 20,
  },
  [queues.recognition]: {
    activities: async (deps) => {
      const [
        { recognitionActivities },
        { recogniserIn },
        { batchActivities },
        { forPredictions },
        { predictorIn },
      ] = await Promise.all([
        import('@darkroom/recognition/jobs/activities.ts'),
        import('@darkroom/recognition/lane/recogniser.ts'),
        import('@darkroom/recognition/batch/activities.ts'),
        import('@darkroom/recognition/lane/predictions.ts'),
        import('@darkroom/recognition/predict/predictor.ts'),
      ]);
      const { config } = deps;
      const { lanes } = config.recognition;
      const models = await modelsOf(deps, config, { serves: 'recognition', lanes, warm: false });
      // Batches have lanes of their own, opened with the first: what somebody waits for has others, and goes first.
      const lane = { ...config.lane, nice: config.predictions.batchNice };
      const behind = await modelsOf(deps, forPredictions({ ...config, lane }));
      return {
        ...recognitionActivities(deps, recogniserIn(models)),
        ...batchActivities(deps, predictorIn(behind, config)),
      };
    },
    slots: (config) => config.worker.maxActivities,
    lanes: async (config) => (await import('@darkroom/recognition/lane/recogniser.ts')).holdingOf(config),
  },
  [queues.media]: {
    activities: async (deps) =>
      (await import('@darkroom/media/activities.ts')).mediaActivities(deps, deps.atEnd),
    // Each decodes on all cores.
    slots: (config) => config.media.processes,
    lanes: async ({ lane: { sandbox } }) => ({ sandbox }),
  },
  [queues.interactive]: {
    activities: async (deps) => {
      const [{ predictionActivities }, { SpentObjects }, { forPredictions }, { predictorIn }] =
        await Promise.all([
          import('@darkroom/recognition/predict/activities.ts'),
          import('@darkroom/recognition/predict/spent.ts'),
          import('@darkroom/recognition/lane/predictions.ts'),
          import('@darkroom/recognition/predict/predictor.ts'),
        ]);
      const { config } = deps;
      const { lanes } = config.recognition;
      const serving = { serves: 'predictions', lanes, warm: true } as const;
      const own = { ...deps, worker: `${deps.worker} predictions` };
      const models = await modelsOf(own, forPredictions(config), serving);
      const spent = new SpentObjects(deps.storage);
      deps.atEnd?.(() => spent.flush());
      return predictionActivities({ ...own, spent, lanes }, predictorIn(models, config).predict);
    },
    // While one batch is worked on, the next one is fetched.
    slots: (config) => 2 * config.recognition.lanes,
    lanes: async (config) => {
      const { forPredictions, holdingOf } = await import('@darkroom/recognition/lane/predictions.ts');
      return holdingOf(forPredictions(config));
    },
  },
  [queues.skyRealtime]: {
    activities: async (deps) => {
      const [{ cutoutActivities, storeTimes }, { makeFileOver }, { DecodeThreads }] = await Promise.all([
        import('@darkroom/sky/realtime/activities.ts'),
        import('@darkroom/sky/make/made.ts'),
        import('@darkroom/sky/fits/threads/threads.ts'),
      ]);
      const { config, atEnd } = deps;
      // Somebody waits: a read that is silent is asked for again long before a job would.
      const storage = createStorage({ ...config.s3, ...storeTimes(config.cutouts) });
      const threads = new DecodeThreads();
      // Behind the start of all else, which takes the processors.
      const warming = setTimeout(() => threads.warm(), warmAfterMs).unref();
      atEnd?.(async () => {
        clearTimeout(warming);
        storage.close();
        await threads.close();
      });
      return cutoutActivities({ ...deps, make: makeFileOver({ ...deps, storage, threads }) });
    },
    // One reads while another decodes.
    slots: () => Math.max(2, availableParallelism()),
  },
  [queues.sky]: {
    activities: cutoutsOfJobs,
    slots: pagesAtOnce,
    keepsGroups: true,
  },
  [queues.skyMosaic]: {
    activities: async (deps) => {
      const { cutCutouts } = await cutoutsOfJobs(deps);
      return { cutCutouts };
    },
    // What a page has in memory is bounded for all together.
    slots: () => 2,
  },
};

/** What a process cuts the cutouts of jobs with, whichever of its queues they come from: their memory is bounded together. */
const walks = new WeakMap<WorkerDeps['records'], Promise<TileWalk>>();

async function walkOf(deps: WorkerDeps): Promise<TileWalk> {
  const [{ TileWalk }, { DecodeThreads }] = await Promise.all([
    import('@darkroom/sky/walk/walk.ts'),
    import('@darkroom/sky/fits/threads/threads.ts'),
  ]);
  // The threads alone: a process that others are preferred to beats too late, and counts as dead.
  const threads = new DecodeThreads({ nice: deps.config.cutouts.batchNice });
  deps.atEnd?.(() => threads.close());
  return new TileWalk({ ...deps, threads, pages: pagesAtOnce(deps.config) });
}

async function cutoutsOfJobs(deps: WorkerDeps): Promise<CutoutJobActivities> {
  const walk = walks.get(deps.records) ?? walkOf(deps);
  walks.set(deps.records, walk);
  const { cutoutJobActivities } = await import('@darkroom/sky/jobs/activities.ts');
  return cutoutJobActivities(deps, await walk);
}

/**
 * The lanes of a queue's models, and what has them hold what the records say; without an end (a test of other things) there is nobody to tell.
 * Those that serve nothing that is told open what they are asked for, and end it when it is unloaded, or was never loaded, and nobody asks any more.
 */
async function modelsOf(deps: WorkerDeps, config: RecogniserConfig, serving?: Serving): Promise<ModelLanes> {
  const [
    { ModelLanes },
    { ModelCache },
    { fetchVersion },
    { serveModels },
    { endUnwanted },
    { versionsToOpen },
  ] = await Promise.all([
    import('@darkroom/recognition/lane/lanes.ts'),
    import('@darkroom/recognition/serving/model-cache.ts'),
    import('@darkroom/recognition/serving/fetch-version.ts'),
    import('@darkroom/recognition/serving/serve-models.ts'),
    import('@darkroom/recognition/serving/end-unwanted.ts'),
    import('@darkroom/models'),
  ]);
  const { storage, records, atEnd } = deps;
  const cache = new ModelCache({ ...deps.config.modelCache, storage });
  const models = new ModelLanes(config, {
    foreign: import.meta.resolve('@darkroom/media/decode/foreign.ts'),
    fetch: (model) => fetchVersion({ records, cache }, model),
  });
  if (atEnd) {
    const end = serving
      ? await serveModels({ ...deps, models, cache }, serving)
      : endUnwanted({ models, logger: deps.logger, wanted: () => versionsToOpen(records.db, 'predictions') });
    atEnd(async () => {
      await end();
      await models.close();
    });
  }
  return models;
}

const slotsOf = (config: Config, name: string, definition: QueueDefinition): number =>
  config.worker.slots[name] ?? definition.slots(config);

/** Connections to Postgres that a worker of these queues may have: a page claims, checks, publishes and reports side by side. */
export function poolOf(
  config: Config,
  names: readonly string[],
  definitions: Readonly<Record<string, QueueDefinition>> = queueDefinitions,
): number {
  const busy = names.flatMap((name) => {
    const definition = definitions[name];
    return definition === undefined || name === queues.light ? [] : slotsOf(config, name, definition);
  });
  return config.database.pool ?? 10 + 2 * busy.reduce((sum, slots) => sum + slots, 0);
}

/** What every activity goes through, whichever it is: it beats, and has a failpoint before and after it. */
export function execute(
  outageHours: number,
  slots: SharedSlots | undefined,
  input: ActivityExecuteInput,
  next: Next,
): Promise<unknown> {
  const { activityType, taskQueue } = activityInfo();
  const [first] = input.args as (string | Partial<Call> | undefined)[];
  const about = typeof first === 'object' ? first.jobId : first;
  const work = async (): Promise<unknown> => {
    await failpoint(`activity.${activityType}`, about);
    const result = await next(input);
    await failpoint(`activity.${activityType}.done`, about);
    return result;
  };
  const hasFailed = typeof first === 'object' && first.replaces?.failed === true;
  const run = (): Promise<unknown> => (slots === undefined ? work() : inSlot(slots, taskQueue, work));
  return keepAlive(outageHours, run, hasFailed);
}

/** Runs `work` when there is a slot. What was sent to this worker alone goes back when it has to wait, since any other may have one. */
async function inSlot<R>(slots: SharedSlots, queue: string, work: () => Promise<R>): Promise<R> {
  const isOwn = queue !== sharedQueue(queue);
  try {
    return await slots.run(cancellationSignal(), work, isOwn ? openForSeconds * 1000 : undefined);
  } catch (error) {
    if (!(error instanceof NoSlot)) throw error;
    throw ApplicationFailure.create({ type: notTaken, message: error.message, nonRetryable: true });
  }
}

/**
 * Workflow tasks that are fetched wait for the one thread that runs workflows in the order they came: the server's fairness ends where
 * they are fetched. By default 40 would be, and another user's job behind them.
 */
const fewInHand = { maxConcurrentWorkflowTaskExecutions: 6 };

/**
 * A run's next workflow task goes to the queue of the one worker that has the run in its cache. Where that was killed, the task stands there
 * until this is over and is any worker's then: whoever cancels waits so long, by default 10 s. A worker that is only slow pays for a replay of
 * the run's history, about 0.1 s; a task that is in hand is not taken from it. Measured: of 190 jobs cancelled together 129 of 889 workflow
 * tasks timed out, and the last one ended after 11.9 s, after 9.3 s with 10 s here; of 250 small jobs one after the other none did.
 */
const cachedRun = { stickyQueueScheduleToStartTimeout: '2 seconds' } satisfies Pick<
  WorkerOptions,
  'stickyQueueScheduleToStartTimeout'
>;

/** Throws where something is set for a queue that no worker has: a slip of the pen would count for nothing, and nobody told. */
export function refuseUnknown(
  variable: string,
  set: Readonly<Record<string, number>>,
  definitions: Readonly<Record<string, QueueDefinition>>,
): void {
  const unknown = Object.keys(set).filter((name) => definitions[name] === undefined);
  if (unknown.length === 0) return;
  const known = Object.keys(definitions).join(', ');
  throw new Error(`${variable} names ${unknown.join(', ')}; the queues are ${known}.`);
}

type Next = (input: ActivityExecuteInput) => Promise<unknown>;

/** Makes the workers of `names`; workflows run on the one that serves light steps. */
export async function createWorkers(
  deps: WorkerDeps,
  names: readonly string[],
  connection: NativeConnection,
  bundle: WorkflowBundleWithSourceMap,
  definitions: Readonly<Record<string, QueueDefinition>> = queueDefinitions,
): Promise<Worker[]> {
  const shared = {
    connection,
    namespace: deps.config.temporal.namespace,
    identity: deps.worker,
    plugins: [tracing(deps.telemetry)],
    // A cancel reaches an activity with its heartbeat: this bounds how late.
    maxHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '5s',
    shutdownForceTime: '15s',
  } satisfies WorkerOptions | Omit<WorkerOptions, 'taskQueue'>;
  /** Here and not in the activities, so that none can be without it. */
  const interceptors = (slots?: SharedSlots): NonNullable<WorkerOptions['interceptors']> => ({
    activity: [
      () => ({
        inbound: { execute: (input, next) => execute(deps.config.items.outageHours, slots, input, next) },
      }),
    ],
  });
  const { standaloneActivities: wanted } = deps.config.temporal;
  const standIns = !(await standaloneActivities(connection, wanted));
  refuseUnknown('WORKER_SLOTS', deps.config.worker.slots, definitions);
  refuseUnknown('PAGE_SECONDS', deps.config.worker.pageSeconds, definitions);
  const queuesServed = names.map((name) => {
    const definition = definitions[name];
    if (definition === undefined) {
      throw new Error(
        `DARKROOM_QUEUES names the queue ${name}; there are ${Object.keys(definitions).join(', ')}.`,
      );
    }
    const slots = slotsOf(deps.config, name, definition);
    offerSlots(name, slots);
    const own = definition.keepsGroups === true ? workersOwnQueue(name, deps.worker) : undefined;
    return { name, slots, own, definition };
  });
  // Beside each other: those with a model take as long as it takes to open and try it.
  const opened = await Promise.all(
    queuesServed.map(async ({ definition, own, ...queue }) => ({
      ...queue,
      own,
      activities: await definition.activities({ ...deps, ...(own !== undefined && { ownQueue: own }) }),
    })),
  );
  const workers: Worker[] = [];
  for (const { name, slots, own, activities } of opened) {
    const sharedSlots = own === undefined ? undefined : new SharedSlots(slots);
    const options = {
      ...shared,
      interceptors: interceptors(sharedSlots),
      activities: standIns ? { ...activities, runUnit: unitRunner(deps.records, activities) } : activities,
    };
    const slotsOfOne = () =>
      sharedSlots === undefined
        ? { maxConcurrentActivityTaskExecutions: slots }
        : { tuner: sharedSlots.tuner() };
    workers.push(
      await Worker.create({
        ...options,
        taskQueue: name,
        ...slotsOfOne(),
        // Workflows are light steps too.
        ...(name === queues.light && {
          workflowBundle: bundle,
          maxCachedWorkflows: 200,
          ...fewInHand,
          ...cachedRun,
        }),
        // What stands in for a standalone activity runs where the activity is.
        ...(standIns &&
          name !== queues.light && { workflowBundle: bundle, maxCachedWorkflows: 50, ...cachedRun }),
      }),
    );
    if (own !== undefined) workers.push(await Worker.create({ ...options, taskQueue: own, ...slotsOfOne() }));
  }
  return workers;
}
