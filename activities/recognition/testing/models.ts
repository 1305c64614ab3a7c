/** Models for tests: the default detector, and small ones that answer the same to every picture. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ensureDefaultClassifier } from '../converter/efficientnet/setup.ts';
import { ensureDefaultModel } from '../converter/setup.ts';
import type { DetectorCard, ModelCard } from '../model/card/card.ts';
import type { Output } from '../model/detection.ts';
import { encodeOnnx, int64Tensor, type OnnxPort } from '../model/onnx/onnx.ts';
import { type AnyModel, type Model, type ModelOptions, openAnyModel, openModel } from '../model/session.ts';

const home = process.env.DARKROOM_HOME ?? join(import.meta.dirname, '../../../.darkroom');

const modelsDir = join(home, 'models');

/** The default detector, made when it is not there. */
export async function defaultModelOptions(): Promise<ModelOptions> {
  await ensureDefaultModel(modelsDir);
  return { modelPath: undefined, modelsDir, device: 'cpu', threads: 1 };
}

export async function defaultModel(): Promise<Model> {
  return openModel(await defaultModelOptions());
}

/** Path of the default classifier, made when it is not there. */
export const madeClassifier = (): Promise<string> => ensureDefaultClassifier(modelsDir);

/** Opens the model in that file. */
export async function openFile(modelPath: string): Promise<Model> {
  return openModel({ modelPath, modelsDir, device: 'cpu', threads: 1 });
}

/** As `openFile`, a classifier too. */
export async function openAnyFile(modelPath: string): Promise<AnyModel> {
  return openAnyModel({ modelPath, modelsDir, device: 'cpu', threads: 1 });
}

/** Limits that no sample comes near. */
export const limits = { bytes: 50_000_000, pixels: 100_000_000, frames: 10 };

export interface ConstantModel {
  readonly input?: OnnxPort;
  /** Further inputs, which change nothing. */
  readonly others?: readonly OnnxPort[];
  readonly outputs: Readonly<Record<string, Output>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly card?: ModelCard;
}

/** A folder that lives as long as the test it was made in. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-recognition-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes an ONNX file whose outputs are constants; the path of it. */
export async function constantModel({
  input,
  others = [],
  outputs,
  metadata,
  card,
}: ConstantModel): Promise<string> {
  const folder = await temporaryFolder();
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

/** Writes an ONNX file that sees the same in every picture: one thing called `label`. Its card calls it `one`, its version as the label. */
export const seeingModel = (label: string, card: Partial<DetectorCard> = {}): Promise<string> =>
  constantModel({
    outputs: {
      boxes: tensor([1, 1, 4], [[0, 0, 2], 0.5], [[0, 0, 3], 0.5]),
      scores: tensor([1, 1, 3], [[0, 0, 0], 9]),
    },
    card: { head: 'detr-sigmoid', labels: [label, 'b', 'c'], name: 'one', version: label, ...card },
  });

/**
 * Writes an ONNX file that looks at the picture: `output0` [batch, 5, 84], of YOLOv8's form with one class, whose only row that is not
 * nothing is a box of 32 × 32 in the middle of 64 × 64, its score the mean of the input. All of it in the type asked for.
 */
export async function brightnessModel({
  batch,
  type,
}: {
  readonly batch: number | string;
  readonly type: 'float32' | 'float16';
}): Promise<string> {
  const path = join(await temporaryFolder(), 'model.onnx');
  const typed = (data: Float32Array) => (type === 'float16' ? new Float16Array(data) : data);
  const columns = 84;
  const box = new Float32Array(5 * columns);
  [32, 32, 32, 32].forEach((value, row) => {
    box[row * columns] = value;
  });
  const score = new Float32Array(5 * columns);
  score[4 * columns] = 1;
  await writeFile(
    path,
    encodeOnnx({
      name: 'brightness',
      inputs: [{ name: 'images', dims: [batch, 3, 64, 64], type }],
      outputs: [{ name: 'output0', dims: [batch, 5, columns], type }],
      nodes: [
        { op: 'ReduceMean', inputs: ['images'], output: 'mean', attributes: { axes: [2, 3], keepdims: 1 } },
        { op: 'ReduceMean', inputs: ['mean'], output: 'grey', attributes: { axes: [1], keepdims: 1 } },
        { op: 'Reshape', inputs: ['grey', 'row'], output: 'brightness' },
        { op: 'Mul', inputs: ['brightness', 'score'], output: 'scored' },
        { op: 'Add', inputs: ['scored', 'box'], output: 'output0' },
      ],
      initializers: [
        int64Tensor('row', [-1, 1, 1]),
        { name: 'box', dims: [1, 5, columns], data: typed(box) },
        { name: 'score', dims: [1, 5, columns], data: typed(score) },
      ],
    }),
  );
  return path;
}

/** A tensor that is zero but for the values given as [indices, value]. */
export function tensor(dims: readonly number[], ...values: readonly [readonly number[], number][]): Output {
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  for (const [indices, value] of values)
    data[indices.reduce((offset, index, axis) => offset * (dims[axis] ?? 1) + index, 0)] = value;
  return { dims, data };
}
