/** The trial of a candidate, which is what opening it does: in a lane of its own, it runs once on an empty picture. */
import { type OpenedModel, ProblemError, type ProblemRecord } from '@darkroom/contract';
import { LaneDied, LaneEnded, LaneLate, LaneStalled, unlessAborted } from '@darkroom/lane';
import {
  claimTrial,
  extendTrial,
  getVersion,
  type ListedVersion,
  recordTrial,
  releaseTrial,
} from '@darkroom/models';
import type { ModelLanes } from '../lane/lanes.ts';
import { type FetchDeps, placeVersion } from './fetch-version.ts';
import { openedModelOf } from './opened-model.ts';

/** Opening may take several tries of a minute each. */
const beatMs = 30_000;

export type Tried = { readonly opened: OpenedModel } | { readonly problem: ProblemRecord };

/**
 * Tries a candidate, if nobody else is at it, and records what came of it, which is returned. What is this worker's own trouble (store, disk, no
 * process to be had) is thrown, as is the signal's reason, and nothing against the candidate; anybody may try it again.
 */
export async function tryCandidate(
  deps: FetchDeps & { readonly models: Pick<ModelLanes, 'learn'> },
  candidate: ListedVersion,
  signal: AbortSignal,
): Promise<Tried | undefined> {
  const { db } = deps.records;
  const row = await getVersion(db, candidate);
  // It was removed meanwhile, or replaced.
  if (row?.digest !== candidate.digest) return undefined;
  // Before it is claimed: a worker that cannot have the file takes it from no other.
  await unlessAborted(placeVersion(deps, row), signal);
  const claimed = await claimTrial(db, row);
  if (claimed === undefined) return undefined;
  const { name, version, digest } = row;
  const beat = setInterval(() => void extendTrial(db, claimed).catch(() => {}), beatMs).unref();
  const tried = await outcomeOf(() => unlessAborted(deps.models.learn({ name, version, digest }), signal))
    .catch(async (error: unknown) => {
      await releaseTrial(db, claimed).catch(() => {});
      throw error;
    })
    .finally(() => clearInterval(beat));
  return (await recordTrial(db, row, tried)) ? tried : undefined;
}

async function outcomeOf(open: () => ReturnType<ModelLanes['learn']>): Promise<Tried> {
  try {
    return { opened: openedModelOf(await open()) };
  } catch (error) {
    if (!(error instanceof ProblemError) || isOurs(error)) throw error;
    return { problem: error.problem };
  }
}

/** A process that ended by itself, stood still or was not open in time did so of the model; one that was not to be had, of something else. */
function isOurs({ code, cause }: ProblemError): boolean {
  if (cause instanceof LaneEnded)
    return ![LaneDied, LaneLate, LaneStalled].some((its) => cause instanceof its);
  return code !== 'unsupported_model' && code !== 'memory_limit' && code !== 'item_timeout';
}
