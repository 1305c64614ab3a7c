/** The model that a path names: which version that is now, and all that a worker has understood of it. */
import { type OpenedModel, ProblemError } from '@darkroom/contract';
import type { ApiContext } from '../../context.ts';

export interface NamedModel extends OpenedModel {
  /** Name by which its version was chosen, if any, and whether as its canary. */
  readonly alias: string | null;
  readonly canary: boolean;
}

/**
 * What the option `model` of a prediction calls `MODEL` or `MODEL@VERSION`, so that an alias does for a version; `draw` decides whether a canary
 * gets it, which none does by default. Throws ProblemError `not_found`, `model_not_ready`, and `no_prediction_model` with why there is none.
 */
export async function namedModel(
  c: ApiContext,
  { model: name, version }: { readonly model: string; readonly version?: string },
  draw: () => number = () => 1,
): Promise<NamedModel> {
  const { served, understood } = c.var.deps.predicting;
  const { model, alias, canary } = await (async () => {
    if (version === undefined) return served.resolve(name, draw);
    // A version of its own is there also where what the plain name stands for is not.
    const isPlain = name !== 'default' && !name.includes('@');
    const of = isPlain ? name : (await served.resolve(name, draw)).model.name;
    return served.resolve(`${of}@${version}`, draw);
  })().catch((error: unknown) => {
    // A model that is not there is a path that leads nowhere.
    throw error instanceof ProblemError && error.code === 'unknown_model'
      ? new ProblemError('not_found', error.message)
      : error;
  });
  const known = await understood.of(model);
  if (known !== undefined) return { ...known, alias, canary };
  throw new ProblemError('no_prediction_model', `No worker has told of ${model.name} yet.`, {
    retryAfterSeconds: 5,
  });
}
