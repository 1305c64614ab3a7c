/** What a stage has found so far, written, and held to the limits of the kind. */
import { ProblemError } from '@darkroom/contract';
import { overLimit, saveCheckpoint } from '@darkroom/records';
import type { Attempt } from './attempt/attempt.ts';

/** As {@link saveCheckpoint}. Throws ProblemError `too_many_items` where the job has become larger than one of its kind may be. */
export async function saveFound(
  { deps, fence, kind }: Pick<Attempt, 'deps' | 'fence' | 'kind'>,
  checkpoint: Parameters<typeof saveCheckpoint>[2],
): Promise<void> {
  const size = await saveCheckpoint(deps.records.db, fence, checkpoint, kind);
  const refusal = overLimit(kind, size, deps.config.limits.jobs);
  if (refusal !== undefined) throw new ProblemError('too_many_items', refusal);
}
