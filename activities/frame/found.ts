/** What a stage has found so far, written, and held to the limits of the kind. */
import { ProblemError } from '@darkroom/contract';
import { estimateOfJob } from '@darkroom/estimates';
import { overLimit, saveCheckpoint } from '@darkroom/records';
import type { Attempt } from './attempt/attempt.ts';

/** As {@link saveCheckpoint}. Throws ProblemError `too_many_items` where the job has become larger than one of its kind may be. */
export async function saveFound(
  { deps, fence, kind, job }: Pick<Attempt, 'deps' | 'fence' | 'kind' | 'job'>,
  checkpoint: Parameters<typeof saveCheckpoint>[2],
): Promise<void> {
  const { estimates } = deps;
  if (checkpoint.done) await estimates.ready();
  const size = await saveCheckpoint(deps.records.db, fence, checkpoint, kind, (found) =>
    estimateOfJob(estimates, kind, { input: job.input, size: found }),
  );
  const refusal = overLimit(kind, size, deps.config.limits.jobs);
  if (refusal !== undefined) throw new ProblemError('too_many_items', refusal);
}
