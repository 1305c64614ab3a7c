/** Tensors of the model itself: one run of it, one prediction, whatever its batch. */
import { ProblemError } from '@darkroom/contract';
import { takeOutputs } from '@darkroom/prediction';
import type { PredictionRequest, Predictor } from '@darkroom/prediction/predictor/predictor.ts';
import { classPorts } from '@darkroom/prediction/tensors/classes.ts';
import {
  isNumeric,
  type NumericTensor,
  requireInputs,
  type Tensor,
  tensorProblem,
} from '@darkroom/prediction/tensors/tensor.ts';
import type { Records } from '@darkroom/records';
import type { NamedModel } from './model.ts';

/**
 * The inputs, where they are those of the model, and the outputs that there are for them. Throws ProblemError `invalid_request`, and
 * `no_prediction_model` where no worker has told what the model takes.
 */
export function tensorsFor(
  model: NamedModel,
  inputs: readonly Tensor[],
): { readonly tensors: readonly NumericTensor[]; readonly there: readonly string[] } {
  if (model.tensors === undefined)
    throw new ProblemError('no_prediction_model', `No worker has told yet what ${model.name} takes.`, {
      retryAfterSeconds: 60,
    });
  const tensors = inputs.map((input) => {
    if (!isNumericTensor(input)) throw tensorProblem(input.name, 'is text, which no model takes here');
    return input;
  });
  requireInputs(model.tensors.inputs, tensors);
  const made = model.family === 'classifier' ? classPorts : [];
  return { tensors, there: [...model.tensors.outputs, ...made].map(({ name }) => name) };
}

const isNumericTensor = (tensor: Tensor): tensor is NumericTensor => isNumeric(tensor);

/** Runs the model. Throws what became of it, where it failed. */
export async function predictTensors(
  {
    predictor,
    records,
  }: { readonly predictor: Pick<Predictor, 'predict'>; readonly records: Pick<Records, 'db'> },
  tensors: readonly NumericTensor[],
  outputs: readonly string[],
  request: Omit<PredictionRequest, 'picture' | 'filename'>,
): Promise<{ readonly id: number; readonly outputs: readonly Tensor[] }> {
  const [first, ...others] = tensors.map(({ data }) => data);
  const picture =
    first !== undefined && others.length === 0 ? first : Buffer.concat(tensors.map(({ data }) => data));
  const inference = { inputs: tensors.map(({ data: _, ...header }) => header), outputs: [...outputs] };
  const { id, problem } = await predictor.predict({ ...request, picture, inference, filename: 'tensors' });
  if (problem !== null) throw new ProblemError(problem.code, `${problem.detail} (prediction ${id})`);
  const given = await takeOutputs(records.db, id);
  if (given.length === outputs.length) return { id, outputs: given };
  throw new ProblemError('internal', `The outputs of prediction ${id} are gone.`);
}
