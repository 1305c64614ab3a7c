/** Stamps: small pictures of positions in a survey, cut tile by tile. The sky cutouts' shape, without a sky. */
import { type KindDefinition, uriOfList } from '@darkroom/contract';
import { z } from 'zod';

/** A row of a catalogue. */
export const position = z
  .strictObject({
    name: z.string().min(1).max(100),
    x: z.coerce.number().min(0).max(100_000),
    y: z.coerce.number().min(0).max(100_000),
  })
  .meta({ id: 'StampPosition' });
export type Position = z.infer<typeof position>;

/** The options of a job: what a request may say, what the row keeps, what a rerun may change. */
export const stampsOptions = z
  .strictObject({
    bytes: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(64)
      .meta({ description: 'Size of a stamp; one of nothing is no object.' }),
    badRow: z
      .enum(['item fails', 'job fails'])
      .default('item fails')
      .meta({ description: 'What a row of the catalogue does that is no position.' }),
    pageMs: z.int().min(1).default(2000).meta({ description: 'How long a page may take while others wait.' }),
    keep: z.boolean().default(true).meta({ description: 'Whether each stamp is a row of the table, too.' }),
  })
  .meta({ id: 'StampsOptions' });
export type StampsOptions = z.infer<typeof stampsOptions>;

export const stampsRequest = stampsOptions
  .extend({
    positions: z.array(position).min(1).optional(),
    catalogue: z
      .string()
      .optional()
      .meta({ description: 'CSV (`.csv`), NDJSON, or with a closing slash the objects under a prefix.' }),
    upload: z.uuid().optional().meta({ description: 'Id of an upload of such a file.' }),
  })
  .refine(
    ({ positions, catalogue, upload }) =>
      [positions, catalogue, upload].filter((one) => one !== undefined).length === 1,
    { error: 'expected one of positions, catalogue and upload' },
  )
  .meta({ id: 'StampsRequest', example: { positions: [{ name: 'a', x: 12, y: 40 }] } });

export const stampsKind = {
  kind: 'stamps',
  title: 'Stamps',
  workflow: 'stamps',
  input: stampsOptions,
  stages: [
    { name: 'plan', unit: 'rows', weight: 1 },
    { name: 'measure', unit: 'catalogues', weight: 1 },
    { name: 'stamp', unit: 'stamps', weight: 7, itemsOf: 'stamp' },
    { name: 'publish', unit: 'stamps', weight: 1, itemsOf: 'stamp' },
  ],
  sourceOf: uriOfList,
  retentionDays: 7,
  sizes: { stamps: ({ stage }) => Number(stage === 'stamp') },
  limits: { stamps: 200_000 },
  inputs: (id: string) => `stamp-catalogues/${id}/`,
  outputs: (id: string): [string] => [`stamps/${id}/`],
} as const satisfies KindDefinition;
