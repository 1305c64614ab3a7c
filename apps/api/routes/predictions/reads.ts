/** Predictions as they were made: listed, read, deleted by their owner. */
import { ProblemError, predictionAnswer, predictionState } from '@darkroom/contract';
import {
  deletePrediction,
  getPrediction,
  listPredictions,
  listResults,
  type PredictionRow,
} from '@darkroom/prediction';
import { createRoute, z } from '@hono/zod-openapi';
import { type Action, authorize } from '../../authorize.ts';
import type { Api, ApiContext } from '../../context.ts';
import { setHeader } from '../../middleware/headers.ts';
import { type Base, named } from '../../openapi/bases.ts';
import { problems } from '../../openapi/describe.ts';
import { removalOfPicture } from '../../predicting/pictures.ts';
import { openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';
import { documentsOf } from './documents.ts';

const detailQuery = {
  detail: z
    .stringbool()
    .default(false)
    .meta({ description: 'Whether to tell more than `id` and `result`.', type: 'boolean' }),
};

/** Of a prediction, in a path. */
export const idParam = z.object({
  id: z
    .string()
    .meta({ description: 'Id of the prediction.', example: '1', param: { name: 'id', in: 'path' } }),
});

const listAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/predict`,
    ...named('listPredictions', base, 'Predictions'),
    summary: 'Predictions, newest first',
    description:
      'One’s own. The answer is the bare array; where there are more, `Link` has the address of the next page.',
    request: {
      query: z.strictObject({
        ...pageQuery,
        ...detailQuery,
        state: predictionState.optional().meta({
          description: 'Only those that came to this. Absent: all, those that failed with `result` null.',
        }),
      }),
    },
    responses: {
      200: {
        description: 'A page of them.',
        headers: z.object({
          link: z.string().optional().meta({ description: 'RFC 8288: `<address>; rel="next"`.' }),
        }),
        content: { 'application/json': { schema: z.array(predictionAnswer) } },
      },
      ...problems('validation_failed', 'invalid_page_token'),
    },
  });

const getAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/predict/{id}`,
    ...named('getPrediction', base, 'Predictions'),
    summary: 'One prediction',
    request: { params: idParam, query: z.strictObject(detailQuery) },
    responses: {
      200: { description: 'The prediction.', content: { 'application/json': { schema: predictionAnswer } } },
      ...problems('not_found', 'validation_failed'),
    },
  });

const deleteAt = (base: Base) =>
  createRoute({
    method: 'delete',
    path: `${base}/predict/{id}`,
    ...named('deletePrediction', base, 'Predictions'),
    summary: 'Delete a prediction',
    description: 'And its picture, where it was kept.',
    request: { params: idParam },
    responses: { 204: { description: 'It is gone.' }, ...problems('not_found', 'forbidden') },
  });

/** Registers the routes under `base`. */
export function registerPredictionReads(api: Api, base: Base): void {
  api.openapi(listAt(base), async (c) => {
    const { config, records } = c.var.deps;
    const { pageSize, pageToken, state, detail } = c.req.valid('query');
    const { owner } = c.var.caller;
    const scope = ['predictions', owner, state];
    const before = openPage(config.links.secret, scope, pageToken, z.int());
    const limit = pageLimit(pageSize, config.limits.pageSize);
    const filter = { owner, state, before, limit: limit + 1 };
    const rows = detail
      ? await documentsOf(c, await listPredictions(records.db, filter), true)
      : await listResults(records.db, filter);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    if (last !== undefined) {
      const next = new URL(c.req.url);
      next.searchParams.set('pageToken', sealPage(config.links.secret, scope, last.id));
      setHeader(c, 'link', `<${config.api.publicUrl}${next.pathname}${next.search}>; rel="next"`);
    }
    return c.json(page, 200);
  });

  api.openapi(getAt(base), async (c) => {
    const row = await loadPrediction(c, c.req.valid('param').id, 'read');
    const [document] = await documentsOf(c, [row], c.req.valid('query').detail);
    return c.json(document!, 200);
  });

  api.openapi(deleteAt(base), async (c) => {
    const { deps } = c.var;
    const row = await loadPrediction(c, c.req.valid('param').id, 'delete');
    const removePicture = await removalOfPicture(deps, row.id);
    await deletePrediction(deps.records.db, row);
    await removePicture();
    return c.body(null, 204);
  });
}

const idForm = /^[1-9]\d{0,15}$/;

/** The prediction, if the caller may do `action` to it. Throws `not_found`, `forbidden`. */
export async function loadPrediction(c: ApiContext, id: string, action: Action): Promise<PredictionRow> {
  if (!idForm.test(id)) throw new ProblemError('not_found', 'There is no such thing, or it is not yours.');
  c.set('predictionId', Number(id));
  const row = await getPrediction(c.var.deps.records.db, Number(id));
  authorize(c.var.caller, action, row);
  return row;
}
