/** Predictions: one picture, one answer, in the records before it is given. */
import { z } from 'zod';
import { problemRecord } from '../problems/problem.ts';
import { detection, modelIdentity } from './photo.ts';

/** Channel on which Postgres tells that the rows of a micro-batch are there; the payload is the batch's id. */
export const predictionsChannel = 'darkroom_predictions';

/** Activity of the queue `interactive` that predicts a micro-batch. */
export const predictActivity = 'predictBatch';

/** Attempts at a batch, deaths of a worker included; its items are worked on one by one before the last. */
export const predictAttempts = 6;

/** A class with how sure the model is of it. */
export const scoredLabel = z
  .object({
    classId: z.int().min(0).meta({ description: "The label's number in the model's own list." }),
    label: z.string(),
    score: z.number().min(0).max(1),
  })
  .meta({ id: 'ScoredLabel' });
export type ScoredLabel = z.infer<typeof scoredLabel>;

/** How many of the best classes an answer has; an option of predictions, one at a time or in batches. */
export const topClasses = z
  .int()
  .min(1)
  .max(100)
  .default(5)
  .meta({ description: 'Classes that a classifier tells of, best first.' });

/** What a model says of a picture beside the class. */
export const predictionOutput = z.object({
  width: z.int().meta({ description: 'Pixels, EXIF orientation applied, as those of boxes.' }),
  height: z.int(),
  format: z.string(),
  top: z
    .array(scoredLabel)
    .optional()
    .meta({ description: 'The best classes, best first: of a classifier.' }),
  detections: z
    .array(detection)
    .optional()
    .meta({ description: 'What was found, best first: of a detector.' }),
});
export type PredictionOutput = z.infer<typeof predictionOutput>;

export const predictionState = z.enum(['succeeded', 'failed']);

/** Milliseconds each step took. */
export const predictionTimings = z
  .object({
    gather: z.number().meta({ description: 'From the whole request to its batch being handed over.' }),
    queue: z.number().meta({ description: 'Until a worker had the batch.' }),
    fetch: z.number().meta({ description: 'Until the worker had its pictures.' }),
    decode: z.number().meta({ description: 'Decoding and preparing; waiting for a place included.' }),
    infer: z.number(),
  })
  .partial()
  .meta({ id: 'PredictionTimings', description: 'Milliseconds each step took.' });
export type PredictionTimings = z.infer<typeof predictionTimings>;

/** An output of the model itself: what it is, and its elements as they are in memory, little endian. */
export interface RecordedOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** The row of a prediction, as whoever makes it writes it. Failed: `problem` says why, and `result` is null. */
export interface PredictionRecord {
  readonly id: number;
  /** When the whole request was there, ISO 8601; with the id, the key of the row. */
  readonly acceptedAt: string;
  readonly owner: string;
  readonly state: z.infer<typeof predictionState>;
  /** Class index; null also where a detector found nothing. */
  readonly result: number | null;
  readonly label: string | null;
  readonly score: number | null;
  readonly output: PredictionOutput | null;
  readonly problem: z.infer<typeof problemRecord> | null;
  readonly model: z.infer<typeof modelIdentity>;
  /** Name by which the version was chosen, if any, and whether as its canary. */
  readonly alias: string | null;
  readonly canary: boolean;
  readonly filename: string;
  readonly bytes: number;
  readonly timings: PredictionTimings;
  readonly traceId: string | null;
  /** For whoever waits for them; they are not kept. */
  readonly outputs?: readonly RecordedOutput[] | undefined;
}

/** These two keys alone: what its users have always got. */
export const prediction = z
  .object({
    id: z.int().min(1).meta({ example: 1 }),
    result: z.int().min(0).nullable().meta({
      description: 'Class index; null where a detector found nothing, or the prediction failed.',
      example: 4,
    }),
  })
  .meta({ id: 'Prediction' });
export type Prediction = z.infer<typeof prediction>;

export const predictionDetail = prediction
  .extend({
    state: predictionState,
    label: z.string().nullable(),
    score: z.number().min(0).max(1).nullable(),
    ...predictionOutput.partial().shape,
    model: modelIdentity,
    alias: z.string().nullable().meta({
      description:
        'Alias by which the version was chosen; null where the request named a version, or none is set.',
      example: 'production',
    }),
    canary: z.boolean().meta({ description: 'Whether the version was chosen as the canary of the alias.' }),
    filename: z.string(),
    bytes: z.int(),
    picture: z.string().nullable().meta({
      description:
        'Address of the picture, where it was kept: it carries a signature of its own, so that a browser may open it. Null where it was not.',
    }),
    timings: predictionTimings,
    problem: problemRecord.nullable(),
    traceId: z.string().nullable(),
    acceptedAt: z.iso.datetime(),
    finishedAt: z.iso.datetime(),
  })
  .meta({ id: 'PredictionDetail' });
/** What a request for a prediction is answered with: its two keys, or all of it. */
export const predictionAnswer = predictionDetail.partial().required({ id: true, result: true }).meta({
  id: 'PredictionAnswer',
  description: '`id` and `result` alone, where `detail` was not asked for.',
});
export type PredictionAnswer = z.infer<typeof predictionAnswer>;
export type PredictionDetail = z.infer<typeof predictionDetail>;

/** What the activity is told of a micro-batch: all else stands in its packed object. */
export const predictBatch = z.object({
  batch: z.string(),
  /** Of the packed object, in the platform's bucket. */
  key: z.string(),
  bytes: z.int(),
});
export type PredictBatch = z.infer<typeof predictBatch>;
