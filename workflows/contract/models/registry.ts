/** The models as the API tells of them: names, each with its versions, and aliases that stand for some of these. */
import { z } from 'zod';
import { problemRecord } from '../problems/problem.ts';
import { modelService, openedModel } from './models.ts';

export const versionState = z.enum(['candidate', 'ready', 'failed']).meta({
  description:
    '`candidate`: still to be tried by a worker. `ready`: one has opened it. `failed`: `problem` says why.',
});

export const modelVersion = openedModel
  .omit({ name: true, digest: true })
  // Of one that nobody has opened yet.
  .partial()
  .extend({
    version: z.string(),
    digest: openedModel.shape.digest,
    state: versionState,
    wanted: z.boolean().meta({
      description:
        'Whether workers are to hold it open: it was loaded. What a worker was configured with is open besides.',
    }),
    serves: z.array(modelService).meta({ description: 'What it can be opened for.' }),
    aliases: z
      .array(z.string())
      .meta({ description: 'Names by which it is got now; `default` where no model is named.' }),
    workers: z.int().meta({ description: 'How many living workers have it open.' }),
    problem: problemRecord.nullable().meta({ description: 'Why it failed.' }),
    registeredAt: z.iso.datetime().nullable().meta({
      description: 'Null where a worker has it open that is of a release before.',
    }),
  })
  .meta({ id: 'ModelVersion' });
export type ModelVersion = z.infer<typeof modelVersion>;

export const modelVersionDetail = modelVersion
  .extend({
    name: z.string(),
    card: z.record(z.string(), z.unknown()).nullable().meta({ description: 'What it is opened with.' }),
    bytes: z.int().nullable().meta({ description: 'Size of the file.' }),
    sha256: z.string().nullable().meta({ description: 'Of the file alone.' }),
    registeredBy: z.string().nullable().meta({
      description:
        'Owner of the key, or the worker that was configured with it, which operators alone are told.',
    }),
    confirmations: z
      .array(
        z.object({
          worker: z.string().nullable().meta({
            description: 'Host and process; null where the key is no operator’s.',
          }),
          serves: modelService,
          state: z.enum(['opening', 'ready', 'failed']),
          lanes: z.int().meta({ description: 'Processes that work with it at most.' }),
          problem: problemRecord.nullable(),
          seenAt: z.iso.datetime().meta({ description: 'When the worker last said so.' }),
        }),
      )
      .meta({ description: 'What each living worker says of it.' }),
  })
  .meta({ id: 'ModelVersionDetail' });
export type ModelVersionDetail = z.infer<typeof modelVersionDetail>;

const target = z.object({
  version: z.string().meta({ example: '2' }),
  canary: z
    .object({
      version: z.string(),
      share: z.number().meta({ description: 'Of the requests, above 0 and below 1.', example: 0.1 }),
    })
    .nullable()
    .meta({ description: 'Gets a share of the requests instead; the record of each says so.' }),
});

export const modelAlias = target
  .extend({
    name: z.string(),
    alias: z.string().meta({ example: 'production' }),
    previous: target
      .nullable()
      .meta({ description: 'What it stood for before the last change: where a roll back leads.' }),
    changedBy: z.string(),
    changedAt: z.iso.datetime(),
  })
  .meta({ id: 'ModelAlias' });
export type ModelAlias = z.infer<typeof modelAlias>;

export const modelAliasDetail = modelAlias
  .extend({
    changes: z
      .array(
        z.object({
          action: z.enum(['alias_set', 'alias_rolled_back', 'alias_removed']),
          by: z.string(),
          at: z.iso.datetime(),
          target: target.nullable(),
        }),
      )
      .meta({ description: 'The last ones, newest first.' }),
  })
  .meta({ id: 'ModelAliasDetail' });
export type ModelAliasDetail = z.infer<typeof modelAliasDetail>;

export const model = z
  .object({ name: z.string(), versions: z.array(modelVersion), aliases: z.array(modelAlias) })
  .meta({ id: 'Model', description: 'What the option `model` names.' });
export type Model = z.infer<typeof model>;

export const modelList = z.object({ models: z.array(model) }).meta({ id: 'ModelList' });
export type ModelList = z.infer<typeof modelList>;

export const modelDefaults = z
  .object({ recognition: z.string().nullable(), predictions: z.string().nullable() })
  .meta({
    id: 'ModelDefaults',
    description: 'The model that `default` stands for; null where it is what workers were configured with.',
  });
export type ModelDefaults = z.infer<typeof modelDefaults>;
