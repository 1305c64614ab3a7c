/** The one connection to Temporal: start, cancel and describe runs; schedules and search attributes. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JobStart, ProblemError, queues } from '@darkroom/contract';
import type { Config, Logger, Telemetry } from '@darkroom/platform';
import {
  Client,
  Connection,
  isGrpcServiceError,
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defineSearchAttributeKey, type Priority, TypedSearchAttributes } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry-v2';

const jobKind = defineSearchAttributeKey('JobKind', 'KEYWORD');
const jobOwner = defineSearchAttributeKey('JobOwner', 'KEYWORD');
const jobState = defineSearchAttributeKey('JobState', 'KEYWORD');

/** Longest wait for an answer of the engine; a caller behind HTTP must not hang. */
const deadlineMs = 3000;

/** How long an engine found away is not asked again. */
const restMs = 2000;

const sweepId = 'darkroom-sweep';

/** How the engine sees a run. */
export type RunState = 'running' | 'closed' | 'absent';

export interface Engine {
  /** Starts a run; one that is there already is fine. */
  start(start: JobStart, how: { workflow: string; priority: Priority }): Promise<void>;
  /** Asks the run to end; one that has ended or never was is fine. */
  cancel(jobId: string, reason: string): Promise<void>;
  describe(jobId: string): Promise<RunState>;
  /** Starts the durable removal of a job; one that is under way is fine. */
  startRemoval(jobId: string): Promise<void>;
  /** Milliseconds to an answer. */
  ping(): Promise<number>;
  /** Search attributes and schedules, made or corrected. */
  ensure(): Promise<void>;
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
  const client = new Client({ connection, namespace: config.temporal.namespace, plugins: [plugin] });
  const ask = boundedCalls(client);

  return {
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
          const { status } = await client.workflow.getHandle(jobId).describe();
          return status.name === 'RUNNING' ? 'running' : 'closed';
        } catch (error) {
          if (error instanceof WorkflowNotFoundError) return 'absent';
          throw error;
        }
      }),

    startRemoval: (jobId) =>
      ask(async () => {
        await client.workflow.start('removal', {
          workflowId: `removal/${jobId}`,
          taskQueue: queues.light,
          args: [jobId],
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

    close: () => connection.close(),
  };
}

/**
 * Bounds a call in time and names the engine's absence. Callers come one after the other: while the engine was found away a
 * moment ago, the next one is told at once instead of waiting out the same deadline.
 */
function boundedCalls(client: Client): <R>(fn: () => Promise<R>) => Promise<R> {
  let awayUntil = 0;
  return async (fn) => {
    if (Date.now() < awayUntil) throw away();
    try {
      return await client.withDeadline(Date.now() + deadlineMs, fn);
    } catch (error) {
      if (!isAway(error)) throw error;
      awayUntil = Date.now() + restMs;
      throw away(error);
    }
  };
}

function away(cause?: unknown): ProblemError {
  return new ProblemError('engine_unavailable', 'Temporal does not answer.', { cause });
}

/** gRPC 4 DEADLINE_EXCEEDED, 14 UNAVAILABLE, 1 CANCELLED; and a connection that could not be made. */
function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isGrpcServiceError(error)) return [1, 4, 14].includes(error.code);
  return error.cause !== undefined ? isAway(error.cause) : /connect|ECONNREFUSED/i.test(error.message);
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
      staticSummary: `${start.title} · ${start.items} ${start.items === 1 ? 'item' : 'items'} · ${start.owner}`,
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
