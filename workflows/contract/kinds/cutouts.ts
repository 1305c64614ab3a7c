/** Cutouts of sky surveys as a job: many positions, each with one parameter set or several. */
import { z } from 'zod';
import { jobEstimate, jobQueue } from '../jobs/job.ts';
import { type KindDefinition, queues } from '../jobs/kind.ts';
import { uriOfList } from '../jobs/list.ts';
import { problemRecord } from '../problems/problem.ts';
import { cutoutFacts, cutoutMode, cutoutQuery } from './cutout.ts';
import { storableText } from './photo.ts';

/** Parameters of one cutout, as a request for one has them; of which position is said by the rows. */
const parameters = cutoutQuery.omit({ ra: true, dec: true });

/** What a parameter set changes; defaults are those of the job's own parameters. */
export const cutoutSet = z
  .strictObject(
    Object.fromEntries(
      Object.entries(parameters.shape).map(([name, schema]) => [
        name,
        (schema instanceof z.ZodDefault ? schema.unwrap() : schema).optional(),
      ]),
    ) as {
      [Name in keyof typeof parameters.shape]: z.ZodOptional<
        (typeof parameters.shape)[Name] extends z.ZodDefault<infer Inner>
          ? Inner
          : (typeof parameters.shape)[Name]
      >;
    },
  )
  .meta({ id: 'CutoutParameterSet' });
export type CutoutSet = z.infer<typeof cutoutSet>;

/** Parameter sets of one job at most. */
export const mostSets = 20;

export const cutoutsOptions = parameters
  .extend({
    sets: z
      .array(cutoutSet)
      .min(1)
      .max(mostSets)
      .optional()
      .meta({
        description:
          'Parameter sets: a cutout of every position is made with each. A set has what it changes of the parameters beside it.',
        example: [{ format: 'fits' }, { format: 'png', bands: 'i,r,g', algorithm: 'lupton' }],
      }),
    onError: z.enum(['fail', 'skip']).default('fail').meta({
      description:
        'What becomes of a job that has rows which cannot be read: it fails before any work, naming the first (`fail`), or goes on without them, each a failed row of the manifest (`skip`).',
    }),
    deliverTo: storableText(1024).min(1).optional().meta({
      description:
        'Where the files are written besides: a prefix that was granted for writing, `s3://bucket/prefix/`, or an allowed directory, `file:///home/ada/cutouts/`. What was delivered is yours: neither a delete nor the retention touches it.',
    }),
    pack: z.boolean().default(false).meta({
      description:
        'Small files, up to 256 KiB each, are stored some dozens in one object, and served singly all the same: less to write and to list in the store. Only where they lie in it differs, by `uri` and `range`.',
    }),
  })
  .meta({ id: 'CutoutsOptions' });
export type CutoutsOptions = z.infer<typeof cutoutsOptions>;

/** Numbers as well as texts: what is in range is said of both. */
const coordinate = z.union([storableText(40).min(1), z.number().transform(String)]);

/** Whether reading JSON may have rounded a number, as it does with the ids of large catalogues. */
export const losesDigits = (id: number): boolean => Number.isInteger(id) && !Number.isSafeInteger(id);
export const lostDigits = 'is a number above 2^53, of which JSON loses digits: write it as text';

const wholeId = z
  .number()
  .refine((id) => !losesDigits(id), lostDigits)
  .transform(String);

/** A position, as a row of a list or in JSON; CSV has them by its header, upper and lower case alike. What else stands in a row is its user's. */
export const cutoutPosition = z
  .object({
    id: z
      .union([storableText(200).min(1), wholeId])
      .optional()
      .meta({
        description: 'Names the file and the row of the manifest; without, its position does.',
      }),
    ra: coordinate.meta({
      description: 'Right ascension, ICRS: degrees, or hours as `01:02:03.4`.',
      example: 150.1,
    }),
    dec: coordinate.meta({ description: 'Declination, ICRS: degrees, or `-01:02:03`.', example: 2.2 }),
    size: storableText(60).min(1).optional().meta({ description: 'Of this row alone, as `1arcmin`.' }),
  })
  .meta({ id: 'CutoutPosition' });
