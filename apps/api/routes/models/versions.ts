/** One model, and what becomes of its versions: loaded, unloaded, removed. */
import { model, modelVersionDetail, ProblemError } from '@darkroom/contract';
import { loadVersion, releaseFile, removeVersion, unloadVersion } from '@darkroom/models';
import { createRoute } from '@hono/zod-openapi';
import { requireOperator } from '../../authorize.ts';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { modelDocuments, nameParam, versionDetail, versionParam } from './documents.ts';

const tags = ['Models'];
const version = (description: string) => ({
  description,
  content: { 'application/json': { schema: modelVersionDetail } },
});
const path = '/v1/models/{name}/versions/{version}';

const getModelRoute = createRoute({
  method: 'get',
  path: '/v1/models/{name}',
  operationId: 'getModel',
  tags,
  summary: 'A model with all its versions and aliases',
  request: { params: nameParam },
  responses: {
    200: { description: 'The model.', content: { 'application/json': { schema: model } } },
    ...problems('not_found', 'validation_failed'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path,
  operationId: 'getModelVersion',
  tags,
  summary: 'A version of a model, its state, and what each worker says of it',
  description: 'Which worker (host and process) says so, operators alone are told.',
  request: { params: versionParam },
  responses: { 200: version('The version.'), ...problems('not_found', 'validation_failed') },
});

const loadRoute = createRoute({
  method: 'post',
  path: `${path}/load`,
  operationId: 'loadModelVersion',
  tags,
  summary: 'Have workers open a version',
  description:
    'Every worker of what it serves opens it beside what it has open, and confirms that. One that failed is tried again first, and fails again where it is broken. Repeating it is harmless. For operators.',
  request: { params: versionParam },
  responses: {
    202: version('Workers open it; `confirmations` says which have.'),
    ...problems('not_found', 'forbidden', 'validation_failed'),
  },
});

const unloadRoute = createRoute({
  method: 'post',
  path: `${path}/unload`,
  operationId: 'unloadModelVersion',
  tags,
  summary: 'Have workers let go of a version',
  description:
    'The processes that work with it end when what they have in hand is done. A worker that was configured with it keeps it. Repeating it is harmless. For operators.',
  request: { params: versionParam },
  responses: {
    202: version('Workers let go of it.'),
    ...problems('not_found', 'forbidden', 'model_in_use', 'validation_failed'),
  },
});

const deleteRoute = createRoute({
  method: 'delete',
  path,
  operationId: 'deleteModelVersion',
  tags,
  summary: 'Remove a version that is not loaded',
  description:
    'Its file goes with the last version that has it, some hours later where the store is away. Predictions and results that were made with it stay. For operators.',
  request: { params: versionParam },
  responses: {
    204: { description: 'It is gone.' },
    ...problems('not_found', 'forbidden', 'model_in_use', 'validation_failed'),
  },
});

/** Registers the routes. */
export function registerVersions(api: Api): void {
  api.openapi(getModelRoute, async (c) => {
    const { name } = c.req.valid('param');
    const [found] = await modelDocuments(c.var.deps.records.db, name);
    if (found === undefined) throw new ProblemError('not_found', `There is no model ${name}.`);
    return c.json(found, 200);
  });

  api.openapi(getRoute, async (c) =>
    c.json(await versionDetail(c.var.deps.records.db, c.req.valid('param'), c.var.caller), 200),
  );

  api.openapi(loadRoute, async (c) => {
    const { caller, deps } = c.var;
    requireOperator(caller, 'To load a model');
    await loadVersion(deps.records.db, c.req.valid('param'), caller.owner);
    return c.json(await versionDetail(deps.records.db, c.req.valid('param'), caller), 202);
  });

  api.openapi(unloadRoute, async (c) => {
    const { caller, deps } = c.var;
    requireOperator(caller, 'To unload a model');
    await unloadVersion(deps.records.db, c.req.valid('param'), caller.owner);
    return c.json(await versionDetail(deps.records.db, c.req.valid('param'), caller), 202);
  });

  api.openapi(deleteRoute, async (c) => {
    const { caller, deps } = c.var;
    requireOperator(caller, 'To remove a model');
    const { sha256, object } = await removeVersion(deps.records.db, c.req.valid('param'), caller.owner);
    try {
      // Held by the lock that the removal is made under.
      await releaseFile(deps.records.db, sha256, () =>
        deps.storage.remove([object], { assertHeld: async () => {}, signal: AbortSignal.timeout(5000) }),
      );
    } catch (error) {
      // The version is gone, whatever becomes of its file.
      c.var.logger().warn({ err: error, object }, 'the file of a removed version is left to the sweep');
    }
    return c.body(null, 204);
  });
}
