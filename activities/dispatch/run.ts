/** Runs of queued jobs: the engine is told of them behind the answer to who asked, by us or by the sweep. */
import type { JobStart } from '@darkroom/contract';
import { withTraceparent } from '@darkroom/platform';
import {
  beginAgain,
  getJob,
  getJobRow,
  type JobRow,
  markDispatched,
  type StageOfJob,
} from '@darkroom/records';
import type { DispatchDeps } from './index.ts';
import { kindOf } from './intake/receive.ts';
import type { Launcher } from './launch.ts';

/** Tells the engine of a queued run. While the engine is away the row stays queued and the sweep tells it later. */
export async function dispatchRun(deps: DispatchDeps, id: string): Promise<void> {
  // A turn of its own: what it was asked with took its owner a while.
  await launch(deps, id, id, () => startQueued(deps, id));
}

/**
 * Makes the items of a run that was queued again ready, the owners by turns, and tells the engine of it then. What one turn does not come to,
 * the sweep goes on with. Never throws.
 */
export async function dispatchWhenReady(deps: DispatchDeps, job: QueuedAgain): Promise<void> {
  await inTurn(deps, deps.readying, job.owner, job.id, async () => {
    // Not awaited: starts have places of their own.
    if (await isReady(deps, job)) void dispatchRun(deps, job.id);
  });
}

/**
 * Starts the run of a job that is queued, as its row says; of another, none. One that was queued again while it was being cancelled is started
 * too: its run is what ends it. Throws `engine_unavailable`.
 */
export async function startQueued(deps: DispatchDeps, id: string): Promise<void> {
  const found = await getJob(deps.records.db, id);
  if (found === undefined) return;
  const { job, stages } = found;
  const startable = job.state === 'queued' || (job.state === 'cancelling' && !job.dispatched);
  if (startable && (await isReady(deps, job))) await startRun(deps, job, itemsTold(stages));
}

/** Whose turn it is counts by `turn`. Never throws. */
export const launch = (
  deps: DispatchDeps,
  turn: string,
  id: string,
  start: (waited: boolean) => Promise<void>,
): Promise<void> => inTurn(deps, deps.launcher, turn, id, start);

async function inTurn(
  deps: DispatchDeps,
  launcher: Launcher,
  turn: string,
  id: string,
  start: (waited: boolean) => Promise<void>,
): Promise<void> {
  await launcher.launch(turn, async (waited) => {
    try {
      await start(waited);
    } catch (error) {
      deps.logger.warn({ jobId: id, err: error }, 'the engine could not be told; the sweep will');
    }
  });
}

/**
 * How many items a run is told of, as its story pages through them: the total of the first stage that has items of its own, 0 while they
 * are yet to be found. `stages` in their order.
 */
export function itemsTold(stages: readonly Pick<StageOfJob, 'name' | 'itemsOf' | 'total'>[]): number {
  // Rows of before do not say whose items a stage counts; their first one counts some.
  const counting = stages.find(({ name, itemsOf }) => itemsOf === name || itemsOf === null);
  return counting?.total ?? 0;
}

/** What starting a run needs to know of its row. */
type Runnable = Pick<JobRow, 'id' | 'run' | 'kind' | 'owner' | 'priority' | 'traceparent'>;

type QueuedAgain = Pick<JobRow, 'id' | 'run' | 'owner' | 'resetAfter'>;

/** How long a turn makes the items of a run that was queued again ready; what is left then is for the sweep's next round. */
const readyMs = 5000;

/** Whether the items of a run are as it is to find them, made so for a while; false also where the row has moved on. */
const isReady = async (
  { records }: DispatchDeps,
  { id, run, resetAfter }: Omit<QueuedAgain, 'owner'>,
): Promise<boolean> => resetAfter === null || (await beginAgain(records.db, id, run, Date.now() + readyMs));

/** Tells the engine of a run whose items are ready; of one that was cancelled meanwhile, nothing. */
export async function startRun(deps: DispatchDeps, job: Runnable, items: number): Promise<void> {
  const kind = kindOf(deps, job.kind);
  const start: JobStart = {
    jobId: job.id,
    run: job.run,
    kind: job.kind,
    title: kind.title,
    owner: job.owner,
    stages: kind.stages.map((stage) => stage.name),
    items,
    timing: { heartbeatSeconds: deps.config.items.heartbeatSeconds },
    ...(kind.longest !== undefined && { longest: kind.longest }),
  };
  const how = {
    workflow: kind.workflow,
    priority: { priorityKey: job.priority, fairnessKey: fairnessKeyOf(job.owner) },
  };
  // The sweep starts runs too: the run joins its job's trace, whoever starts it.
  await withTraceparent(job.traceparent ?? undefined, async () => {
    await deps.engine.start(start, how);
    if (!(await markDispatched(deps.records.db, job.id, job.run))) await callOff(deps, job);
  });
}

/** Of a job that was cancelled or deleted while its run was being started: nobody who ended the row knew of a run. */
async function callOff({ records, engine }: DispatchDeps, { id, run }: Runnable): Promise<void> {
  const row = await getJobRow(records.db, id);
  const ended = row === undefined || row.state === 'cancelled' || row.deleteRequestedAt !== null;
  if (ended && (row === undefined || row.run === run))
    await engine.cancel(id, row?.cancelReason ?? 'The job was deleted.');
}

/** Fairness keys are at most 64 bytes. */
export function fairnessKeyOf(owner: string): string {
  return Buffer.from(owner).subarray(0, 64).toString();
}
