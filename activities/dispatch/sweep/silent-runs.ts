/** Runs that nothing was heard of: those that are gone are settled, those that wait for a worker say so. */
import { problemOf } from '@darkroom/contract';
import { finishJob, getJobRow, type JobRow, sweepQueries as rows } from '@darkroom/records';
import type { DispatchDeps } from '../index.ts';
import { Round } from './round.ts';
import { noteWait, silentMs } from './waits.ts';

/** Silence after which a run that is not there counts as gone. */
const goneMs = 60_000;
/** More runs gone at once than this is no accident of a run: a wrong namespace, a lost store. */
const mostGone = 5;

export interface SilentReport {
  requeued: number;
  closed: number;
  alarm?: string;
}

interface Gone {
  readonly job: JobRow;
  readonly state: 'closed' | 'absent';
  /** Somebody who knows has said that the engine lost it. */
  readonly confirmed: boolean;
}

export class SilentRuns {
  readonly #deps: DispatchDeps;
  readonly #round = new Round();

  constructor(deps: DispatchDeps) {
    this.#deps = deps;
  }

  async pass(signal: AbortSignal): Promise<SilentReport> {
    const { engine, records, logger } = this.#deps;
    const { db } = records;
    const report: SilentReport = { requeued: 0, closed: 0 };
    const confirmedAt = await rows.lostRunsConfirmedAt(db);
    const gone: Gone[] = [];
    const looked = await this.#round.turn(
      (...page) => rows.openRuns(db, silentMs, ...page),
      async (job) => {
        const view = await engine.describe(job.id);
        const confirmed = confirmedAt !== undefined && job.updatedAt <= confirmedAt;
        if (view.state === 'running') await noteWait(this.#deps, job, view);
        else if (confirmed || Date.now() - job.updatedAt.getTime() >= goneMs)
          gone.push({ job, state: view.state, confirmed });
      },
      signal,
    );
    const absent = gone.filter(({ state, confirmed }) => state === 'absent' && !confirmed);
    if (absent.length > mostGone) {
      report.alarm = `${absent.length} running jobs have no run in the engine. Check TEMPORAL_NAMESPACE and the engine's store; nothing was queued again. If they are lost for good: npm run sweep -- --confirm-lost.`;
      logger.error({ jobs: absent.map(({ job }) => job.id) }, report.alarm);
    }
    const left = [...looked.left];
    for (const each of gone) {
      signal.throwIfAborted();
      try {
        await this.#settle(each, report);
      } catch (error) {
        left.push({ id: each.job.id, error });
      }
    }
    if (left[0] !== undefined) {
      const { id, error } = left[0];
      logger.warn({ rows: left.length, id, err: error }, 'sweep: silent runs left for the next round');
    }
    return report;
  }

  /** A row that has moved on to another run meanwhile, or has ended, stays as it is. */
  async #settle({ job, state, confirmed }: Gone, report: SilentReport): Promise<void> {
    const { db } = this.#deps.records;
    const { id: jobId, run } = job;
    const now = await getJobRow(db, jobId);
    if (now?.state === 'cancelling') {
      if (await finishJob(db, { jobId, run, state: 'cancelled' })) report.closed++;
    } else if (state === 'closed') {
      const problem = problemOf('internal', 'The run was ended in the engine before it could end the job.');
      if (await finishJob(db, { jobId, run, state: 'failed', problem })) report.closed++;
    } else if (report.alarm === undefined || confirmed) {
      if (await rows.requeue(db, jobId, run)) report.requeued++;
    }
  }
}
