/** A worker of fake activities for test/workflows/stories.ts, and what is asked of the runs. */
import { fileURLToPath } from 'node:url';
import type { Call, EndState, GroupPages, JobStart, Page, PageReport, ProblemCode } from '@darkroom/contract';
import { createLogger, startTelemetry } from '@darkroom/platform';
import { activityInfo, Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { bundleWorkflows, tracing } from '../../apps/worker/bundle.ts';
import { startTemporal, type TestTemporal } from '../harness/temporal.ts';
import type { FakeActivities } from './stories.ts';

export type Finish = {
  state: EndState;
  code?: ProblemCode;
  detail?: string;
  reason?: string;
};

/** How the activities of one job act; what is not said does its work at once. */
export interface Behaviour extends Partial<FakeActivities> {
  /** Groups of the items. */
  findGroups?(call: Call, from: number): Promise<GroupPages>;
  /** Before the engine is asked to cancel, after a signal. */
  beforeCancel?(): Promise<void>;
}

export interface FakeRun {
  readonly id: string;
  readonly handle: WorkflowHandle;
  /** What activities did, in order: `work 1–10 begins`, `work 1–10 ends`. */
  readonly journal: string[];
  /** Calls of `finish`. */
  readonly finishes: Finish[];
  /** Resolves once the journal has the line. */
  until(line: string): Promise<void>;
  /** Summaries of the activities, in the order in which the run asked for them. */
  scheduled(): Promise<string[]>;
  /** How the run closed. */
  closed(): Promise<string>;
}

export interface Fakes {
  readonly temporal: TestTemporal;
  /** Serves a queue of a worker's own, until told to stop. */
  serve(taskQueue: string): Promise<{ stop(): Promise<void> }>;
  start(
    workflow: string,
    items: number,
    behaviour?: Behaviour,
    changes?: Partial<JobStart>,
  ): Promise<FakeRun>;
  stop(): Promise<void>;
}

/** Pages of ten as the stories make them; a page's stage counts. */
export const reportOf = (page: Page, next: number | null = null): PageReport => ({
  next,
  stages: [{ name: 'work', done: page.to - 1, failed: 0, total: 100 }],
});

/** Waits as an activity should: heartbeats, and ends when it is told to. */
export async function rest(ms: number): Promise<void> {
  const context = Context.current();
  const pulse = setInterval(() => context.heartbeat(), 100);
  try {
    await context.sleep(ms);
  } finally {
    clearInterval(pulse);
  }
}

/** Starts a server and a worker that serves every job of a test file. */
export async function startFakes(dynamicConfig: readonly string[] = []): Promise<Fakes> {
  Runtime.install({ logger: quiet });
  const telemetry = startTelemetry({ service: 'test' });
  const logger = createLogger({ service: 'test', level: 'error' });
  const [temporal, bundle] = await Promise.all([
    startTemporal(dynamicConfig),
    bundleWorkflows(telemetry, logger, fileURLToPath(new URL('stories.ts', import.meta.url))),
  ]);
  const behaviours = new Map<string, Behaviour>();
  const journals = new Map<string, string[]>();
  const finishes = new Map<string, Finish[]>();

  const noted = async <R>(call: Call, what: string, run: () => Promise<R>): Promise<R> => {
    const journal = journals.get(call.jobId)!;
    journal.push(`${what} begins`);
    try {
      return await run();
    } finally {
      journal.push(`${what} ends`);
    }
  };
  const activities: FakeActivities & {
    findGroups(call: Call, from: number): Promise<GroupPages>;
    finish(call: Call, end: Finish): Promise<void>;
    cancelRun(jobId: string): Promise<void>;
  } = {
    cancelRun: async (jobId) => {
      await behaviours.get(jobId)?.beforeCancel?.();
      await temporal.client.workflow.getHandle(jobId).cancel();
    },
    findGroups: async (call, from) =>
      (await behaviours.get(call.jobId)?.findGroups?.(call, from)) ?? { pages: [], next: null },
    find: (call, from) =>
      noted(call, `find ${from}`, async () => (await behaviours.get(call.jobId)?.find?.(call, from)) ?? null),
    work: (call, page) =>
      noted(
        call,
        `work ${page.from}–${page.to - 1}`,
        async () => (await behaviours.get(call.jobId)?.work?.(call, page)) ?? reportOf(page),
      ),
    publish: (call) =>
      noted(
        call,
        'publish',
        async () => (await behaviours.get(call.jobId)?.publish?.(call)) ?? { state: 'succeeded' },
      ),
    finish: (call, end) => noted(call, 'finish', async () => void finishes.get(call.jobId)!.push(end)),
  };
  const connection = await NativeConnection.connect({ address: temporal.address });
  const serve = async (
    taskQueue: string,
    workflows?: WorkflowBundleWithSourceMap,
  ): Promise<{ stop(): Promise<void> }> => {
    const worker = await Worker.create({
      connection,
      taskQueue,
      ...(workflows && { workflowBundle: workflows }),
      activities,
      maxHeartbeatThrottleInterval: '100 ms',
      plugins: [tracing(telemetry)],
    });
    const running = worker.run();
    return {
      async stop() {
        worker.shutdown();
        await running;
      },
    };
  };
  const light = await serve('light', bundle);
  let count = 0;

  return {
    temporal,
    serve: (taskQueue) => serve(taskQueue),
    async start(workflow, items, behaviour = {}, changes = {}) {
      const id = `${workflow}-${++count}`;
      behaviours.set(id, behaviour);
      journals.set(id, []);
      finishes.set(id, []);
      const start: JobStart = {
        jobId: id,
        run: 1,
        kind: 'fake',
        title: 'Fake',
        owner: 'ann',
        stages: ['work', 'publish'],
        items,
        timing: { heartbeatSeconds: 2 },
        ...changes,
      };
      const handle = await temporal.client.workflow.start(workflow, {
        workflowId: id,
        taskQueue: 'light',
        args: [start],
      });
      const journal = journals.get(id)!;
      return {
        id,
        handle,
        journal,
        finishes: finishes.get(id)!,
        async until(line) {
          // In vain where nothing happens any more: on a busy machine what does happen takes its time.
          for (let tries = 0, seen = 0; !journal.includes(line); tries++) {
            if (journal.length > seen) [tries, seen] = [0, journal.length];
            if (tries > 500) throw new Error(`Waited in vain for "${line}": ${journal.join(', ')}`);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        },
        async scheduled() {
          const { events } = await handle.fetchHistory();
          return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes, userMetadata }) =>
            activityTaskScheduledEventAttributes
              ? [String(JSON.parse(Buffer.from(userMetadata!.summary!.data!).toString()))]
              : [],
          );
        },
        async closed() {
          await handle.result().catch(() => {});
          return (await handle.describe()).status.name;
        },
      };
    },
    async stop() {
      await light.stop();
      await connection.close();
      await temporal.stop();
      await telemetry.shutdown();
    },
  };
}

const silent = (): void => {};
const quiet = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };

/** Which attempt of its activity this is, from 1. */
export const attempt = (): number => activityInfo().attempt;
