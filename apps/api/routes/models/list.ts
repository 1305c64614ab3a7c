/** The models there are. */
import { modelList, modelService } from '@darkroom/contract';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { modelDocuments } from './documents.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/models',
  operationId: 'listModels',
  tags: ['Models'],
  summary: 'Models that can be used now',
  description: [
    'Each with its versions, newest first, their labels and input, how their outputs are read, and whether that was guessed or said by a model card. A version that no living',
    'worker has open is not listed, unless `all` is asked for: then those that are registered are, too. `/status/ready` says why a worker could not open what it was configured with.',
  ].join('\n'),
  request: {
    query: z.strictObject({
      serves: modelService
        .optional()
        .meta({ description: 'Only versions for jobs that recognise, or for predictions.' }),
      all: z
        .stringbool()
        .default(false)
        .meta({ description: 'Whether to list what no worker has open, too.', type: 'boolean' }),
    }),
  },
  responses: {
    200: { description: 'The models.', content: { 'application/json': { schema: modelList } } },
    ...problems('validation_failed'),
  },
});

/** Registers the route. */
export function registerModelList(api: Api): void {
  api.openapi(listRoute, async (c) => {
    const { serves, all } = c.req.valid('query');
    const models = await modelDocuments(c.var.deps.records.db);
    const wanted = models.map((one) => ({
      ...one,
      versions: one.versions.filter(
        (version) =>
          (all || version.workers > 0) && (serves === undefined || version.serves.includes(serves)),
      ),
    }));
    return c.json({ models: wanted.filter(({ versions }) => versions.length > 0) }, 200);
  });
}
