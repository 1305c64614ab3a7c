/** The model card: a JSON file beside the model (`detector.onnx` → `detector.json`) that says how to use it. */
import { readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { ProblemError } from '@darkroom/contract';
import { z } from 'zod';
import { headNames } from './heads/index.ts';

const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const side = z.int().min(8).max(8192);

/** How a picture becomes the input tensor: value = (pixel · scale − mean) / std, pixel 0–255. */
export const modelInput = z.strictObject({
  width: side,
  height: side,
  layout: z.enum(['nchw', 'nhwc']),
  colour: z.enum(['rgb', 'bgr']),
  dtype: z.enum(['float32', 'float16', 'uint8']),
  scale: z.number().positive(),
  mean: perChannel,
  std: perChannel,
  fit: z.enum(['letterbox', 'letterbox-topleft', 'stretch']),
  pad: z.int().min(0).max(255),
});
export type ModelInput = z.infer<typeof modelInput>;

export const modelLabels = z.union([
  z.array(z.string()).min(1),
  // As a class is looked up by: `007` would be found by nobody.
  z.record(z.string().regex(/^(0|[1-9]\d{0,8})$/, 'a class id, as 7'), z.string()),
]);
export type ModelLabels = z.infer<typeof modelLabels>;

/** What a card may say; what it leaves out is guessed from the model. */
export const modelCard = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  version: z.string().min(1).max(100).optional(),
  /** In the order of the classes, or from class id to label. */
  labels: modelLabels.optional(),
  input: modelInput.partial().optional(),
  head: z.enum(headNames).optional(),
  suppress: z
    .strictObject({ iou: z.number().min(0).max(1), iouAcrossClasses: z.number().min(0).max(1) })
    .partial()
    .optional(),
  source: z.string().optional(),
  license: z.string().optional(),
});
export type ModelCard = z.infer<typeof modelCard>;

/** Name of the default detector, which `converter/setup.ts` makes. */
export const DEFAULT_MODEL = 'ssdlite-mobilenet-v2';

/** Path the default detector has, or will have, in a folder. */
export function defaultModelPath(folder: string): string {
  return join(folder, `${DEFAULT_MODEL}.onnx`);
}

/** Path of the card of a model. */
export function cardPath(modelPath: string): string {
  return `${modelPath.slice(0, modelPath.length - extname(modelPath).length)}.json`;
}

/** Reads the card beside a model; an empty card when there is none. Throws `unsupported_model` when it is wrong. */
export async function readCard(modelPath: string): Promise<ModelCard> {
  const path = cardPath(modelPath);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  try {
    return modelCard.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new ProblemError('unsupported_model', `The model card ${basename(path)} is not valid: ${reason}`, {
      cause: error,
    });
  }
}

/** The label of a class; classes that have none are called by their number. */
export function labelOf(labels: ModelLabels, classId: number): string {
  const label = Array.isArray(labels) ? labels[classId] : labels[String(classId)];
  return label ?? `class ${classId}`;
}
