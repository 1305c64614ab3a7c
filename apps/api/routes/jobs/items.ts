/** The items of a job: what became of each. */
import { itemState, type JobItem, jobItem } from '@darkroom/contract';
import { type ItemRow, type JobWithStages, pageOfItems } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { jobIdParam, plainText, problems } from '../../openapi/describe.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';
import { loadJob } from './shared.ts';

const itemsRoute = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}/items',
  operationId: 'listJobItems',
  tags: ['Jobs'],
  summary: 'The items of a job, each with its problem if it failed',
  request: {
    params: jobIdParam,
    query: z.strictObject({
      stage: plainText(100).optional().meta({ description: 'The stage that works on them.' }),
      state: itemState.optional().meta({
        description:
          'Items in this state alone. They are looked for among 10,000 at a time: a page may have few of them or none, and still a `nextPageToken`.',
      }),
      ...pageQuery,
    }),
  },
  responses: {
    200: {
      description: 'A page of items, in their order.',
      content: {
        'application/json': {
          schema: z.object({ items: z.array(jobItem), nextPageToken }).meta({ id: 'JobItemPage' }),
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
    const found = await loadJob(c, id, 'read');
    const { stage, state, pageSize, pageToken } = c.req.valid('query');
    const { secret } = deps.config.links;
    const scope = ['items', caller.owner, id, stage, state];
    const limit = pageLimit(pageSize, deps.config.limits.pageSize);
    const after = openPage(secret, scope, pageToken, cursor);
    const { items, next } = mayHave(found, state)
      ? await pageOfItems(deps.records.db, id, { stage, state, after, limit })
      : { items: [], next: null };
    const token = next && sealPage(secret, scope, `${next.ordinal}/${next.stage}`);
    return c.json({ items: items.map(toItem), nextPageToken: token }, 200);
  });
}

/** False where the counts of a job that has succeeded say that no item is in the state: there is none to look for. */
function mayHave({ job, stages }: JobWithStages, state: JobItem['state'] | undefined): boolean {
  const hasSucceeded = job.state === 'succeeded' || job.state === 'succeeded_with_warnings';
  if (!hasSucceeded || state === undefined) return true;
  return state === 'failed' ? stages.some(({ failed }) => failed > 0) : state === 'succeeded';
}

function toItem({ stage, key, state, attempt, run, sha256, problem }: ItemRow): JobItem {
  return { stage, key, state: state as JobItem['state'], attempt, run, sha256, problem };
}
