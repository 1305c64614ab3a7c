/** Encoded pictures in one tensor: each is a prediction of its own, and all are answered, or none. */
import { ProblemError } from '@darkroom/contract';
import type { PredictionRow } from '@darkroom/prediction';
import type { PredictionRequest, Predictor } from '@darkroom/prediction/predictor/predictor.ts';
import { readElements } from '@darkroom/prediction/tensors/elements.ts';
import { elementsOf, type Tensor, tensorProblem } from '@darkroom/prediction/tensors/tensor.ts';
import { pictureInput } from './found.ts';

/** Whether the inputs are pictures and not tensors of the model. */
export const arePictures = (inputs: readonly Tensor[]): boolean =>
  inputs.some(({ datatype }) => datatype === pictureInput.datatype);

export interface PictureLimits {
  /** Of one request. */
  readonly pictures: number;
  /** Of one picture. */
  readonly bytes: number;
}

/** The pictures of the one input that there is. Throws ProblemError `invalid_request`, `empty_file`, `too_large`. */
export function picturesIn([input, ...others]: readonly Tensor[], limits: PictureLimits): Uint8Array[] {
  const { name } = pictureInput;
  if (input === undefined || others.length > 0)
    throw new ProblemError('invalid_request', `Pictures come in one input alone, ${name}.`);
  if (input.name !== name) throw tensorProblem(input.name, `is of BYTES; pictures come as the input ${name}`);
  const count = elementsOf(input.shape);
  if (input.shape.length > 2 || count < 1 || count > limits.pictures)
    throw tensorProblem(
      name,
      `has the shape [${input.shape.join(',')}]; [1] to [${limits.pictures}] are taken (PREDICTION_BATCH)`,
    );
  const pictures = readElements(name, input.data, count);
  for (const [i, { length }] of pictures.entries()) {
    if (length === 0) throw new ProblemError('empty_file', `${name}[${i}] has no bytes.`);
    if (length > limits.bytes)
      throw new ProblemError(
        'too_large',
        `${name}[${i}] has more than ${limits.bytes} bytes (LIMIT_PREDICTION_BYTES).`,
      );
  }
  return pictures;
}

/**
 * Predicts all, each by itself. Resolves with their rows when all are there; throws what became of the first that failed. Where one is
 * refused, those that still wait are taken back; what was begun is made and found in its owner's list.
 */
export async function predictPictures(
  predictor: Pick<Predictor, 'predict'>,
  pictures: readonly Uint8Array[],
  request: Omit<PredictionRequest, 'picture' | 'filename'>,
): Promise<PredictionRow[]> {
  const refused = new AbortController();
  const signal = AbortSignal.any([request.signal, refused.signal]);
  const asked = pictures.map((picture, i) =>
    predictor
      .predict({ ...request, picture, filename: `${pictureInput.name}[${i}]`, signal })
      .catch((error: unknown) => {
        refused.abort(error);
        throw error;
      }),
  );
  await Promise.allSettled(asked);
  refused.signal.throwIfAborted();
  const rows = await Promise.all(asked);
  for (const [i, { id, problem }] of rows.entries())
    if (problem !== null)
      throw new ProblemError(
        problem.code,
        `${pictureInput.name}[${i}]: ${problem.detail} (prediction ${id})`,
      );
  return rows;
}
