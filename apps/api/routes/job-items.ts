/** The items of a job: what became of each. */
import { itemState, type JobItem, jobItem } from '@darkroom/contract';
import { type ItemRow, listItems } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../context.ts';
import { jobIdParam, problems } from '../openapi.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../pages.ts';
import { loadJob } from './jobs-shared.ts';

const itemsRoute = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}/items',
  operationId: 'listJobItems',
  tags: ['Jobs'],
  summary: 'The items of a job, each with its problem if it failed',
  request: {
    params: jobIdParam,
    query: z.strictObject({
      stage: z
        .string()
        .max(100)
        .regex(/^\P{Cc}*$/u)
        .optional()
        .meta({ description: 'The stage that works on them.' }),
      state: itemState.optional(),
      ...pageQuery,
    }),
  },
  responses: {
    200: {
      description: 'A page of items, in their order.',
      content: {
        'application/json': {
          schema: z.object({ items: z.array(jobItem), nextPageToken }),
          example: {
            items: [
              {
                stage: 'recognise',
                key: '1',
                state: 'running',
                attempt: 1,
                run: 1,
                sha256: null,
                problem: null,
              },
            ],
            nextPageToken: null,
          },
        },
      },
    },
    ...problems('not_found', 'invalid_page_token', 'validation_failed'),
  },
});

const cursor = z.string().transform((text) => {
  const [ordinal = '', stage = ''] = text.split('/');
  return { ordinal: Number(ordinal), stage };
});

/** Registers the route. */
export function registerJobItems(api: Api): void {
  api.openapi(itemsRoute, async (c) => {
    const { deps, caller } = c.var;
    const { id } = c.req.valid('param');
    await loadJob(c, id, 'read');
    const { stage, state, pageSize, pageToken } = c.req.valid('query');
    const { secret } = deps.config.links;
    const scope = ['items', caller.owner, id, stage, state];
    const limit = pageLimit(pageSize, deps.config.limits.pageSize);
    const after = openPage(secret, scope, pageToken, cursor);
    const rows = await listItems(deps.records.db, id, { stage, state, after, limit: limit + 1 });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const next =
      rows.length > limit && last ? sealPage(secret, scope, `${last.ordinal}/${last.stage}`) : null;
    return c.json({ items: page.map(toItem), nextPageToken: next }, 200);
  });
}

function toItem({ stage, key, state, attempt, run, sha256, problem }: ItemRow): JobItem {
  return { stage, key, state: state as JobItem['state'], attempt, run, sha256, problem };
}
