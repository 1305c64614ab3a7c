/** Workflows of maintenance: the sweep, and the durable removal of a job. */
import type { Longest } from '@darkroom/contract';
import {
  type ActivityOptions,
  continueAsNew,
  patched,
  proxyActivities,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { QueueActivities } from './queues.ts';
import { atMost } from './story/activities.ts';

const light = {
  taskQueue: 'light',
  heartbeatTimeout: '20 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
} satisfies ActivityOptions;

/** A pass bounds itself in time, and the next one is soon. */
const { sweepOnce } = proxyActivities<QueueActivities['light']>({
  ...light,
  startToCloseTimeout: '5 minutes',
  retry: { maximumAttempts: 3 },
});

/** The sweep begins a removal again that has given up. */
const retry = { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 1000 } as const;
const { askToEnd, endRun, removeRows } = proxyActivities<QueueActivities['light']>({
  ...light,
  startToCloseTimeout: '1 minute',
  retry,
});
/** What is left to a listing does not stop after some seconds. */
const { removeObjects, removeSome } = proxyActivities<QueueActivities['light']>({
  ...light,
  startToCloseTimeout: '30 minutes',
  retry,
});

/** One pass over rows whose state in the engine and here differ; started by a schedule. */
export async function sweep(): Promise<void> {
  await sweepOnce();
}

/**
 * Removes a job for good: its run ends, its objects go, then its rows.
 * Objects are swept again after the longest an activity of its kind can live, for writes that were under way.
 */
export async function removal(jobId: string, longest?: Longest): Promise<void> {
  if (patched('removal-waits-for-run')) await runHasEnded(jobId, longest);
  else await endRun(jobId);
  await objectsAreGone(jobId, longest);
  await removeRows(jobId);
  await sleep(atMost(longest));
  await objectsAreGone(jobId, longest);
}

/** Removes objects by turns of some seconds; who waits for one waits here, and takes no slot. */
async function objectsAreGone(jobId: string, longest?: Longest): Promise<void> {
  if (!patched('removal-by-turns')) {
    await removeObjects(jobId);
    return;
  }
  let after: Parameters<typeof removeSome>[1];
  for (let pauseMs = 100; ; ) {
    const step = await removeSome(jobId, after);
    if (step.state === 'done') return;
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof removal>(jobId, longest);
    if (step.state === 'stopped') after = step.after;
    else {
      await sleep(pauseMs);
      pauseMs = Math.min(2 * pauseMs, 5_000);
    }
  }
}

/** Waits here and not in an activity: the run's own end needs a slot of the same queue. */
async function runHasEnded(jobId: string, longest?: Longest): Promise<void> {
  for (let pauseMs = 100; !(await askToEnd(jobId)); pauseMs = Math.min(2 * pauseMs, 10_000)) {
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof removal>(jobId, longest);
    await sleep(pauseMs);
  }
}