export type CutoutPosition = z.infer<typeof cutoutPosition>;

/** Most positions that stand in a request, which LIMIT_JSON_BYTES has room for as shipped: more come as a list. */
const mostPositions = 1000;

export const cutoutsRequest = cutoutsOptions
  .extend({
    positions: z.array(cutoutPosition).min(1).max(mostPositions).optional(),
    source: z.string().max(4096).optional().meta({
      description: 'A list in the store: `.csv` with a header, `.ndjson` or `.jsonl`.',
      example: 's3://bucket/targets.csv',
    }),
    upload: z.uuid().optional().meta({ description: 'Id of an upload of such a list.' }),
  })
  .refine(
    ({ source, positions, upload }) =>
      [source, positions, upload].filter((one) => one !== undefined).length === 1,
    { error: 'expected one of positions, source and upload' },
  )
  .meta({
    id: 'CutoutsRequest',
    example: { survey: 'sample-coadd', size: '1arcmin', positions: [{ id: 'A1', ra: 150.1, dec: 2.2 }] },
  });

/** What a job would take, before there is one. */
export const cutoutsEstimate = z
  .object({
    rows: z
      .object({
        count: z.int(),
        broken: z
          .int()
          .meta({ description: 'Of the rows that were read, those that `onError=skip` goes on without.' }),
        exact: z.boolean().meta({
          description:
            'Whether all rows were read; of a long list in the store the beginning is, and the rest taken to be like it.',
        }),
      })
      .meta({ id: 'CutoutRowsCounted' }),
    cutouts: z.int(),
    bytes: z.int().meta({ description: 'Of all files together.' }),
    seconds: jobEstimate.shape.seconds,
    runs: jobEstimate.shape.runs,
    error: jobEstimate.shape.error,
    queue: jobQueue,
  })
  .meta({ id: 'CutoutsEstimate', description: 'An estimate, not a promise.' });
export type CutoutsEstimate = z.infer<typeof cutoutsEstimate>;

/** One cutout of a job; the `input` of its item. */
export const cutoutItem = z.object({
  /** Of the list, from 1. */
  row: z.int().min(1),
  /** Of the job's parameter sets, from 0. */
  set: z.int().min(0),
  /** As its user has it. */
  id: z.string().nullable(),
  /** Of its file, in the archive and where it is delivered. */
  name: z.string(),
  /** Degrees, ICRS. */
  ra: z.number(),
  dec: z.number(),
  /** The row's own. */
  size: z.string().optional(),
  /** Of each band of its set: the tiles it is made of, that of the centre first. */
  tiles: z.array(z.array(z.string())),
  /** Of all bands and planes together. */
  pixels: z.int(),
  /** Bytes that its file is expected to have. */
  bytes: z.int(),
  /** Key of the item before it that has the same file: that is made once. */
  repeats: z.string().optional(),
});
export type CutoutItem = z.infer<typeof cutoutItem>;

/** What is known of a row that came to no cutout. */
export const brokenCutoutItem = cutoutItem
  .pick({ row: true, set: true })
  .extend({ id: z.string().nullable(), ra: z.string().nullable(), dec: z.string().nullable() });
export type BrokenCutoutItem = z.infer<typeof brokenCutoutItem>;

/** A row of the job's `manifest.json` and `manifest.csv`: one for every row of the list and parameter set, in the list's order; of a row that could not be read there is one alone. */
export const cutoutResult = z
  .object({
    row: z.int().min(1).meta({ description: 'Of the list, from 1.' }),
    set: z.int().min(0).meta({ description: 'Of the parameter sets, from 0.' }),
    id: z.string().nullable(),
    ra: z.number().nullable().meta({ description: 'Degrees, ICRS; null where the row could not be read.' }),
    dec: z.number().nullable(),
    survey: z.string(),
    size: z.string(),
    format: z.string(),
    bands: z.string(),
    file: z.string().nullable().meta({ description: 'Path in the archive; null where there is no file.' }),
    tiles: z.array(z.string()),
    mode: cutoutMode.nullable(),
    coverage: z.number().min(0).max(1).nullable(),
    status: z.enum(['succeeded', 'failed']),
    bytes: z.int().nullable(),
    sha256: z.string().nullable(),
    warnings: cutoutFacts.shape.warnings,
    problem: problemRecord.pick({ code: true, detail: true }).nullable(),
  })
  .meta({ id: 'CutoutResult' });
