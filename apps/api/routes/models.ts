/** The models that recognise, as the workers have told of them. */

import { type ModelList, modelList } from '@darkroom/contract';
import { type ServedModel, servedModels } from '@darkroom/models';
import { createRoute } from '@hono/zod-openapi';
import type { Api } from '../context.ts';
import { problems } from '../openapi/describe.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/models',
  operationId: 'listModels',
  tags: ['Analysis'],
  summary: 'Models that can be used now',
  description: [
    'Each with its versions, their labels and input, how their outputs are read, and whether that was guessed or said by a model card. A worker opens and tries its model',
    'when it starts; a model that no living worker has open is not listed, and `/status/ready` says why one could not be opened.',
  ].join('\n'),
  responses: {
    200: { description: 'The models.', content: { 'application/json': { schema: modelList } } },
    ...problems(),
  },
});

/** Registers the route. */
export function registerModels(api: Api): void {
  api.openapi(listRoute, async (c) => c.json(toList(await servedModels(c.var.deps.records.db)), 200));
}

/** Jobs that name no model get that of the worker they come to: of all that are served, each may be the default. */
const aliases = ['default'];

function toList(served: readonly ServedModel[]): ModelList {
  const models = Map.groupBy(served, ({ name }) => name);
  return {
    models: [...models].map(([name, versions]) => ({
      name,
      versions: versions.map(({ version, digest, family, guessed, understood, labels, input, workers }) => ({
        version,
        digest,
        family,
        guessed,
        understood,
        labels,
        input,
        aliases,
        workers,
      })),
    })),
  };
}
