/** Batch prediction: what a model says of each of many pictures. */
import { z } from 'zod';
import { type KindDefinition, queues } from '../jobs/kind.ts';
import { uriOfList } from '../jobs/list.ts';
import { modelOptionLength } from '../models/models.ts';
import { problemRecord } from '../problems/problem.ts';
import { modelIdentity, storableText } from './photo.ts';
import { predictionOutput, predictionState, topClasses } from './prediction.ts';

export const batchFormats = ['ndjson', 'csv'] as const;

export const batchOptions = z
  .strictObject({
    model: storableText(modelOptionLength)
      .min(1)
      .default('default')
      .meta({ description: 'Name of a model, or `default`. The first attempt pins its version.' }),
    topK: topClasses,
    threshold: z
      .number()
      .min(0)
      .max(1)
      .default(0.4)
      .meta({ description: 'Lowest score that a detector tells of.' }),
    formats: z
      .array(z.enum(batchFormats))
      .min(1)
      .max(batchFormats.length)
      .default([...batchFormats])
      .meta({ description: 'What the results are written as.' }),
  })
  .meta({ id: 'BatchPredictionOptions' });
export type BatchOptions = z.infer<typeof batchOptions>;

/** Most pictures that stand in a request, which LIMIT_JSON_BYTES has room for as shipped: more come as a list. */
const mostPictures = 1000;

export const batchRequest = batchOptions
  .extend({
    source: z.string().max(4096).optional().meta({
      description:
        'With a closing slash the objects under a prefix; else a list (`.csv` with a column `uri`, `.ndjson`, `.jsonl`) or an archive (`.zip`, `.tar`, `.tar.gz`, `.tgz`) in the store.',
      example: 's3://bucket/photos/',
    }),
    pictures: z.array(z.string().max(4096)).min(1).max(mostPictures).optional().meta({
      description:
        'URIs of pictures, as many as LIMIT_JSON_BYTES has room for, too (64 KiB as shipped); more come as a list.',
    }),
    upload: z.uuid().optional().meta({ description: 'Id of an upload of such a list or archive.' }),
  })
  .refine(
    ({ source, pictures, upload }) =>
      [source, pictures, upload].filter((one) => one !== undefined).length === 1,
    { error: 'expected one of source, pictures and upload' },
  )
  .meta({ id: 'BatchPredictionRequest', example: { source: 's3://bucket/photos/', topK: 3 } });

/** A picture of a batch; the `input` of its item. */
export const batchPicture = z.object({
  uri: z.string(),
  etag: z.string(),
  bytes: z.int(),
  /** Its path within the archive that it came in. */
  entry: z.string().optional(),
});
export type BatchPicture = z.infer<typeof batchPicture>;

/** What is known of an item whose picture could not be had. */
export const knownOfPicture = batchPicture.pick({ uri: true, entry: true }).partial();

/** A line of the results. */
export const batchResult = z
  .object({
    number: z.int().min(1).meta({ description: 'Of the row, object or entry, from 1.' }),
    picture: z.string().nullable().meta({
      description: 'Its URI, or its path within the archive; null where a row of a list names none.',
    }),
    state: predictionState,
    result: z.int().min(0).nullable().meta({
      description: 'Class index; null where a detector found nothing, or the prediction failed.',
    }),
    label: z.string().nullable(),
    score: z.number().min(0).max(1).nullable(),
    ...predictionOutput.partial().shape,
    model: modelIdentity.nullable(),
    problem: problemRecord.pick({ code: true, detail: true }).nullable(),
  })
  .meta({ id: 'BatchPredictionResult' });
export type BatchResult = z.infer<typeof batchResult>;

/** How far a plan has come: so many items are in the ledger, and whether these are all. */
export interface Planned {
  readonly found: number;
  readonly done: boolean;
}

export const predictionBatchKind = {
  kind: 'prediction-batch',
  title: 'Batch prediction',
  workflow: 'predictionBatch',
  input: batchOptions,
  queue: queues.recognition,
  stages: [
    { name: 'plan', unit: 'rows', weight: 1 },
    { name: 'predict', unit: 'pictures', weight: 18, itemsOf: 'predict' },
    { name: 'publish', unit: 'pictures', weight: 1, itemsOf: 'predict' },
  ],
  sourceOf: uriOfList,
  sizes: { pictures: ({ stage }) => Number(stage === 'predict') },
  estimate: { seconds: { base: 2, per: { pictures: 0.06 } } },
  inputs: (id: string) => `batch-prediction-inputs/${id}/`,
  // What an archive holds lies in the second until it is predicted.
  outputs: (id: string): [string, string] => [`batch-predictions/${id}/`, `batch-pictures/${id}/`],
} as const satisfies KindDefinition;