export type CutoutResult = z.infer<typeof cutoutResult>;

/** `result.summary` of a job: what a person looks at first. */
export const cutoutsSummary = z
  .object({
    succeeded: z.int(),
    failed: z.int(),
    repeated: z
      .int()
      .meta({ description: 'Of those that succeeded, the ones that another row’s file is of, too.' }),
    bytes: z.int().meta({ description: 'Of all files together, repeated ones each time.' }),
    pixels: z.number(),
    tiles: z.int().meta({ description: 'Tiles that are read, each of its bands counted.' }),
    stages: z.array(
      z.object({
        name: z.string(),
        workSeconds: z
          .number()
          .meta({ description: 'Of all its attempts together, some beside each other.' }),
        queueSeconds: z.number().meta({ description: 'Which it waited for workers.' }),
      }),
    ),
    slowest: z
      .array(z.object({ row: z.int(), set: z.int(), file: z.string(), seconds: z.number() }))
      .meta({ description: 'The ten cutouts that took longest to make.' }),
    failures: z
      .array(
        z.object({
          code: problemRecord.shape.code,
          count: z.int(),
          first: z.object({ row: z.int(), detail: z.string() }),
        }),
      )
      .meta({ description: 'By reason, the most frequent first, each with the first row it is of.' }),
  })
  .meta({ id: 'CutoutsSummary' });
export type CutoutsSummary = z.infer<typeof cutoutsSummary>;

/** Begins the name of a group whose cutouts are made of several tiles. */
export const mosaicGroups = 'mosaic:';

const sizeOfItem = (name: 'pixels' | 'bytes', input: object): number => {
  const amount = cutoutItem.partial().safeParse(input).data?.[name];
  return amount ?? 0;
};

/** What a plan came to: how many cutouts, and whether their files are to be delivered. */
export interface PlannedCutouts {
  readonly found: number;
  readonly delivers: boolean;
}

export const cutoutsKind = {
  kind: 'cutouts',
  title: 'Cutouts',
  workflow: 'cutouts',
  input: cutoutsOptions,
  queue: queues.sky,
  stages: [
    { name: 'plan', unit: 'rows', weight: 1 },
    { name: 'cut', unit: 'cutouts', weight: 17, itemsOf: 'cut' },
    // Only where that is asked for.
    { name: 'deliver', unit: 'files', weight: 1 },
    { name: 'publish', unit: 'cutouts', weight: 1, itemsOf: 'cut' },
  ],
  sourceOf: uriOfList,
  targetOf: ({ deliverTo }) => (typeof deliverTo === 'string' ? deliverTo : undefined),
  retentionDays: 7,
  sizes: {
    cutouts: ({ stage }) => Number(stage === 'cut'),
    pixels: ({ stage, input }) => (stage === 'cut' ? sizeOfItem('pixels', input) : 0),
    bytes: ({ stage, input }) => (stage === 'cut' ? sizeOfItem('bytes', input) : 0),
  },
  limits: { cutouts: 500_000, bytes: 500e9 },
  estimate: { seconds: { base: 1.5, per: { cutouts: 0.006, pixels: 4e-8 } } },
  inputs: (id: string) => `cutout-lists/${id}/`,
  // What the platform notes of the files lies apart from what their user is given.
  outputs: (id: string): [string, string] => [`cutout-records/${id}/`, `cutouts/${id}/`],
} as const satisfies KindDefinition;
