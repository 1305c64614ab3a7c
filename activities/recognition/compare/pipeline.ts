/** What is done here to a picture, hop by hop, so that each can be fed with what another pipeline had. */
import { access } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import type { ModelCard } from '../model/card/card.ts';
import type { Preprocess } from '../model/card/preprocess.ts';
import type { Output, Outputs } from '../model/detection.ts';
import { classValues } from '../model/heads/classifier.ts';
import { refuse } from '../model/heads/outputs.ts';
import { type ModelOptions, openAnyModel, openModel } from '../model/session.ts';
import { fit, type Size } from '../picture/fit.ts';
import {
  decode,
  fitted,
  normalise,
  type PhotoLimits,
  probe,
  type Raster,
  type Tensor,
} from '../picture/prepare.ts';
import type { Pixels } from '../picture/resize/pillow.ts';
import { place } from '../picture/resize/place.ts';
import { resizeForModel, tensorOf } from '../picture/resize/preprocess.ts';

export interface Pipeline {
  decode(bytes: Buffer): Promise<Raster>;
  resize(raster: Raster): Promise<Pixels>;
  /** Of what came of a picture of size `source`. */
  tensor(pixels: Pixels, source: Size): Tensor;
  /** What a classifier gives for its classes, or a detector's first output; without it the model is not there. */
  readonly infer?: (tensor: Tensor) => Promise<Output>;
  /** What a level of a pixel is in the tensor, at most. */
  readonly level: number;
}

/** Those of whoever sits before it. */
const limits: PhotoLimits = { bytes: 1e9, pixels: 1e9, frames: 10_000 };

/**
 * The pipeline of a card, whose model lies beside it under its name; of a classifier it need not be there, and then nothing is inferred. Throws
 * `unsupported_model`.
 */
export async function openPipeline(cardPath: string, card: ModelCard): Promise<Pipeline> {
  const modelPath = `${cardPath.slice(0, cardPath.length - extname(cardPath).length)}.onnx`;
  return card.task === 'classifier' ? ofClassifier(modelPath, card.preprocess) : ofDetector(modelPath);
}

async function ofClassifier(modelPath: string, how: Preprocess): Promise<Pipeline> {
  const there = await access(modelPath).then(
    () => true,
    () => false,
  );
  const model = there ? await openAnyModel(optionsOf(modelPath)) : undefined;
  return {
    decode: (bytes) => decoded(bytes, how.alpha),
    resize: (raster) => resizeForModel(raster, how),
    tensor: (pixels, source) => tensorOf(pixels, place(source, how), how),
    ...(model && { infer: async (tensor: Tensor) => classesOf(await model.infer(tensor)) }),
    level: levelOf(how),
  };
}

async function ofDetector(modelPath: string): Promise<Pipeline> {
  const model = await openModel(optionsOf(modelPath));
  const { input } = model;
  return {
    decode: (bytes) => decoded(bytes, 'white'),
    resize: (raster) => fitted(raster, fit(raster, input, input.fit), input),
    tensor: ({ data }, source) => normalise(data, fit(source, input, input.fit), input),
    infer: async (tensor) => firstOf(await model.infer(tensor)),
    level: levelOf(input),
  };
}

const optionsOf = (modelPath: string): ModelOptions => ({
  modelPath,
  modelsDir: dirname(modelPath),
  device: 'cpu',
  threads: 1,
});

async function decoded(bytes: Buffer, alpha: Preprocess['alpha']): Promise<Raster> {
  await probe(bytes, limits);
  return decode(bytes, limits, { alpha });
}

const levelOf = ({ scale, std }: Pick<Preprocess, 'scale' | 'std'>): number => scale / Math.min(...std);

function classesOf(outputs: Outputs): Output {
  const data = classValues(outputs) ?? refuse(outputs, 'one output [1, classes]');
  return { dims: [1, data.length], data };
}

function firstOf(outputs: Outputs): Output {
  const [first] = Object.values(outputs);
  return first ?? refuse(outputs, 'an output');
}
