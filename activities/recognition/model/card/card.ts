/** The model card: what a file beside the model says of how to use it. */
import { join } from 'node:path';
import { storableText } from '@darkroom/contract';
import { z } from 'zod';
import { headNames } from '../heads/index.ts';
import { colours, dtypes, filter, layouts, preprocess, side } from './preprocess.ts';

const perChannel = z.tuple([z.number(), z.number(), z.number()]);

/** How a picture becomes the input tensor: value = (pixel · scale − mean) / std, pixel 0–255. */
export const modelInput = z.strictObject({
  width: side,
  height: side,
  layout: z.enum(layouts),
  colour: z.enum(colours),
  dtype: z.enum(dtypes),
  scale: z.number().positive(),
  mean: perChannel,
  std: perChannel,
  fit: z.enum(['letterbox', 'letterbox-topleft', 'stretch']),
  pad: z.int().min(0).max(255),
  /** What photos are resized by; `lanczos3` where it is not said. Frames of videos are resized as they are decoded, whatever is said here. */
  filter: filter.optional(),
});
export type ModelInput = z.infer<typeof modelInput>;

const label = storableText(10_000);

export const modelLabels = z.union([
  z.array(label).min(1),
  // As a class is looked up by: `007` would be found by nobody.
  z.record(z.string().regex(/^(0|[1-9]\d{0,8})$/, 'a class id, as 7'), label),
]);
export type ModelLabels = z.infer<typeof modelLabels>;

const ofAny = {
  name: storableText(100).min(1).optional(),
  version: storableText(100).min(1).optional(),
  /** In the order of the classes, or from class id to label. */
  labels: modelLabels.optional(),
  source: storableText(10_000).optional(),
  license: storableText(100_000).optional(),
};

/** What the card of a detector may say; what it leaves out is guessed from the model. */
const detectorCard = z.strictObject({
  ...ofAny,
  task: z.literal('detector').optional(),
  input: modelInput.partial().optional(),
  head: z.enum(headNames).optional(),
  suppress: z
    .strictObject({ iou: z.number().min(0).max(1), iouAcrossClasses: z.number().min(0).max(1) })
    .partial()
    .optional(),
});
export type DetectorCard = z.infer<typeof detectorCard>;

/** What the card of a classifier says: nothing that numbers depend on is guessed. */
const classifierCard = z.strictObject({
  ...ofAny,
  task: z.literal('classifier'),
  preprocess,
  /** What the model gives for each class: `probabilities` as they are, `logits` still to go through a softmax. */
  outputs: z.enum(['logits', 'probabilities']),
});
export type ClassifierCard = z.infer<typeof classifierCard>;

export const modelCard = z.discriminatedUnion('task', [detectorCard, classifierCard]);
export type ModelCard = z.infer<typeof modelCard>;

/** Name of the default detector, which `converter/setup.ts` makes. */
export const DEFAULT_MODEL = 'ssdlite-mobilenet-v2';

/** Path the default detector has, or will have, in a folder. */
export function defaultModelPath(folder: string): string {
  return join(folder, `${DEFAULT_MODEL}.onnx`);
}

/** The label of a class; classes that have none are called by their number. */
export function labelOf(labels: ModelLabels, classId: number): string {
  const label = Array.isArray(labels) ? labels[classId] : labels[String(classId)];
  return label ?? `class ${classId}`;
}
