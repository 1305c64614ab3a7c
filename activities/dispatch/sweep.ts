/** The sweep: what the records say and what engine and store have is brought together again. */

import { problemOf } from '@darkroom/contract';
import {
  finishJob,
  getJobRow,
  getStages,
  type JobRow,
  markUploadRemoved,
  sweepQueries as rows,
  staleUploads,
} from '@darkroom/records';
import type { DispatchDeps } from './index.ts';
import { removeOutputs } from './removal.ts';
import { abandon, startRun } from './submit.ts';

/** Rows looked at in one pass, of each sort. */
const most = 200;
/** A row is left alone this long after its last change, so that the sweep does not race its submitter. */
const settledMs = 5000;
/** More runs gone at once than this is no accident of a run: a wrong namespace, a lost store. */
const mostGone = 5;
/** An upload that no job has used by then is forgotten. */
const unusedUploadDays = 3;

const nothing = {
  started: 0,
  cancelled: 0,
  requeued: 0,
  closed: 0,
  abandoned: 0,
  uploads: 0,
  expired: 0,
  removals: 0,
  orphans: 0,
};
type Count = keyof typeof nothing;

export interface SweepReport extends Record<Count, number> {
  /** Set when more runs were gone than can be an accident; nothing was queued again. */
  alarm?: string;
}

/** One pass; safe to run twice at once. `beat` is called between rows and throws when the pass is to stop. */
export async function sweepOnce(deps: DispatchDeps, beat: () => void = () => {}): Promise<SweepReport> {
  const { db } = deps.records;
  const report: SweepReport = { ...nothing };
  /** A row that cannot be settled is left for the next pass and holds up no other. */
  const each = async <R extends { id: string }>(
    count: Count,
    found: R[],
    settle: (row: R) => Promise<unknown>,
  ) => {
    for (const row of found) {
      beat();
      try {
        await settle(row);
        report[count]++;
      } catch (error) {
        deps.logger.warn({ id: row.id, err: error }, `sweep: ${count} left for the next pass`);
      }
    }
  };

  await each('started', await rows.queuedUndispatched(db, settledMs, most), async (job) => {
    const [first] = await getStages(db, job.id);
    await startRun(deps, job, first?.total ?? 0);
  });
  await each('cancelled', await rows.waitingCancels(db, most), async (job) => {
    await deps.engine.cancel(job.id, job.cancelReason ?? 'cancelled');
    await rows.markCancelDispatched(db, job.id);
  });
  await settleGone(deps, report, beat);
  const stale = new Date(Date.now() - deps.config.sweep.receivingTimeoutMinutes * 60_000);
  await each('abandoned', await rows.staleReceiving(db, stale, most), (job) => abandon(deps, job.id));
  const forgotten = new Date(Date.now() - unusedUploadDays * 24 * 3_600_000);
  await each('uploads', await staleUploads(db, forgotten, most), async ({ id, key }) => {
    await deps.storage.removePrefix(key.slice(0, key.lastIndexOf('/') + 1));
    await markUploadRemoved(db, id);
  });
  await each('expired', await rows.expired(db, new Date(), most), async (job) => {
    await removeOutputs(deps, job);
    await rows.markResultsRemoved(db, job.id);
  });
  await each('removals', await rows.deleting(db, most), (job) => deps.engine.startRemoval(job.id));
  report.orphans = await deps.orphans.pass(beat);
  return report;
}

/** Rows that wait for a run which is not there any more. */
async function settleGone(deps: DispatchDeps, report: SweepReport, beat: () => void): Promise<void> {
  const { db } = deps.records;
  const gone: { job: JobRow; state: 'closed' | 'absent' }[] = [];
  for (const job of await rows.openRuns(db, 60_000, most)) {
    beat();
    const state = await deps.engine.describe(job.id);
    if (state !== 'running') gone.push({ job, state });
  }
  const absent = gone.filter(({ state }) => state === 'absent');
  if (absent.length > mostGone) {
    report.alarm = `${absent.length} running jobs have no run in the engine. Check TEMPORAL_NAMESPACE and the engine's store; nothing was queued again.`;
    deps.logger.error({ jobs: absent.map(({ job }) => job.id) }, report.alarm);
  }
  for (const { job, state } of gone) {
    const now = await getJobRow(db, job.id);
    if (now === undefined || now.run !== job.run || now.finishedAt !== null) continue;
    if (now.state === 'cancelling') {
      await finishJob(db, { jobId: job.id, run: job.run, state: 'cancelled' });
      report.closed++;
    } else if (state === 'closed') {
      const problem = problemOf('internal', 'The run was ended in the engine before it could end the job.');
      await finishJob(db, { jobId: job.id, run: job.run, state: 'failed', problem });
      report.closed++;
    } else if (report.alarm === undefined) {
      await rows.requeue(db, job.id, job.run);
      report.requeued++;
    }
  }
}
