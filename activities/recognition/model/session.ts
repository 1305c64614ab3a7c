/** Warm models: opened once per model file and process, shared by all who ask for them. */
import { basename } from 'node:path';
import { ProblemError } from '@darkroom/contract';
import type { Tensor } from '../picture/prepare.ts';
import { PictureRoom } from '../picture/room.ts';
import { inputSizeOf } from './card/preprocess.ts';
import type { Outputs } from './detection.ts';
import { type Inference, openInference } from './inference.ts';
import { type ModelPlace, type ReadModel, readModel } from './read.ts';
import type { ClassifierUnderstanding } from './understanding/classifier.ts';
import { feeding } from './understanding/feeds.ts';
import { tensorsOf } from './understanding/tensors.ts';
import {
  isClassifier,
  noDetector,
  requireDetector,
  type Understanding,
  understand,
} from './understanding/understand.ts';

export interface ModelOptions extends ModelPlace {
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
  /** The outputs of those names for these inputs of the model itself, as `Inference.runRaw`. */
  inferRaw: Inference['runRaw'];
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

function openOnce(read: ReadModel, options: ModelOptions): Promise<AnyModel> {
  const key = JSON.stringify([read.identity, read.card, options]);
  const known = opened.get(key);
  if (known !== undefined) return known;
  const model = createModel(read, options);
  opened.set(key, model);
  model.catch(() => opened.delete(key));
  return model;
}

async function createModel(read: ReadModel, options: ModelOptions): Promise<AnyModel> {
  const inference = await open(read.path, options);
  try {
    const understanding = await understand(read, read.card, inference);
    const size = isClassifier(understanding) ? inputSizeOf(understanding.preprocess) : understanding.input;
    const { feeds, first } = feeding(inference.inputs, size);
    return {
      ...understanding,
      tensors: tensorsOf(inference),
      room: new PictureRoom(options.memoryBytes),
      infer: async (tensor) => first(await inference.run(feeds(tensor))),
      inferRaw: (inputs, outputs) => inference.runRaw(inputs, outputs),
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
