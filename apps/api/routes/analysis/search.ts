/** Search over the segments of all one's tasks. */

import { searchSegments } from '@darkroom/analysis';
import { scene, segmentLinks } from '@darkroom/contract';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { moment, plainText, problems } from '../../openapi/describe.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';
import { toFound } from './document.ts';
import { linkMaker } from './links.ts';
import { inTurns } from './task.ts';

const found = z
  .object({
    task_id: z.string(),
    segment_id: z.int(),
    filename: z.string(),
    width: z.int(),
    height: z.int(),
    scene: scene.nullable().meta({ description: 'Of a video; null for a photo.' }),
    bestScore: z.number().nullable().meta({
      description: 'Best score of the label searched for, or of any; null when nothing was found in it.',
    }),
    classId: z.int().nullable().meta({
      description:
        "Number of what has that score in the model's own list; null when nothing was found in it, and of results of before.",
    }),
    foundAt: z.iso.datetime(),
    links: segmentLinks,
  })
  .meta({ id: 'FoundSegment' });

const searchRoute = createRoute({
  method: 'get',
  path: '/v1/segments',
  operationId: 'searchSegments',
  tags: ['Analysis'],
  summary: 'Search what was found in all your tasks',
  description: "Segments of one's own tasks, those of the newest task first.",
  request: {
    query: z.strictObject({
      label: plainText(100)
        .min(1)
        .optional()
        .meta({ description: 'Only segments in which this was found.', example: 'cat' }),
      minScore: z.coerce
        .number()
        .min(0)
        .max(1)
        .optional()
        .meta({ description: 'Lowest best score.', example: 0.5 }),
      from: moment.optional().meta({ description: 'Found at or after.', example: '2026-01-01T00:00:00Z' }),
      to: moment.optional().meta({ description: 'Found at or before.', example: '2026-12-31T00:00:00Z' }),
      ...pageQuery,
    }),
  },
  responses: {
    200: {
      description: 'A page of segments.',
      content: {
        'application/json': {
          schema: z.object({ segments: z.array(found), nextPageToken }).meta({ id: 'FoundSegmentPage' }),
        },
      },
    },
    ...problems('validation_failed', 'invalid_page_token'),
  },
});

const cursor = z.string().transform((text) => {
  const [jobId = '', segmentId = ''] = text.split('/');
  return { jobId, segmentId: Number(segmentId) };
});

/** Registers the route. */
export function registerSegments(api: Api): void {
  api.openapi(searchRoute, async (c) => {
    const { records, config } = c.var.deps;
    const { owner } = c.var.caller;
    const { label, minScore, from, to, pageSize, pageToken } = c.req.valid('query');
    const { secret } = config.links;
    const scope = ['found', owner, label, minScore, from, to];
    const limit = pageLimit(pageSize, config.limits.pageSize);
    const rows = await searchSegments(records.db, {
      owner,
      label,
      minScore,
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
      limit: limit + 1,
      before: openPage(secret, scope, pageToken, cursor),
    });
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    const segments = await inTurns(page, (row) => toFound(row, linkMaker(c)));
    const next = last === undefined ? null : sealPage(secret, scope, `${last.jobId}/${last.segmentId}`);
    return c.json({ segments, nextPageToken: next }, 200);
  });
}
