/** Whether a worker's model is the one that a job is for. */
import { requireLabels } from '@darkroom/analysis';
import { type AnalysisOptions, type ModelIdentity, ProblemError } from '@darkroom/contract';
import type { Understanding } from '../model/understanding/understand.ts';
import { openedModelOf } from './tell-model.ts';

/**
 * The model a job asks for must be this worker's, and stay the one its first attempt worked with: `begun`, or undefined where this is
 * the first, which pins it. Throws `unknown_model`, and `unknown_label` only for labels of the model that the job is for.
 */
export async function requireModel(
  opened: Understanding,
  options: AnalysisOptions,
  begun: ModelIdentity | undefined,
  pin: (identity: ModelIdentity) => Promise<ModelIdentity>,
): Promise<void> {
  const { identity } = opened;
  if (options.model !== 'default' && options.model !== identity.name) {
    throw new ProblemError(
      'unknown_model',
      `There is no model ${options.model}; this worker has ${identity.name} (default).`,
    );
  }
  if (begun !== undefined) requireSame(begun, identity);
  requireLabels(options, [openedModelOf(opened)]);
  if (begun === undefined) requireSame(await pin(identity), identity);
}

function requireSame(begun: ModelIdentity, own: ModelIdentity): void {
  if (begun.digest === own.digest) return;
  throw new ProblemError(
    'unknown_model',
    `The job began with ${begun.name} ${begun.version}, this worker has ${own.name} ${own.version}. Run the job again with rerun.`,
  );
}
