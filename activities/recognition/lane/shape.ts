/** What a recognition lane is asked and answers. It holds one version of one model. */
import { modelIdentity, modelTensors, scoredLabel } from '@darkroom/contract';
import { type LaneShape, laneShape } from '@darkroom/lane';
import { numericHeader, tensorHeader } from '@darkroom/prediction/tensors/tensor.ts';
import { z } from 'zod';
import type { Analysis } from '../analyse.ts';
import { modelCard, modelInput, modelLabels } from '../model/card/card.ts';
import { preprocess } from '../model/card/preprocess.ts';
import type { Wanted } from '../model/detect.ts';
import { headNames } from '../model/heads/index.ts';
import type { ModelOptions } from '../model/session.ts';
import type { ClassifierUnderstanding } from '../model/understanding/classifier.ts';
import type { Understanding } from '../model/understanding/understand.ts';
import type { PhotoLimits } from '../picture/prepare.ts';
import { stages } from '../stages.ts';

const modelOptions = z.object({
  modelPath: z.string().optional(),
  modelsDir: z.string(),
  version: z.object({ identity: modelIdentity, card: modelCard }).optional(),
  device: z.enum(['cpu', 'cuda']),
  threads: z.int(),
  memoryBytes: z.number().optional(),
}) satisfies z.ZodType<Partial<ModelOptions>>;

const understanding = z.object({
  identity: modelIdentity,
  input: modelInput,
  head: z.enum(headNames),
  labels: modelLabels,
  suppress: z.object({ iou: z.number(), iouAcrossClasses: z.number() }),
  guessed: z.boolean(),
  understood: z.string(),
  tensors: modelTensors.optional(),
}) satisfies z.ZodType<Understanding>;

const classifierUnderstanding = z.object({
  identity: modelIdentity,
  head: z.literal('classifier'),
  preprocess,
  outputs: z.enum(['logits', 'probabilities']),
  labels: modelLabels,
  guessed: z.boolean(),
  understood: z.string(),
  tensors: modelTensors.optional(),
}) satisfies z.ZodType<ClassifierUnderstanding>;

const wanted = {
  threshold: z.number(),
  thresholds: z.record(z.string(), z.number()).optional(),
  labels: z.array(z.string()).readonly().optional(),
  iou: z.number().optional(),
  classAgnostic: z.boolean().optional(),
  maxDetections: z.int().optional(),
} satisfies Record<keyof Wanted, z.ZodType>;

const limits = z.strictObject({ bytes: z.number(), pixels: z.number(), frames: z.number() } satisfies Record<
  keyof PhotoLimits,
  z.ZodType
>);

const asked = { ...wanted, annotate: z.boolean(), limits };

const number = z.number();
const detections = z.array(
  z.object({
    label: z.string(),
    classId: z.int(),
    score: number,
    box: z.object({ x: number, y: number, width: number, height: number }),
  }),
);

const formats = [
  'jpeg',
  'png',
  'webp',
  'tiff',
  'gif',
  'avif',
  'heic',
] as const satisfies Analysis['format'][];

const looked = {
  width: z.int().positive(),
  height: z.int().positive(),
  format: z.enum(formats),
  timings: z.partialRecord(z.enum(stages), number),
};

export const recognitionShape = laneShape({
  setup: z.object({
    model: modelOptions,
    /** Module that decodes what libvips does not; see `ForeignModule`. */
    foreign: z.url().optional(),
  }),
  told: z.union([understanding, classifierUnderstanding]),
  tasks: {
    /** Body: the file. Answer's body: the picture with boxes, where that is asked for. */
    photo: {
      // What is not listed above is refused, and not left out.
      params: z.strictObject(asked),
      result: z.object({ ...looked, detections }),
      stages,
    },
    /** Body: the file. */
    classify: {
      params: z.strictObject({
        topK: z.int().positive(),
        limits,
        /** Names; answer's bodies: these. */
        outputs: z.array(z.string()).optional(),
      }),
      result: z.object({
        ...looked,
        classes: z.array(z.object({ label: z.string(), classId: z.int(), score: number })),
        outputs: z.array(numericHeader).optional(),
      }),
      stages,
    },
    /** Bodies: the inputs of the model itself. Answer's bodies: its outputs. */
    infer: {
      params: z.strictObject({
        inputs: z.array(numericHeader),
        /** Names. */
        outputs: z.array(z.string()),
        /** Of all outputs together, bytes. */
        most: z.int(),
      }),
      result: z.object({
        outputs: z.array(tensorHeader),
        /** Of a classifier's run on one picture. */
        best: scoredLabel.nullable(),
        timings: looked.timings,
      }),
      stages,
    },
    /** Bodies: the model's input as PNG, and the picture of `size` to be drawn into, where that is asked for. */
    frame: {
      params: z.strictObject({
        ...asked,
        size: z.object({ width: z.int().positive(), height: z.int().positive() }),
      }),
      result: z.object({ detections }),
      stages,
    },
  },
} satisfies LaneShape);
