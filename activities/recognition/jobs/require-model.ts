/** Which version of which model a job is worked on with. */
import { requireLabels } from '@darkroom/analysis';
import {
  type AnalysisOptions,
  type ModelIdentity,
  type ModelService,
  modelIdentity,
  ProblemError,
} from '@darkroom/contract';
import { type ModelsNow, resolveModel } from '@darkroom/models';
import type { Understanding } from '../model/understanding/understand.ts';
import { openedModelOf } from '../serving/opened-model.ts';

export interface RequireModel<Opened = Understanding> {
  /** How a version is understood, by default the worker's own; opens it where it is not. */
  readonly model: (version?: ModelIdentity) => Promise<Opened>;
  /** What models there are. */
  readonly now: () => Promise<ModelsNow>;
  /** Pins a version, unless another attempt was first; the one that is pinned then. */
  readonly pin: (identity: ModelIdentity) => Promise<ModelIdentity>;
}

/**
 * The version that a job stays with: `pinned` is that of its first attempt, which finds out what the name stands for then. Any worker opens it, loaded
 * or not. Throws `unknown_model`, `model_not_ready` for one that is no more than a candidate, or has failed, and `unknown_label` only for labels of the model that the job is for; what keeps this worker from opening it.
 */
export const requireModel = (
  options: AnalysisOptions,
  pinned: unknown,
  how: RequireModel,
): Promise<Understanding> =>
  requireVersion({ asked: options.model, serves: 'recognition', pinned }, how, (opened) =>
    requireLabels(options, [openedModelOf(opened)]),
  );

/** The same of a model for `serves`; what `check` throws of it is said before it is pinned. */
export async function requireVersion<Opened extends { readonly identity: ModelIdentity }>(
  wanted: { readonly asked: string; readonly serves: ModelService; readonly pinned: unknown },
  { model, now, pin }: RequireModel<Opened>,
  check: (opened: Opened) => void = () => {},
): Promise<Opened> {
  const begun = modelIdentity.optional().parse(wanted.pinned);
  const opened = await (begun === undefined ? meant(wanted, { model, now }) : model(begun));
  check(opened);
  if (begun !== undefined) return opened;
  const winner = await pin(opened.identity);
  return winner.digest === opened.identity.digest ? opened : model(winner);
}

const notThere: ReadonlySet<string> = new Set(['unknown_model', 'model_not_ready']);

/**
 * A job waits for its model to be opened: whoever gets it opens what is registered. The one that had it open when the job was accepted may be gone, or
 * silent.
 */
const openable = (now: ModelsNow): ModelsNow => ({
  ...now,
  versions: now.versions.map((one) => (one.state === 'ready' ? { ...one, wanted: true } : one)),
});

async function meant<Opened extends { readonly identity: ModelIdentity }>(
  { asked, serves }: { readonly asked: string; readonly serves: ModelService },
  { model, now }: Pick<RequireModel<Opened>, 'model' | 'now'>,
): Promise<Opened> {
  try {
    return await model(resolveModel(openable(await now()), serves, asked)?.model);
  } catch (error) {
    if (!(error instanceof ProblemError) || !notThere.has(error.code)) throw error;
    // What this worker has may not be told yet.
    const own = await model();
    const { name, version } = own.identity;
    if (asked === name || asked === `${name}@${version}`) return own;
    throw error;
  }
}
