/** The sweep: what the records say and what engine and store have is brought together again. */
import { expiredJobs, leftUploads, sweepQueries as rows } from '@darkroom/records';
import type { DispatchDeps } from '../index.ts';
import { abandon, kindOf } from '../intake/receive.ts';
import { removeUpload } from '../intake/uploads.ts';
import { removeExpired } from '../removal.ts';
import { startQueued } from '../run.ts';
import { OrphanSweep } from './orphans.ts';
import { Round } from './round.ts';
import { SilentRuns } from './silent-runs.ts';

/** A row is left alone this long after its last change, so that the sweep does not race its submitter. */
const settledMs = 5000;
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

/** What removes objects, a thousand by a request, goes one by one. */
const removing: ReadonlySet<Count> = new Set(['abandoned', 'uploads', 'expired']);

export interface SweepReport extends Record<Count, number> {
  /** Set when more runs were gone than can be an accident; nothing was queued again. */
  alarm?: string;
}

/** Passes of a process; each goes on where the last one stopped. */
export class Sweep {
  readonly #deps: DispatchDeps;
  readonly #rounds = new Map<Count, Round>();
  readonly #silent: SilentRuns;
  readonly #orphans: OrphanSweep;

  constructor(deps: DispatchDeps) {
    this.#deps = deps;
    this.#silent = new SilentRuns(deps);
    this.#orphans = new OrphanSweep(deps);
  }

  /** One pass; safe to run twice at once. `signal` stops it between rows. */
  async pass(signal = new AbortController().signal): Promise<SweepReport> {
    const { config, engine, records } = this.#deps;
    const { db } = records;
    const report: SweepReport = { ...nothing };
    const each = async <R extends { readonly id: string }>(
      count: Count,
      find: (after: string, limit: number) => Promise<readonly R[]>,
      settle: (row: R) => Promise<unknown>,
    ): Promise<void> => {
      report[count] = await this.#turn(count, find, settle, signal);
    };

    await each(
      'started',
      (...page) => rows.queuedUndispatched(db, settledMs, ...page),
      ({ id }) => startQueued(this.#deps, id),
    );
    await each(
      'cancelled',
      (...page) => rows.waitingCancels(db, ...page),
      async (job) => {
        await engine.cancel(job.id, job.cancelReason ?? 'cancelled');
        await rows.markCancelDispatched(db, job.id, job.run);
      },
    );
    Object.assign(report, await this.#silent.pass(signal));
    const stale = new Date(Date.now() - config.sweep.receivingTimeoutMinutes * 60_000);
    await each(
      'abandoned',
      (...page) => rows.staleReceiving(db, stale, ...page),
      (job) => abandon(this.#deps, job.id),
    );
    const forgotten = new Date(Date.now() - unusedUploadDays * 24 * 3_600_000);
    await each(
      'uploads',
      (...page) => leftUploads(db, forgotten, ...page),
      ({ id }) => removeUpload(this.#deps, id, signal),
    );
    await each(
      'expired',
      (...page) => expiredJobs(db, new Date(), ...page),
      (job) => removeExpired(this.#deps, job.id, signal),
    );
    await each(
      'removals',
      (...page) => rows.deleting(db, ...page),
      (job) => engine.startRemoval(job.id, kindOf(this.#deps, job.kind).longest),
    );
    report.orphans = await this.#orphans.pass(signal);
    for (const { name, run } of this.#deps.upkeep)
      await run(signal).catch((error: unknown) => {
        signal.throwIfAborted();
        this.#deps.logger.warn({ err: error }, `sweep: ${name} left for the next round`);
      });
    return report;
  }

  /** How many rows were settled. Why others were not is told once, not for each: a server that is away leaves them all. */
  async #turn<R extends { readonly id: string }>(
    count: Count,
    find: (after: string, limit: number) => Promise<readonly R[]>,
    settle: (row: R) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<number> {
    const round = this.#rounds.get(count) ?? new Round(removing.has(count) ? 1 : undefined);
    this.#rounds.set(count, round);
    const { settled, left } = await round.turn(find, settle, signal);
    if (left.length > 0) {
      const [{ id, error }] = left as [(typeof left)[0]];
      this.#deps.logger.warn(
        { rows: left.length, id, err: error },
        `sweep: ${count} left for the next round`,
      );
    }
    return settled;
  }
}
