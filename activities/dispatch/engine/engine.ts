/** The one connection to Temporal: start, cancel and describe runs; schedules and search attributes. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JobStart, type Longest, ProblemError, queues, sharedQueue } from '@darkroom/contract';
import type { Config, Logger, Telemetry } from '@darkroom/platform';
import {
  Client,
  Connection,
  isGrpcServiceError,
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionDescription,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defineSearchAttributeKey, type Priority, TypedSearchAttributes } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry-v2';
import { boundedCalls, deadlineMs } from './bounded-calls.ts';
import { activityTracing, standaloneActivities, type Units, unitsOver } from './units.ts';

const jobKind = defineSearchAttributeKey('JobKind', 'KEYWORD');
const jobOwner = defineSearchAttributeKey('JobOwner', 'KEYWORD');
const jobState = defineSearchAttributeKey('JobState', 'KEYWORD');

/** How long it is remembered whether a queue is served. */
const servedMs = 5000;

const sweepId = 'darkroom-sweep';

/** How the engine sees a run. */
export type RunState = 'running' | 'closed' | 'absent';

export interface RunView {
  readonly state: RunState;
  /** Queues in which the run, or activities of it, wait for a worker. */
  readonly waitsIn: readonly string[];
}

export interface Engine {
  /** Units of one activity each. */
  readonly units: Units;
  /** Starts a run; one that is there already is fine. */
  start(start: JobStart, how: { workflow: string; priority: Priority }): Promise<void>;
  /** Asks the run to end; one that has ended or never was is fine. */
  cancel(jobId: string, reason: string): Promise<void>;
  describe(jobId: string): Promise<RunView>;
  /** Whether a worker has asked the queue for activities lately; asked of Temporal once in a while only. */
  isServed(queue: string): Promise<boolean>;
  /** Starts the durable removal of a job; one that is under way is fine. */
  startRemoval(jobId: string, longest?: Longest): Promise<void>;
  /** Milliseconds to an answer. */
  ping(): Promise<number>;
  /** Search attributes and schedules, made or corrected. */
  ensure(): Promise<void>;
  /** Waits for calls that are under way, then closes the connection. */
  close(): Promise<void>;
}

/** Nothing is sent before the first call, so that a process starts while Temporal is down. */
export function connectEngine(config: Config, logger: Logger, telemetry: Telemetry): Engine {
  // TLS, API keys and the like come from the standard TEMPORAL_* environment.
  const { connectionOptions } = loadClientConnectConfig();
  const connection = Connection.lazy({
    ...connectionOptions,
    address: config.temporal.address,
    connectTimeout: deadlineMs,
  });
  const plugin = new OpenTelemetryPlugin({
    resource: telemetry.resource,
    spanProcessor: telemetry.spanProcessor,
  });
  const client = new Client({
    connection,
    namespace: config.temporal.namespace,
    plugins: [plugin, activityTracing(telemetry)],
  });
  const ask = boundedCalls(client);
  let probed: Promise<boolean> | undefined;
  const isStandalone = (): Promise<boolean> => {
    probed ??= standaloneActivities(connection, config.temporal.standaloneActivities).catch(
      (error: unknown) => {
        probed = undefined;
        throw error;
      },
    );
    return probed;
  };

  return {
    units: unitsOver(client, isStandalone, ask),

    async start(start, how) {
      const until = Date.now() + deadlineMs;
      while (!(await ask(() => startOnce(client, start, how)))) {
        if (Date.now() > until)
          throw new ProblemError('engine_unavailable', `The run before is still closing: ${start.jobId}.`);
        await sleep(100);
      }
    },

    cancel: (jobId, reason) =>
      ask(async () => {
        try {
          // The client's own cancel takes no reason; this way the Web UI shows it.
          await connection.workflowService.requestCancelWorkflowExecution({
            namespace: config.temporal.namespace,
            workflowExecution: { workflowId: jobId },
            requestId: randomUUID(),
            reason,
          });
        } catch (error) {
          const notFound = 5;
          if (!isGrpcServiceError(error) || error.code !== notFound) throw error;
        }
      }),

    describe: (jobId) =>
      ask(async () => {
        try {
          const { status, raw } = await client.workflow.getHandle(jobId).describe();
          if (status.name !== 'RUNNING') return { state: 'closed', waitsIn: [] };
          return { state: 'running', waitsIn: queuesOf(raw) };
        } catch (error) {
          if (error instanceof WorkflowNotFoundError) return { state: 'absent', waitsIn: [] };
          throw error;
        }
      }),

    isServed: remembered(servedMs, (queue) =>
      ask(() => pollersOf(connection, config.temporal.namespace, queue)),
    ),

    startRemoval: (jobId, longest) =>
      ask(async () => {
        await client.workflow.start('removal', {
          workflowId: `removal/${jobId}`,
          taskQueue: queues.light,
          args: longest === undefined ? [jobId] : [jobId, longest],
          // Two hundred removals are one in turn, beside the jobs of everybody.
          priority: { fairnessKey: 'removal' },
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: `Removal of ${jobId}`,
        });
      }),

    async ping() {
      const started = performance.now();
      await ask(() => connection.workflowService.getSystemInfo({}));
      return performance.now() - started;
    },

    async ensure() {
      await ask(() => ensureSearchAttributes(connection, config.temporal.namespace));
      await ask(() => ensureSweep(client, config.sweep.intervalSeconds));
      logger.info('search attributes and schedules stand');
    },

    async close() {
      // The SDK's client tries a refused call again by a timer, which throws past everybody where the connection was closed meanwhile.
      await ask.end();
      await connection.close();
    },
  };
}

