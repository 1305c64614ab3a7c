/** The end of a job that did not publish itself: what it left unfinished is not to be seen. */
import {
  type Call,
  type EndState,
  endStates,
  type GroupPages,
  problemCode,
  problemOf,
} from '@darkroom/contract';
import { failpoint, metrics } from '@darkroom/platform';
import { beginEnding, Fenced, finishJob, getJobRow, readGroups } from '@darkroom/records';
import { cancellationSignal } from '@temporalio/activity';
import type { FrameDeps } from '../attempt/attempt.ts';
import { joinGroups } from '../items/join-groups.ts';
import { expiryOf } from '../kinds.ts';
import { removeUnpublished, settle } from './clean-up.ts';

const knownCode = problemCode.catch('internal');

export type FrameActivities = ReturnType<typeof frameActivities>;

/** Activities of every kind's jobs; every worker's light queue has them. */
export function frameActivities(deps: FrameDeps) {
  return {
    /** The groups of a stage's items as pages, from an ordinal on; small ones together. */
    findGroups: async ({ jobId, stage }: Call, from: number): Promise<GroupPages> =>
      joinGroups(await readGroups(deps.records.db, jobId, stage, from)),

    /**
     * Removes what was half-published, then ends the job. Idempotent; an older run, or an attempt that was replaced, changes nothing. Returns
     * the end that the run has in the job's row, which is another one where the row had it already; undefined when the job is at another run.
     * A code that is not of the closed list is ours.
     */
    async finish(
      call: Call,
      end: { state: EndState; code?: string; detail?: string; reason?: string },
    ): Promise<EndState | undefined> {
      const { db } = deps.records;
      const ending = await beginEnding(db, call);
      const row = await getJobRow(db, call.jobId);
      if (ending === undefined || row === undefined) {
        const inRow = await endOf(deps, call);
        // The attempt that published the job may have died right after that.
        if (row !== undefined && (inRow === 'succeeded' || inRow === 'succeeded_with_warnings'))
          await settle(deps, row.kind, call, { signal: cancellationSignal() });
        return inRow;
      }
      await failpoint('finish.begun', call.jobId);
      await removeUnpublished(deps, row.kind, ending, cancellationSignal());
      await failpoint('finish.removed', call.jobId);
      const finished = await finishJob(db, {
        jobId: call.jobId,
        run: call.run,
        endingClaim: ending.claim,
        state: end.state,
        cancelReason: end.reason,
        resultsExpireAt: expiryOf(deps, row.kind),
        ...(end.code !== undefined && { problem: problemOf(knownCode.parse(end.code), end.detail ?? '') }),
      });
      if (finished) metrics.jobsTotal.inc({ kind: row.kind, state: end.state });
      const inRow = await endOf(deps, call);
      // An attempt that was replaced may have taken the ending over and died: nobody else would end the row.
      if (inRow === undefined && (await getJobRow(db, call.jobId))?.run === call.run)
        throw new Fenced(`Another attempt has begun to end run ${call.run} of job ${call.jobId}.`);
      return inRow;
    },
  };
}

/** How the run ended, as the job's row says; undefined while it has not, or when the job is at another run. */
export async function endOf({ records }: FrameDeps, { jobId, run }: Call): Promise<EndState | undefined> {
  const row = await getJobRow(records.db, jobId);
  return row?.run === run && row.finishedAt !== null
    ? endStates.find((state) => state === row.state)
    : undefined;
}
