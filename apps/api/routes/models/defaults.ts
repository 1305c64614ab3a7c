/** The models that `default` stands for. */
import { modelDefaults, modelService } from '@darkroom/contract';
import { modelsNow, removeDefault, setDefault } from '@darkroom/models';
import type { Db } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import { requireOperator } from '../../authorize.ts';
import type { Api } from '../../context.ts';
import { jsonBodyProblems, plainText, problems } from '../../openapi/describe.ts';

const tags = ['Models'];
const path = '/v1/models/default';
const answer = (description: string) => ({
  description,
  content: { 'application/json': { schema: modelDefaults } },
});

const getRoute = createRoute({
  method: 'get',
  path,
  operationId: 'getModelDefaults',
  tags,
  summary: 'The models that `default` stands for',
  responses: { 200: answer('Their names.'), ...problems() },
});

const putRoute = createRoute({
  method: 'put',
  path,
  operationId: 'setModelDefault',
  tags,
  summary: 'Have `default` stand for a model',
  description:
    'For predictions, or for jobs that recognise; some worker must have a version of it open for that. Which version is a matter of its alias `production`. For operators.',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .strictObject({
              serves: modelService,
              name: plainText(200).min(1).nullable().meta({
                description: 'The model; null for what workers were configured with.',
                example: 'birds',
              }),
            })
            .meta({ id: 'ModelDefaultRequest' }),
        },
      },
    },
  },
  responses: {
    200: answer('Their names, as they are now.'),
    ...problems(...jsonBodyProblems, 'forbidden', 'not_found', 'model_not_ready'),
  },
});

/** Registers the routes. */
export function registerModelDefaults(api: Api): void {
  api.openapi(getRoute, async (c) => c.json(await document(c.var.deps.records.db), 200));

  api.openapi(putRoute, async (c) => {
    const { caller, deps } = c.var;
    requireOperator(caller, 'To set the default model');
    const { serves, name } = c.req.valid('json');
    const { db } = deps.records;
    if (name === null) await removeDefault(db, serves, caller.owner);
    else await setDefault(db, serves, name, caller.owner);
    return c.json(await document(db), 200);
  });
}

async function document(db: Db) {
  const { defaults } = await modelsNow(db);
  return { recognition: defaults.recognition ?? null, predictions: defaults.predictions ?? null };
}
