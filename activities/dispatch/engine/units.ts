/**
 * Durable units of work that are one activity each: started, watched and cancelled without a workflow of a kind. A server from 1.31 on
 * runs them as standalone activities and counts their attempts itself. On an older one a workflow with a local activity stands in for
 * each; that one's attempts are counted in the records, since a server forgets them when it hands the workflow to another worker.
 */
import { type UnitRun, unitWorkflow } from '@darkroom/contract';
import type { Telemetry } from '@darkroom/platform';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import {
  type ActivityClientInterceptor,
  ActivityExecutionAlreadyStartedError,
  ActivityNotFoundError,
  type Client,
  type ClientPlugin,
  type Connection,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defaultPayloadConverter, type Priority } from '@temporalio/common';

export interface Unit {
  /** Names the unit; a second start of the same name is the same unit, also after its end. */
  readonly id: string;
  /** Name of the activity, on the queue whose workers have it. */
  readonly activity: string;
  readonly queue: string;
  readonly args: readonly unknown[];
  readonly priority: Priority;
  /** Attempts at most, deaths of the worker included. */
  readonly attempts: number;
  /** Longest time of an attempt. */
  readonly attemptSeconds: number;
  /** Longest silence of an attempt before it counts as dead; by default its longest time. A stand-in has the time alone. */
  readonly silenceSeconds?: number;
  /** Shown in Temporal's Web UI. */
  readonly summary?: string | undefined;
}

/** How the engine sees a unit. */
export type UnitState = 'running' | 'succeeded' | 'failed' | 'cancelled' | 'absent';

export interface Units {
  /** Starts a unit; one that is there already is fine. */
  start(unit: Unit): Promise<void>;
  describe(id: string): Promise<UnitState>;
  /** Asks the unit to end; one that has ended or never was is fine. */
  cancel(id: string, reason: string): Promise<void>;
}

/** The first server that has standalone activities. */
const since = [1, 31] as const;

/** Whether a server of this version, as it names itself, runs standalone activities. */
export function runsStandaloneActivities(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > since[0] || (major === since[0] && minor >= since[1]);
}

/** Whether the server at the other end does; asked once it answers. `wanted` false: it is treated as one that does not. */
export async function standaloneActivities(
  { workflowService }: Pick<Connection, 'workflowService'>,
  wanted: boolean,
): Promise<boolean> {
  if (!wanted) return false;
  const { serverVersion } = await workflowService.getSystemInfo({});
  return runsStandaloneActivities(serverVersion ?? '');
}

/** Units over a client; `isStandalone` tells which of the two ways the server takes, `ask` bounds each call. */
export function unitsOver(
  client: Client,
  isStandalone: () => Promise<boolean>,
  ask: <R>(fn: () => Promise<R>) => Promise<R>,
): Units {
  const either = async <R>(ways: { standalone: () => Promise<R>; standIn: () => Promise<R> }): Promise<R> =>
    ask(async () => ((await isStandalone()) ? ways.standalone() : ways.standIn()));
  return {
    start: (unit) =>
      either({ standalone: () => startStandalone(client, unit), standIn: () => startStandIn(client, unit) }),
    describe: (id) =>
      either({
        standalone: () =>
          absentAs('absent', async () => stateOf((await client.activity.getHandle(id).describe()).status)),
        standIn: () =>
          absentAs('absent', async () =>
            stateOf((await client.workflow.getHandle(standInId(id)).describe()).status.name),
          ),
      }),
    cancel: (id, reason) =>
      either({
        standalone: () => absentAs(undefined, () => client.activity.getHandle(id).cancel(reason)),
        standIn: () =>
          absentAs(undefined, async () => {
            await client.workflow.getHandle(standInId(id)).cancel();
          }),
      }),
  };
}

async function startStandalone(client: Client, unit: Unit): Promise<void> {
  try {
    await client.activity.start(unit.activity, {
      id: unit.id,
      taskQueue: unit.queue,
      args: [...unit.args],
      priority: unit.priority,
      startToCloseTimeout: `${unit.attemptSeconds} seconds`,
      heartbeatTimeout: `${unit.silenceSeconds ?? unit.attemptSeconds} seconds`,
      retry: { maximumAttempts: unit.attempts, initialInterval: '200 ms' },
      idReusePolicy: 'REJECT_DUPLICATE',
      ...(unit.summary !== undefined && { summary: unit.summary }),
    });
  } catch (error) {
    if (!(error instanceof ActivityExecutionAlreadyStartedError)) throw error;
  }
}

async function startStandIn(client: Client, unit: Unit): Promise<void> {
  const { id, activity, args, attempts, attemptSeconds } = unit;
  const run: UnitRun = { id, activity, args, attempts, attemptSeconds };
  try {
    await client.workflow.start(unitWorkflow, {
      workflowId: standInId(id),
      taskQueue: unit.queue,
      args: [run],
      priority: unit.priority,
      // Local activities are told of a cancel with the heartbeat of their workflow's step, which comes at four fifths of this.
      workflowTaskTimeout: '5 seconds',
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      ...(unit.summary !== undefined && { staticSummary: unit.summary }),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

const standInId = (id: string): string => `unit/${id}`;

async function absentAs<R>(absent: R, fn: () => Promise<R>): Promise<R> {
  try {
    return await fn();
  } catch (error) {
    if (error instanceof ActivityNotFoundError || error instanceof WorkflowNotFoundError) return absent;
    throw error;
  }
}

function stateOf(status: string): UnitState {
  if (status === 'RUNNING' || status === 'PAUSED') return 'running';
  if (status === 'COMPLETED') return 'succeeded';
  return status === 'CANCELED' || status === 'CANCELLED' ? 'cancelled' : 'failed';
}

/**
 * A span for each start of a standalone activity, and its context along with it: Temporal's plugin does so for workflows alone. Listed
 * behind that one, which would drop it.
 */
export const activityTracing = (telemetry: Pick<Telemetry, 'provider'>): ClientPlugin => ({
  name: 'ActivityTracing',
  configureClient: (options) => ({
    ...options,
    interceptors: { ...options.interceptors, activity: [tracedStarts(telemetry)] },
  }),
});

function tracedStarts(telemetry: Pick<Telemetry, 'provider'>): ActivityClientInterceptor {
  const tracer = telemetry.provider.getTracer('@darkroom/dispatch');
  return {
    async start(input, next) {
      const span = tracer.startSpan(`StartActivity:${input.activityType}`, { kind: SpanKind.CLIENT });
      const within = trace.setSpan(context.active(), span);
      const carrier: Record<string, string> = {};
      propagation.inject(within, carrier);
      try {
        const headers = { ...input.headers, '_tracer-data': defaultPayloadConverter.toPayload(carrier) };
        return await context.with(within, () => next({ ...input, headers }));
      } finally {
        span.end();
      }
    },
  };
}