/** Queues in which steps of workflows or activities are due that no worker has taken. */
function queuesOf({
  executionConfig,
  pendingWorkflowTask,
  pendingActivities,
}: WorkflowExecutionDescription['raw']): string[] {
  const scheduled = 1; // PENDING_WORKFLOW_TASK_STATE_SCHEDULED, PENDING_ACTIVITY_STATE_SCHEDULED of temporal.api.enums.v1
  const ofRun = pendingWorkflowTask?.state === scheduled ? [executionConfig?.taskQueue?.name] : [];
  const ofActivities = (pendingActivities ?? [])
    .filter(
      ({ state, scheduledTime }) =>
        state === scheduled && Number(scheduledTime?.seconds ?? 0) * 1000 <= Date.now(),
    )
    .map(({ activityOptions }) => activityOptions?.taskQueue?.name);
  // What waits for one worker's own queue goes to the shared one in seconds.
  return [
    ...new Set([...ofRun, ...ofActivities].flatMap((queue) => (queue ? sharedQueue(queue) : []))),
  ].sort();
}

/** Whether somebody polls the queue for activities: a worker asks again at least every minute, also when there is nothing to do. */
async function pollersOf(connection: Connection, namespace: string, queue: string): Promise<boolean> {
  const activities = 2; // temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: queue },
    taskQueueType: activities,
  });
  const lately = Date.now() - 2 * 60_000;
  return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 > lately);
}

/** `ask`, not asked again of the same queue for a while. */
function remembered<R>(ms: number, ask: (queue: string) => Promise<R>): (queue: string) => Promise<R> {
  const known = new Map<string, { readonly until: number; readonly answer: Promise<R> }>();
  return (queue) => {
    const last = known.get(queue);
    if (last !== undefined && Date.now() < last.until) return last.answer;
    const answer = ask(queue);
    known.set(queue, { until: Date.now() + ms, answer });
    answer.catch(() => known.delete(queue));
    return answer;
  };
}

/**
 * Starts a run; true also when it is there already. False while the job's run before this one is: a row ends a moment
 * before its run closes, and may be resumed in that moment.
 */
async function startOnce(
  client: Client,
  start: JobStart,
  { workflow, priority }: { workflow: string; priority: Priority },
): Promise<boolean> {
  try {
    await client.workflow.start(workflow, {
      workflowId: start.jobId,
      taskQueue: queues.light,
      args: [start],
      priority,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      memo: { run: start.run },
      staticSummary: [start.title, ...itemsIn(start), start.owner].join(' · '),
      typedSearchAttributes: new TypedSearchAttributes([
        { key: jobKind, value: start.kind },
        { key: jobOwner, value: start.owner },
        { key: jobState, value: 'running' },
      ]),
    });
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { memo } = await client.workflow.getHandle(start.jobId).describe();
    return memo?.run === start.run;
  }
}

/** How many items a run has, in words; nothing where a plan is still to find them. */
const itemsIn = ({ items }: JobStart): string[] =>
  items === 0 ? [] : [`${items} ${items === 1 ? 'item' : 'items'}`];

async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = [jobKind, jobOwner, jobState].filter(({ name }) => !(name in (customAttributes ?? {})));
  if (missing.length === 0) return;
  const keyword = 2; // temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(({ name }) => [name, keyword])),
  });
}

async function ensureSweep(client: Client, everySeconds: number): Promise<void> {
  const every = everySeconds * 1000;
  const schedule = {
    spec: { intervals: [{ every }] },
    policies: { overlap: 'SKIP', catchupWindow: '1 minute' } satisfies ScheduleOptions['policies'],
    action: { type: 'startWorkflow' as const, workflowType: 'sweep', taskQueue: queues.light, args: [] },
  };
  try {
    await client.schedule.create({ scheduleId: sweepId, ...schedule });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(sweepId).update((previous) => ({
      ...previous,
      spec: schedule.spec,
      policies: schedule.policies,
      action: { ...schedule.action, workflowId: sweepId },
    }));
  }
}
