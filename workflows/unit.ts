/** Stands in for a standalone activity where the server is older than those: one local activity on the queue that has it. */
import type { UnitRun } from '@darkroom/contract';
import { proxyLocalActivities } from '@temporalio/workflow';

interface UnitActivities {
  /** Runs the unit's activity unless it has had its attempts; fails for good then. */
  runUnit(run: UnitRun): Promise<unknown>;
}

export async function unit(run: UnitRun): Promise<unknown> {
  const { runUnit } = proxyLocalActivities<UnitActivities>({
    startToCloseTimeout: `${run.attemptSeconds} seconds`,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    // Attempts are counted by the activity itself: this count is lost with the worker.
    retry: { initialInterval: '200 ms' },
  });
  return runUnit(run);
}
