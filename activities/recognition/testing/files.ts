/** ONNX files that answer the same to every picture, for tests and benchmarks. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DetectorCard, ModelCard } from '../model/card/card.ts';
import type { Output } from '../model/detection.ts';
import { encodeOnnx, type OnnxPort } from '../model/onnx/onnx.ts';

export interface ConstantModel {
  readonly input?: OnnxPort;
  /** Further inputs, which change nothing. */
  readonly others?: readonly OnnxPort[];
  readonly outputs: Readonly<Record<string, Output>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly card?: ModelCard;
}

/** Writes a file whose outputs are constants, and its card; the path of it. */
export async function writeConstantModel(
  folder: string,
  { input, others = [], outputs, metadata, card }: ConstantModel,
): Promise<string> {
  const path = join(folder, 'model.onnx');
  const entries = Object.entries(outputs);
  await writeFile(
    path,
    encodeOnnx({
      name: 'constant',
      inputs: [input ?? { name: 'images', dims: [1, 3, 64, 64] }, ...others],
      outputs: entries.map(([name, { dims }]) => ({ name, dims })),
      nodes: entries.map(([name]) => ({ op: 'Identity', inputs: [`${name}/value`], output: name })),
      initializers: entries.map(([name, { dims, data }]) => ({ name: `${name}/value`, dims, data })),
      ...(metadata === undefined ? {} : { metadata }),
    }),
  );
  if (card !== undefined) await writeFile(join(folder, 'model.json'), JSON.stringify(card));
  return path;
}

/** Writes one that sees one thing, called `label`. Its card calls it `one`, its version as the label. */
export const writeSeeingModel = (
  folder: string,
  label: string,
  card: Partial<DetectorCard> = {},
): Promise<string> =>
  writeConstantModel(folder, {
    outputs: {
      boxes: tensor([1, 1, 4], [[0, 0, 2], 0.5], [[0, 0, 3], 0.5]),
      scores: tensor([1, 1, 3], [[0, 0, 0], 9]),
    },
    card: { head: 'detr-sigmoid', labels: [label, 'b', 'c'], name: 'one', version: label, ...card },
  });

/** A tensor that is zero but for the values given as [indices, value]. */
export function tensor(dims: readonly number[], ...values: readonly [readonly number[], number][]): Output {
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  for (const [indices, value] of values)
    data[indices.reduce((offset, index, axis) => offset * (dims[axis] ?? 1) + index, 0)] = value;
  return { dims, data };
}
