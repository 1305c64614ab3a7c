/** The activities of maintenance, which the worker's light queue has. */
import type { ItemPlace } from '@darkroom/records';
import type { Dispatch } from './index.ts';
import type { RemovalStep } from './removal.ts';

export type MaintenanceActivities = ReturnType<typeof maintenanceActivities>;

/** `cancellation` gives the signal of the activity that asks. */
export function maintenanceActivities(
  { engine, sweepOnce, removal }: Dispatch,
  cancellation: () => AbortSignal,
) {
  return {
    async sweepOnce(): Promise<void> {
      await sweepOnce(cancellation());
    },
    /** Asks the engine to cancel the run of a job; one that has ended is fine. */
    cancelRun: (jobId: string, reason: string): Promise<void> => engine.cancel(jobId, reason),
    /** Asks the run of a job to end; whether it has. */
    askToEnd: (jobId: string): Promise<boolean> => removal.endRun(jobId),
    /** The same for removals that were begun when it still waited: fails until the run has ended, and is tried again. */
    async endRun(jobId: string): Promise<void> {
      // No problem of the closed list: those which no retry helps would end the removal.
      if (!(await removal.endRun(jobId))) throw new Error(`The run of ${jobId} has not ended yet.`);
    },
    /** Removes objects of a job for some seconds; tells where it stopped, or that others are at it. */
    removeSome: (jobId: string, after?: ItemPlace): Promise<RemovalStep> =>
      removal.removeSome(jobId, { after, signal: cancellation() }),
    /** The same to its end, for removals that were begun when it did not stop. */
    removeObjects: (jobId: string): Promise<void> => removal.removeObjects(jobId, cancellation()),
    removeRows: (jobId: string): Promise<void> => removal.removeRows(jobId),
  };
}
