/** Models for tests: the default detector, and small ones that answer the same to every picture. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ensureDefaultModel } from '../converter/setup.ts';
import type { ModelCard } from '../model/card.ts';
import type { Output } from '../model/detection.ts';
import { encodeOnnx } from '../model/onnx/onnx.ts';
import { type Model, type ModelOptions, openModel } from '../model/session.ts';

const home = process.env.DARKROOM_HOME ?? join(import.meta.dirname, '../../../.darkroom');

const modelsDir = join(home, 'models');

/** The default detector, made when it is not there. */
export async function defaultModelOptions(): Promise<ModelOptions> {
  await ensureDefaultModel(modelsDir);
  return { modelPath: undefined, modelsDir, device: 'cpu', lanes: 2, threads: 1 };
}

export async function defaultModel(): Promise<Model> {
  return openModel(await defaultModelOptions());
}

/** Opens the model in that file. */
export async function openFile(modelPath: string): Promise<Model> {
  return openModel({ modelPath, modelsDir, device: 'cpu', lanes: 2, threads: 1 });
}

/** Limits that no sample comes near. */
export const limits = { bytes: 50_000_000, pixels: 100_000_000, frames: 10 };

export interface ConstantModel {
  readonly input?: { readonly name: string; readonly dims: readonly number[] };
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
export async function constantModel({ input, outputs, metadata, card }: ConstantModel): Promise<string> {
  const folder = await temporaryFolder();
  const path = join(folder, 'model.onnx');
  const entries = Object.entries(outputs);
  await writeFile(
    path,
    encodeOnnx({
      name: 'constant',
      inputs: [input ?? { name: 'images', dims: [1, 3, 64, 64] }],
      outputs: entries.map(([name, { dims }]) => ({ name, dims })),
      nodes: entries.map(([name]) => ({ op: 'Identity', inputs: [`${name}/value`], output: name })),
      initializers: entries.map(([name, { dims, data }]) => ({ name: `${name}/value`, dims, data })),
      ...(metadata === undefined ? {} : { metadata }),
    }),
  );
  if (card !== undefined) await writeFile(join(folder, 'model.json'), JSON.stringify(card));
  return path;
}

/** A tensor that is zero but for the values given as [indices, value]. */
export function tensor(dims: readonly number[], ...values: readonly [readonly number[], number][]): Output {
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  for (const [indices, value] of values)
    data[indices.reduce((offset, index, axis) => offset * (dims[axis] ?? 1) + index, 0)] = value;
  return { dims, data };
}
