/** Jobs: list and get. */
import { job, jobState } from '@darkroom/contract';
import { listJobs } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import { seesEverything } from '../../authorize.ts';
import type { Api } from '../../context.ts';
import { jobIdParam, moment, plainText, problems } from '../../openapi/describe.ts';
import { exampleJob, exampleListedJob } from '../../openapi/examples.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';
import { linkedDocument, loadJob } from './shared.ts';
import { createJobTexts } from './texts.ts';

const plainName = plainText(200);

const listRoute = createRoute({
  method: 'get',
  path: '/v1/jobs',
  operationId: 'listJobs',
  tags: ['Jobs'],
  summary: 'List jobs, newest first',
  description: "One's own; operators and admins see everybody's, or with `owner` somebody's.",
  request: {
    query: z.strictObject({
      kind: plainName.optional().meta({ example: 'photo' }),
      state: jobState.optional(),
      from: moment.optional().meta({ description: 'Created at or after.', example: '2026-01-01T00:00:00Z' }),
      to: moment.optional().meta({ description: 'Created at or before.', example: '2026-12-31T00:00:00Z' }),
      owner: plainName.optional().meta({ description: "For operators: only this owner's." }),
      ...pageQuery,
    }),
  },
  responses: {
    200: {
      description: 'A page of jobs.',
      content: {
        'application/json': {
          schema: z.object({ jobs: z.array(job), nextPageToken }).meta({ id: 'JobPage' }),
          example: { jobs: [exampleListedJob], nextPageToken: null },
        },
      },
    },
    ...problems('invalid_page_token', 'validation_failed'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}',
  operationId: 'getJob',
  tags: ['Jobs'],
  summary: 'A job with its progress',
  description:
    '`links.live` is its event stream and `links.archive` the zip of its results, for a browser: both are signed, need no key and are good for some minutes.',
  request: { params: jobIdParam },
  responses: {
    200: { description: 'The job.', content: { 'application/json': { schema: job, example: exampleJob } } },
    ...problems('not_found'),
  },
});

/** Registers the routes. */
export function registerJobs(api: Api): void {
  const textsOf = createJobTexts();
  api.openapi(listRoute, async (c) => {
    const { deps, caller } = c.var;
    const { kind, state, from, to, owner, pageSize, pageToken } = c.req.valid('query');
    const whose = seesEverything(caller) ? owner : caller.owner;
    const { secret } = deps.config.links;
    const scope = ['jobs', caller.owner, caller.role, whose, kind, state, from, to];
    const limit = pageLimit(pageSize, deps.config.limits.pageSize);
    // One more than the page, to know whether there is a next one.
    const found = await listJobs(deps.records.db, {
      owner: whose,
      kind,
      state,
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
      limit: limit + 1,
      before: openPage(secret, scope, pageToken, z.string()),
    });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const next = found.length > limit && last !== undefined ? sealPage(secret, scope, last.id) : null;
    const documents = await textsOf(deps, page);
    const text = `{"jobs":[${documents.join(',')}],"nextPageToken":${JSON.stringify(next)}}`;
    // The type of the answer is that of the text's content, which a text does not tell.
    return c.body(text, 200, { 'content-type': 'application/json' }) as never;
  });

  api.openapi(getRoute, async (c) => {
    const found = await loadJob(c, c.req.valid('param').id, 'read');
    return c.json(await linkedDocument(c, found), 200);
  });
}
