/** What a classifier itself gives for pictures, beside the classes that are made of it. */
import { type OpenedModel, ProblemError } from '@darkroom/contract';
import { outputBytesOf, type PredictionRow, takeOutputs } from '@darkroom/prediction';
import type { Tensor } from '@darkroom/prediction/tensors/tensor.ts';
import type { Records } from '@darkroom/records';

/** Names of those outputs: floats, of classifiers. */
export const outputsGiven = ({ family, tensors }: Pick<OpenedModel, 'family' | 'tensors'>): string[] =>
  family === 'classifier'
    ? (tensors?.outputs ?? [])
        .filter(({ datatype }) => datatype === 'FP32' || datatype === 'FP16')
        .map(({ name }) => name)
    : [];

/**
 * The outputs of those names of all rows, one picture after the other. Throws ProblemError `too_large` where they have more than `mostBytes`
 * together, before they are read; those are forgotten as any that nobody takes.
 */
export async function givenFor(
  records: Pick<Records, 'db'>,
  rows: readonly PredictionRow[],
  names: readonly string[],
  mostBytes: number,
): Promise<Tensor[]> {
  if (names.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const bytes = await outputBytesOf(records.db, ids);
  if (bytes > mostBytes)
    throw new ProblemError(
      'too_large',
      `The outputs have ${bytes} bytes, and the limit is ${mostBytes} (LIMIT_INFERENCE_OUTPUT_BYTES). Name fewer of them, or send fewer pictures.`,
    );
  const ofEach = await Promise.all(ids.map((id) => takeOutputs(records.db, id)));
  return names.map((name) => {
    const all = ofEach.flatMap((outputs) => outputs.find((output) => output.name === name) ?? []);
    const [first] = all;
    if (first === undefined || all.length < rows.length)
      throw new ProblemError('internal', `The output ${name} of a prediction is gone.`);
    const shape = [all.length, ...first.shape.slice(1)];
    return { ...first, shape, data: Buffer.concat(all.map(({ data }) => data)) };
  });
}
