/** Warm models: opened once per model file and process, shared by all who ask for them. */
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ProblemError } from '@darkroom/contract';
import type { Tensor } from '../picture/prepare.ts';
import { PictureRoom } from '../picture/room.ts';
import { defaultModelPath, type ModelCard } from './card/card.ts';
import { readCard } from './card/file.ts';
import { inputSizeOf } from './card/preprocess.ts';
import { defaultClassifierPath, waysToClassifier } from './default-classifier.ts';
import type { Outputs } from './detection.ts';
import { modelDigest } from './digest.ts';
import { foreignFolder, refuseForeignModel } from './foreign.ts';
import { type Inference, openInference } from './inference.ts';
import type { ClassifierUnderstanding } from './understanding/classifier.ts';
import { feeding } from './understanding/feeds.ts';
import type { ModelFile } from './understanding/trial.ts';
import {
  isClassifier,
  noDetector,
  requireDetector,
  type Understanding,
  understand,
} from './understanding/understand.ts';

export interface ModelOptions {
  /** The ONNX file, its card, if any, beside it; when undefined, the default detector in `modelsDir`. */
  readonly modelPath: string | undefined;
  readonly modelsDir: string;
  /** `cuda` needs ONNX Runtime's CUDA files; without them it is an error, not the CPU. */
  readonly device: 'cpu' | 'cuda';
  /** Of one inference. */
  readonly threads: number;
  /** What the process may take, bytes; pictures are decoded beside each other as far as that goes. */
  readonly memoryBytes?: number | undefined;
}

interface Opened {
  readonly room: PictureRoom;
  /** Runs the model, taking the tensor's memory along, and blocks this thread meanwhile. */
  infer(tensor: Tensor): Promise<Outputs>;
  /** Ends its session; the process keeps most of the memory. */
  close(): Promise<void>;
}

/** A detector. */
export interface Model extends Understanding, Opened {}
export interface Classifier extends ClassifierUnderstanding, Opened {}
export type AnyModel = Model | Classifier;

const opened = new Map<string, Promise<AnyModel>>();

/** As {@link openAnyModel}, for who wants boxes: throws `unsupported_model` for a classifier. */
export async function openModel(options: ModelOptions): Promise<Model> {
  const read = await readModel(options);
  if (read.card.task === 'classifier') throw noDetector(basename(read.path));
  return requireDetector(await openOnce(read, options));
}

/**
 * The model at `modelPath`, opened once per process, contents and options. Throws `unsupported_model` when it is no ONNX model that is
 * understood; the message says what to do.
 */
export async function openAnyModel(options: ModelOptions): Promise<AnyModel> {
  return openOnce(await readModel(options), options);
}

interface ReadModel extends ModelFile {
  readonly card: ModelCard;
}

async function readModel(options: ModelOptions): Promise<ReadModel> {
  const path = pathOf(options);
  const bytes = await readFile(path).catch(async (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EISDIR') throw foreignFolder(path, await readdir(path));
    throw new ProblemError('unsupported_model', unreadable(options), { cause });
  });
  refuseForeignModel(path, bytes);
  const card = await readCard(path);
  return { path, bytes, card, digest: modelDigest(bytes, card) };
}

function openOnce(read: ReadModel, options: ModelOptions): Promise<AnyModel> {
  const key = JSON.stringify([read.digest, read.card, options]);
  const known = opened.get(key);
  if (known !== undefined) return known;
  const model = createModel(read, options);
  opened.set(key, model);
  model.catch(() => opened.delete(key));
  return model;
}

const pathOf = ({ modelPath, modelsDir }: ModelOptions): string => modelPath ?? defaultModelPath(modelsDir);

function unreadable(options: ModelOptions): string {
  const path = pathOf(options);
  return path === defaultClassifierPath(options.modelsDir)
    ? `The classifier ${path} is not there. ${waysToClassifier}`
    : `The model ${path} cannot be read. Set MODEL_PATH to an ONNX file, or make the default one with ` +
        '`node activities/recognition/converter/setup.ts DIR`.';
}

async function createModel(read: ReadModel, options: ModelOptions): Promise<AnyModel> {
  const inference = await open(read.path, options);
  try {
    const understanding = await understand(read, read.card, inference);
    const size = isClassifier(understanding) ? inputSizeOf(understanding.preprocess) : understanding.input;
    const { feeds, first } = feeding(inference.inputs, size);
    return {
      ...understanding,
      room: new PictureRoom(options.memoryBytes),
      infer: async (tensor) => first(await inference.run(feeds(tensor))),
      close: () => inference.close(),
    };
  } catch (error) {
    await inference.close();
    throw error;
  }
}

async function open(path: string, { device, threads }: ModelOptions): Promise<Inference> {
  try {
    return await openInference({ path, device, threads });
  } catch (cause) {
    throw new ProblemError(
      'unsupported_model',
      `ONNX Runtime cannot open ${basename(path)} (${device}): ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
