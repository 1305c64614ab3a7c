/** A candidate is tried in a lane of its own before it becomes anything else, by one worker at a time. */
import { type OpenedModel, type ProblemRecord, problemOf } from '@darkroom/contract';
import { type Db, write } from '@darkroom/records';
import { and, eq, gte, lt, sql } from 'drizzle-orm';
import { registeredVersions } from '../schema.ts';
import { tellChange } from '../workers/told.ts';
import { keepUnderstood } from '../workers/understood.ts';
import { change, isVersion, type RegisteredVersion, requireVersion, type VersionName } from './registry.ts';

/** So long nobody else begins a trial: a worker that has said nothing by then has died of it. */
const trialSeconds = 120;
/** Trials that came to no end before a candidate is given up. */
const mostTrials = 3;

/** A trial that was taken on: which of the candidate's it is. */
export type ClaimedTrial = Pick<RegisteredVersion, 'name' | 'version' | 'digest' | 'trials'>;

/** By the clock of Postgres alone: those of workers differ. */
const untilThen = sql`now() + ${trialSeconds}::float8 * interval '1 second'`;

const isClaimed = ({ digest, trials, ...of }: ClaimedTrial) =>
  and(
    isVersion(of),
    eq(registeredVersions.digest, digest),
    eq(registeredVersions.state, 'candidate'),
    eq(registeredVersions.trials, trials),
  );

/**
 * Takes the trial of a candidate on; undefined where somebody else is at it, or nothing is to be tried. A candidate whose trials came to no end,
 * as it ended whoever tried it, fails here.
 */
export const claimTrial = write(
  async (db: Db, of: VersionName): Promise<RegisteredVersion | undefined> =>
    db.transaction(async (tx) => {
      const isFree = and(
        isVersion(of),
        eq(registeredVersions.state, 'candidate'),
        sql`coalesce(${registeredVersions.tryUntil} <= now(), true)`,
      );
      const [claimed] = await tx
        .update(registeredVersions)
        .set({ trials: sql`${registeredVersions.trials} + 1`, tryUntil: untilThen })
        .where(and(isFree, lt(registeredVersions.trials, mostTrials)))
        .returning();
      if (claimed !== undefined) return claimed;
      const problem = problemOf(
        'poisonous_item',
        `Each of ${mostTrials} trials ended the process that tried it.`,
      );
      const failed = await tx
        .update(registeredVersions)
        .set({ state: 'failed', wanted: false, problem, changedAt: sql`now()` })
        .where(and(isFree, gte(registeredVersions.trials, mostTrials)))
        .returning({ name: registeredVersions.name });
      if (failed.length > 0) await tellChange(tx);
      return undefined;
    }),
);

/** The one that has claimed it lives and is at it still: nobody else begins. */
export const extendTrial = write(async (db: Db, claimed: ClaimedTrial): Promise<void> => {
  await db.update(registeredVersions).set({ tryUntil: untilThen }).where(isClaimed(claimed));
});

/** It came to no end for what is nothing against the candidate: it does not count, and anybody may begin. */
export const releaseTrial = write(async (db: Db, claimed: ClaimedTrial): Promise<void> => {
  await db
    .update(registeredVersions)
    .set({ trials: sql`${registeredVersions.trials} - 1`, tryUntil: null })
    .where(isClaimed(claimed));
});

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
