/** Models for tests: the default detector, and small ones that answer the same to every picture. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ensureDefaultClassifier } from '../converter/efficientnet/setup.ts';
import { ensureDefaultModel } from '../converter/setup.ts';
import type { DetectorCard } from '../model/card/card.ts';
import { encodeOnnx, int64Tensor } from '../model/onnx/onnx.ts';
import { type AnyModel, type Model, type ModelOptions, openAnyModel, openModel } from '../model/session.ts';
import { type ConstantModel, writeConstantModel, writeSeeingModel } from './files.ts';

export { type ConstantModel, tensor } from './files.ts';

const home = process.env.DARKROOM_HOME ?? join(import.meta.dirname, '../../../.darkroom');

const modelsDir = join(home, 'models');

/** How lanes are held; what is compiled for them lies where lanes of stacks of tests have it, as to compile it is most of a lane's start. */
export const keepsCode = { sandbox: 'auto', codeFolder: join(home, 'test', 'lanes-compiled') } as const;

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

/** A folder that lives as long as the test it was made in. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-recognition-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** As `writeConstantModel`, in a folder of the test's. */
export const constantModel = async (model: ConstantModel): Promise<string> =>
  writeConstantModel(await temporaryFolder(), model);

/** As `writeSeeingModel`, in a folder of the test's. */
export const seeingModel = async (label: string, card: Partial<DetectorCard> = {}): Promise<string> =>
  writeSeeingModel(await temporaryFolder(), label, card);

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
