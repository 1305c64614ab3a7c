/** The trial of a candidate, which is what opening it does: in a lane of its own, it runs once on an empty picture. */
import { type OpenedModel, ProblemError, type ProblemRecord } from '@darkroom/contract';
import { LaneDied, LaneEnded, LaneStalled } from '@darkroom/lane';
import { claimTrial, type RegisteredVersion, recordTrial } from '@darkroom/models';
import type { ModelLanes } from '../lane/lanes.ts';
import { type FetchDeps, placeVersion } from './fetch-version.ts';
import { openedModelOf } from './opened-model.ts';

export type Tried = { readonly opened: OpenedModel } | { readonly problem: ProblemRecord };

/**
 * Tries a candidate, if nobody else is at it, and records what came of it, which is returned. What is this worker's own trouble (store, disk, no
 * process to be had) is thrown and nothing against the candidate; it may be tried again when its time is over.
 */
export async function tryCandidate(
  deps: FetchDeps & { readonly models: Pick<ModelLanes, 'learn'> },
  row: RegisteredVersion,
): Promise<Tried | undefined> {
  // Before it is claimed: a worker that cannot have the file takes it from no other.
  await placeVersion(deps, row);
  if ((await claimTrial(deps.records.db, row)) === undefined) return undefined;
  const { name, version, digest } = row;
  const tried = await outcomeOf(() => deps.models.learn({ name, version, digest }));
  return (await recordTrial(deps.records.db, row, tried)) ? tried : undefined;
}

async function outcomeOf(open: () => ReturnType<ModelLanes['learn']>): Promise<Tried> {
  try {
    return { opened: openedModelOf(await open()) };
  } catch (error) {
    if (!(error instanceof ProblemError) || isOurs(error)) throw error;
    return { problem: error.problem };
  }
}

/** A process that ended by itself or stood still did so of the model; one that was not to be had, of something else. */
function isOurs({ code, cause }: ProblemError): boolean {
  if (cause instanceof LaneEnded) return !(cause instanceof LaneDied || cause instanceof LaneStalled);
  return code !== 'unsupported_model' && code !== 'memory_limit' && code !== 'item_timeout';
}
