/** Names that stand for versions of a model: set, rolled back, removed. */
import { modelAlias, modelAliasDetail } from '@darkroom/contract';
import {
  aliasPattern,
  getAlias,
  modelChangesOf,
  removeAlias,
  rollBackAlias,
  setAlias,
} from '@darkroom/models';
import { createRoute, z } from '@hono/zod-openapi';
import { requireOperator } from '../../authorize.ts';
import type { Api } from '../../context.ts';
import { jsonBodyProblems, plainText, problems } from '../../openapi/describe.ts';
import { aliasDocument, nameParam, withCanary } from './documents.ts';

/** Changes that are told of. */
const toldChanges = 20;

const tags = ['Models'];
const path = '/v1/models/{name}/aliases/{alias}';
const params = nameParam.extend({
  alias: z
    .string()
    .regex(
      aliasPattern,
      'has lower-case letters, digits, - and _, begins with a letter, and looks like no version',
    )
    .meta({ description: 'The alias.', example: 'production', param: { name: 'alias', in: 'path' } }),
});

const aliasTarget = z
  .strictObject({
    version: plainText(100).min(1).meta({ description: 'What the alias is to stand for.', example: '2' }),
    canary: z
      .strictObject({
        version: plainText(100).min(1),
        share: z.number().gt(0).lt(1).meta({ description: 'Of the requests.', example: 0.1 }),
      })
      .nullable()
      .default(null)
      .meta({ description: 'A version that gets a share of the requests instead.' }),
    force: z.boolean().default(false).meta({
      description: 'Whether it is enough that one living worker has it open, where others cannot open it.',
    }),
  })
  .refine(({ version, canary }) => canary?.version !== version, {
    path: ['canary', 'version'],
    error: 'is the version itself',
  })
  .meta({ id: 'ModelAliasRequest' });

const rollBack = z
  .strictObject({
    from: plainText(100).min(1).optional().meta({
      description: 'What it is to leave; 409 `conflict` where it does not stand for that (any more).',
      example: '2',
    }),
  })
  .meta({ id: 'ModelAliasRollback' });

const answer = (description: string) => ({
  description,
  content: { 'application/json': { schema: modelAlias } },
});

const getRoute = createRoute({
  method: 'get',
  path,
  operationId: 'getModelAlias',
  tags,
  summary: 'What an alias stands for, and who changed that when',
  request: { params },
  responses: {
    200: { description: 'The alias.', content: { 'application/json': { schema: modelAliasDetail } } },
    ...problems('not_found', 'validation_failed'),
  },
});

const putRoute = createRoute({
  method: 'put',
  path,
  operationId: 'setModelAlias',
  tags,
  summary: 'Have an alias stand for a version, and a canary get a share',
  description: [
    '`production` is what the bare name of a model stands for. Requests that come after the answer get the new version, at every API process within two seconds; those before it are',
    'answered by the old one. A version can be aliased when every living worker of what it serves has it open; else the 409 names those that have not, and why, and `force` says that one that has it is',
    'enough: what comes to a worker without it is tried again until another one takes it. The version is loaded from then on, and cannot be unloaded while the alias stands. For operators.',
  ].join('\n'),
  request: { params, body: { required: true, content: { 'application/json': { schema: aliasTarget } } } },
  responses: {
    200: answer('The alias as it stands now.'),
    ...problems(...jsonBodyProblems, 'forbidden', 'not_found', 'model_not_ready'),
  },
});

const rollBackRoute = createRoute({
  method: 'post',
  path: `${path}/rollback`,
  operationId: 'rollBackModelAlias',
  tags,
  summary: 'Have an alias stand for what it stood for before the last change',
  description: [
    'With the canary it had. Again, it stands for what it stood for now: name what it is to leave in `from`, and a repeated request changes nothing.',
    'That one living worker has it open is enough; others open it. For operators.',
  ].join('\n'),
  request: { params, body: { required: false, content: { 'application/json': { schema: rollBack } } } },
  responses: {
    200: answer('The alias as it stands now.'),
    ...problems(...jsonBodyProblems, 'forbidden', 'not_found', 'conflict', 'model_not_ready'),
  },
});

const deleteRoute = createRoute({
  method: 'delete',
  path,
  operationId: 'deleteModelAlias',
  tags,
  summary: 'Remove an alias',
  description: 'What it stood for stays loaded. For operators.',
  request: { params },
  responses: {
    204: { description: 'It is gone.' },
    ...problems('forbidden', 'not_found', 'validation_failed'),
  },
});

/** Registers the routes. */
export function registerAliases(api: Api): void {
  api.openapi(getRoute, async (c) => {
    const of = c.req.valid('param');
    const { db } = c.var.deps.records;
    const row = await getAlias(db, of);
    const changes = await modelChangesOf(db, of.name, { alias: of.alias, limit: toldChanges });
    const told = changes.flatMap(({ action, by, at, target }) => {
      const known = modelAliasDetail.shape.changes.element.shape.action.safeParse(action);
      if (!known.success) return [];
      return { action: known.data, by, at: at.toISOString(), target: target && withCanary(target) };
    });
    return c.json({ ...aliasDocument(row), changes: told }, 200);
  });

  api.openapi(putRoute, async (c) => {
    const { caller, deps } = c.var;
    requireOperator(caller, 'To set an alias');
    const { version, canary, force } = c.req.valid('json');
    const target = { version, ...(canary !== null && { canary }) };
    const row = await setAlias(deps.records.db, c.req.valid('param'), target, caller.owner, { force });
    return c.json(aliasDocument(row), 200);
  });

  api.openapi(rollBackRoute, async (c) => {
    const { caller, deps } = c.var;
    requireOperator(caller, 'To roll an alias back');
    return c.json(
      aliasDocument(
        await rollBackAlias(deps.records.db, c.req.valid('param'), caller.owner, c.req.valid('json')?.from),
      ),
      200,
    );
  });

  api.openapi(deleteRoute, async (c) => {
    const { caller, deps } = c.var;
    requireOperator(caller, 'To remove an alias');
    await removeAlias(deps.records.db, c.req.valid('param'), caller.owner);
    return c.body(null, 204);
  });
}
