/** A candidate is tried in a lane of its own before it becomes anything else, by one worker at a time. */
import { type OpenedModel, type ProblemRecord, problemOf } from '@darkroom/contract';
import { type Db, write } from '@darkroom/records';
import { keepUnderstood } from '../workers/understood.ts';
import { change, type RegisteredVersion, requireVersion, type VersionName } from './registry.ts';

/** So long nobody else begins a trial: a worker that has said nothing by then has died of it. */
const trialSeconds = 120;
/** Trials that came to no end before a candidate is given up. */
const mostTrials = 3;

/**
 * Takes the trial of a candidate on; undefined where somebody else is at it, or nothing is to be tried. A candidate whose trials came to no end,
 * as it ended whoever tried it, fails here.
 */
export const claimTrial = write(
  async (db: Db, of: VersionName): Promise<RegisteredVersion | undefined> =>
    db.transaction(async (tx) => {
      const row = await requireVersion(tx, of);
      if (row.state !== 'candidate') return undefined;
      if (row.tryUntil !== null && row.tryUntil.getTime() > Date.now()) return undefined;
      if (row.trials >= mostTrials) {
        const problem = problemOf(
          'poisonous_item',
          `Each of ${mostTrials} trials ended the process that tried it.`,
        );
        await change(tx, of, { state: 'failed', wanted: false, problem });
        return undefined;
      }
      return change(tx, of, { trials: row.trials + 1, tryUntil: new Date(Date.now() + trialSeconds * 1000) });
    }),
);

/**
 * Writes what the trial of `tried` came to. One that failed is not wanted any more until somebody loads it again. Whether it counts: the row may be
 * gone, or have been tried by another meanwhile.
 */
export const recordTrial = write(
  async (
    db: Db,
    tried: Pick<RegisteredVersion, 'name' | 'version' | 'digest'>,
    outcome: { readonly opened: OpenedModel } | { readonly problem: ProblemRecord },
  ): Promise<boolean> =>
    db.transaction(async (tx) => {
      const row = await requireVersion(tx, tried);
      if (row.state !== 'candidate' || row.digest !== tried.digest) return false;
      if ('opened' in outcome) {
        await keepUnderstood(tx, [outcome.opened]);
        await change(tx, tried, { state: 'ready', problem: null, tryUntil: null });
      } else {
        await change(tx, tried, { state: 'failed', wanted: false, problem: outcome.problem, tryUntil: null });
      }
      return true;
    }),
);
