/** Requests for cutouts as they were answered, or refused: listed and read by their owner. */
import { type CutoutRecord, cutoutRecord, ProblemError } from '@darkroom/contract';
import { type CutoutRow, getCutout, listCutouts } from '@darkroom/sky/realtime/records/requests.ts';
import { createRoute, z } from '@hono/zod-openapi';
import { authorize } from '../../authorize.ts';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';

const page = z.object({ requests: z.array(cutoutRecord), nextPageToken }).meta({ id: 'CutoutRecordPage' });

const listRoute = createRoute({
  method: 'get',
  path: '/v1/cutouts/requests',
  operationId: 'listCutoutRequests',
  tags: ['Cutouts'],
  summary: 'Requests for cutouts, newest first',
  description: 'One’s own, those that were refused too, for as long as they are kept.',
  request: { query: z.strictObject(pageQuery) },
  responses: {
    200: { description: 'A page of them.', content: { 'application/json': { schema: page } } },
    ...problems('validation_failed', 'invalid_page_token'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/cutouts/requests/{id}',
  operationId: 'getCutoutRequest',
  tags: ['Cutouts'],
  summary: 'One request for a cutout',
  request: {
    params: z.object({
      id: z
        .string()
        .meta({ description: 'The answer’s `Cutout-Id`.', example: '1', param: { name: 'id', in: 'path' } }),
    }),
  },
  responses: {
    200: { description: 'The request.', content: { 'application/json': { schema: cutoutRecord } } },
    ...problems('not_found'),
  },
});

const idForm = /^[1-9]\d{0,15}$/;

/** Registers the routes. */
export function registerCutoutRequests(api: Api): void {
  api.openapi(listRoute, async (c) => {
    const { config, records } = c.var.deps;
    const { pageSize, pageToken } = c.req.valid('query');
    const { owner } = c.var.caller;
    const scope = ['cutouts', owner];
    const before = openPage(config.links.secret, scope, pageToken, z.int());
    const limit = pageLimit(pageSize, config.limits.pageSize);
    const rows = await listCutouts(records.db, { owner, before, limit: limit + 1 });
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return c.json(
      {
        requests: shown.map(documentOf),
        nextPageToken: last === undefined ? null : sealPage(config.links.secret, scope, last.id),
      },
      200,
    );
  });

  api.openapi(getRoute, async (c) => {
    const { id } = c.req.valid('param');
    if (!idForm.test(id)) throw new ProblemError('not_found', 'There is no such thing, or it is not yours.');
    const row = await getCutout(c.var.deps.records.db, Number(id));
    authorize(c.var.caller, 'read', row);
    return c.json(documentOf(row), 200);
  });
}

const documentOf = ({ owner: _, digest: __, acceptedAt, ...row }: CutoutRow): CutoutRecord => ({
  ...row,
  acceptedAt: acceptedAt.toISOString(),
});
