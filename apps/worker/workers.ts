/** The workers of a process: one for each queue it serves, with that queue's activities only. */
import { queues } from '@darkroom/contract';
import type { Dispatch, MaintenanceActivities } from '@darkroom/dispatch';
import { type FrameDeps, frameActivities } from '@darkroom/frame';
import { type Config, failpoint, type Telemetry } from '@darkroom/platform';
import { Context } from '@temporalio/activity';
import {
  type NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { tracing } from './bundle.ts';

export interface WorkerDeps extends FrameDeps {
  readonly dispatch: Dispatch;
  readonly telemetry: Telemetry;
}

type ActivityMap = NonNullable<WorkerOptions['activities']>;

/** A queue: its activities, loaded only where it is served, and how many run at once. */
export interface QueueDefinition {
  activities(deps: WorkerDeps): Promise<ActivityMap>;
  slots(config: Config): number;
}

/** The activities of each queue; a new capability is one entry. */
export const queueDefinitions: Readonly<Record<string, QueueDefinition>> = {
  [queues.light]: {
    activities: async (deps) => ({ ...frameActivities(deps), ...maintenanceActivities(deps.dispatch) }),
    slots: () => 20,
  },
  [queues.recognition]: {
    activities: async (deps) => {
      const [{ recognitionActivities }, { pictureDecoder }] = await Promise.all([
        import('@darkroom/recognition/activities.ts'),
        import('@darkroom/media/process/picture-decoder.ts'),
      ]);
      return recognitionActivities(deps, pictureDecoder(deps.config));
    },
    slots: (config) => config.worker.maxActivities,
  },
  [queues.media]: {
    activities: async (deps) => (await import('@darkroom/media/activities.ts')).mediaActivities(deps),
    // Each decodes on all cores.
    slots: (config) => config.media.processes,
  },
};

function maintenanceActivities({ engine, sweepOnce, removal }: Dispatch): MaintenanceActivities {
  // A beat reports life and throws once the activity is to stop.
  const beat = (): void => {
    Context.current().heartbeat();
    Context.current().cancellationSignal.throwIfAborted();
  };
  return {
    sweepOnce: async () => {
      await sweepOnce(beat);
    },
    cancelRun: (jobId, reason) => engine.cancel(jobId, reason),
    endRun: (jobId) => removal.endRun(jobId, beat),
    removeObjects: async (jobId) => {
      await failpoint('removal.objects', jobId);
      await removal.removeObjects(jobId);
    },
    removeRows: (jobId) => removal.removeRows(jobId),
  };
}

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
  const workers: Worker[] = [];
  for (const name of names) {
    const definition = definitions[name];
    if (definition === undefined) {
      throw new Error(
        `DARKROOM_QUEUES names the queue ${name}; there are ${Object.keys(definitions).join(', ')}.`,
      );
    }
    workers.push(
      await Worker.create({
        ...shared,
        taskQueue: name,
        activities: await definition.activities(deps),
        maxConcurrentActivityTaskExecutions: definition.slots(deps.config),
        // Workflows are light steps too.
        ...(name === queues.light && { workflowBundle: bundle, maxCachedWorkflows: 200 }),
      }),
    );
  }
  return workers;
}
