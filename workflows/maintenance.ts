/** Workflows that keep the house: the sweep, and the durable removal of a job. */
import type { MaintenanceActivities } from '@darkroom/dispatch';
import { proxyActivities, sleep } from '@temporalio/workflow';
import { longestActivity } from './job.ts';

const { sweepOnce } = proxyActivities<MaintenanceActivities>({
  taskQueue: 'light',
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '20 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { maximumAttempts: 3 },
});

const { endRun, removeObjects, removeRows } = proxyActivities<MaintenanceActivities>({
  taskQueue: 'light',
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '20 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 1000 },
});

/** One pass over rows whose state in the engine and here differ; started by a schedule. */
export async function sweep(): Promise<void> {
  await sweepOnce();
}

/**
 * Removes a job for good: its run ends, its objects go, then its rows.
 * Objects are swept again after the longest an activity can live, for writes that were under way.
 */
export async function removal(jobId: string): Promise<void> {
  await endRun(jobId);
  await removeObjects(jobId);
  await removeRows(jobId);
  await sleep(longestActivity);
  await removeObjects(jobId);
}
