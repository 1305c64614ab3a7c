/** Photo recognition: options, what is found, results. */
import { z } from 'zod';
import { type KindDefinition, queues } from '../jobs/kind.ts';
import { modelOptionLength } from '../models/models.ts';
import { storable } from '../problems/problem.ts';

/** Text that goes into rows: up to `most` characters of well-formed Unicode. */
export const storableText = (most: number) =>
  z
    .string()
    .max(most)
    .refine((value) => storable(value) === value, 'has NUL or broken Unicode');

/** Scores by label. A record leaves `__proto__` out without a word. */
const scoresByLabel = z.preprocess(
  (scores, context) => {
    if (typeof scores === 'object' && scores !== null && Object.hasOwn(scores, '__proto__'))
      context.addIssue({ code: 'custom', path: ['__proto__'], message: 'is not taken as a label' });
    return scores;
  },
  z
    .record(storableText(100).min(1), z.number().min(0).max(1))
    .refine((scores) => Object.keys(scores).length <= 200, 'has more than 200 labels'),
);

export const analysisOptions = z
  .strictObject({
    model: storableText(modelOptionLength).min(1).default('default').meta({
      description: '`default`, the name of a model, `NAME@ALIAS` or `NAME@VERSION`.',
    }),
    scoreThreshold: z
      .number()
      .min(0)
      .max(1)
      .default(0.4)
      .meta({ description: 'Lowest score that is reported.' }),
    labels: z
      .array(storableText(100).min(1))
      .max(200)
      .default([])
      .meta({ description: 'Labels wanted; empty means all.', example: ['cat', 'dog'] }),
    annotate: z.boolean().default(true).meta({ description: 'Whether to draw boxes and labels.' }),
    // What a job of before does not have stays absent, not a default: its digests and fingerprints are what they were.
    thresholds: scoresByLabel.optional().meta({
      description: 'Lowest score of some labels, in place of scoreThreshold.',
      example: { person: 0.6 },
    }),
    iou: z.number().min(0).max(1).optional().meta({
      description:
        'Of two boxes of one label that overlap by more (intersection over union), the better one stays; 1 keeps all. Absent: as the model has it.',
    }),
    classAgnostic: z.boolean().optional().meta({
      description: 'Whether that holds for boxes of different labels too. Absent: as the model has it.',
    }),
    maxDetections: z.int().min(1).max(1000).optional().meta({
      description: 'The best so many of each picture, of the labels wanted. Absent: 300.',
    }),
  })
  .meta({ id: 'AnalysisOptions' });
export type AnalysisOptions = z.infer<typeof analysisOptions>;

/** A photo or the video of a task as it was pinned at submit; the `input` of its item. */
export interface MediaSource {
  readonly uri: string;
  readonly etag: string;
  readonly bytes: number;
  /** Name as the user gave it; shown, never used as a path. */
  readonly filename: string;
}

/** Where an item's {@link MediaSource} lies. */
export const sourceUriOf = (itemInput: object): string | undefined => (itemInput as Partial<MediaSource>).uri;

/** Box in pixels of the source, EXIF orientation applied; x, y = top left corner. */
export const box = z
  .object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() })
  .meta({ id: 'Box' });
export type Box = z.infer<typeof box>;

export const detection = z
  .object({
    label: z.string(),
    classId: z
      .int()
      .min(0)
      .optional()
      .meta({ description: "The label's number in the model's own list; absent in results of before." }),
    score: z.number().min(0).max(1),
    box,
  })
  .meta({ id: 'Detection' });
export type Detection = z.infer<typeof detection>;

export const modelIdentity = z
  .object({
    name: z.string(),
    version: z.string(),
    digest: z
      .string()
      .meta({ description: 'SHA-256 of the model file or, where a card says more, of both.' }),
  })
  .meta({ id: 'ModelIdentity' });
export type ModelIdentity = z.infer<typeof modelIdentity>;

/** A version as the key of a map; no two have the same. */
export const modelKey = ({ name, version, digest }: ModelIdentity): string =>
  JSON.stringify([name, version, digest]);

/** The JSON result of one photo, as it lies in S3. A function of its input alone: no clock, no job id. */
export const photoResult = z
  .object({
    width: z.int(),
    height: z.int(),
    format: z.string(),
    model: modelIdentity,
    scoreThreshold: z.number(),
    detections: z.array(detection),
  })
  .meta({ id: 'PhotoResult' });
export type PhotoResult = z.infer<typeof photoResult>;

/** Bytes of an item's {@link MediaSource}. */
export const sourceBytesOf = (itemInput: object): number => (itemInput as Partial<MediaSource>).bytes ?? 0;

export const photoKind = {
  kind: 'photo',
  title: 'Photo recognition',
  workflow: 'photo',
  input: analysisOptions,
  queue: queues.recognition,
  stages: [
    { name: 'probe', unit: 'photos', weight: 1, itemsOf: 'recognise' },
    { name: 'prepare', unit: 'photos', weight: 4, itemsOf: 'recognise' },
    { name: 'recognise', unit: 'photos', weight: 4, itemsOf: 'recognise' },
    { name: 'annotate', unit: 'photos', weight: 4, itemsOf: 'recognise' },
    { name: 'publish', unit: 'photos', weight: 1, itemsOf: 'recognise' },
  ],
  sourceOf: sourceUriOf,
  // How many there are at most is LIMIT_PHOTOS_PER_TASK, which the request is held to while it comes in.
  sizes: { photos: () => 1, bytes: ({ input }) => sourceBytesOf(input) },
  estimate: { seconds: { base: 0.5, per: { photos: 0.15, bytes: 3e-8 } } },
  inputs: (id: string) => `input-files/${id}/`,
  outputs: (id: string): [string, string] => [`recognition-results/${id}/`, `scene-images/${id}/`],
} as const satisfies KindDefinition;
