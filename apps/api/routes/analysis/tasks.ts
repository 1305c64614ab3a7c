/** Photo and video recognition: tasks, their segments, what was found. All under the paths today's users know and under /v1. */

import { getSegment, getTask, labelSummary, listSegments } from '@darkroom/analysis';
import { analysis, itemState, ProblemError, segment } from '@darkroom/contract';
import { countItems, getJobRow } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import { authorize } from '../../authorize.ts';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';
import { requireJobId } from '../jobs/shared.ts';
import { toAnalysis, toSegment } from './document.ts';
import { registerAnalysisExport } from './export.ts';
import { registerAnalysisSubmit } from './intake/submit.ts';
import { linkMaker, taskLinks } from './links.ts';
import { mediaOf } from './media.ts';
import { registerAnalysisSource } from './source.ts';
import { type Base, bases, inTurns, loadTask, named, segmentParams, taskParam } from './task.ts';
import { registerAnalysisThumbnails } from './thumbnails.ts';

/** The stage whose items are the segments. */
const itemStage = 'recognise';

const getAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/analysis/{task_id}`,
    ...named('getAnalysis', base),
    summary: 'State, progress and findings of a task',
    request: { params: taskParam },
    responses: {
      200: { description: 'The task.', content: { 'application/json': { schema: analysis } } },
      ...problems('not_found'),
    },
  });

const segmentsAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/analysis/{task_id}/segments`,
    ...named('listSegments', base),
    summary: 'Segments of a task with what was found in each',
    request: {
      params: taskParam,
      query: z.strictObject({
        ...pageQuery,
        state: itemState.optional().meta({ description: 'Only segments in this state.' }),
      }),
    },
    responses: {
      200: {
        description: 'A page of segments, in order.',
        content: {
          'application/json': {
            schema: z.object({ segments: z.array(segment), nextPageToken }).meta({ id: 'SegmentPage' }),
          },
        },
      },
      ...problems('not_found', 'validation_failed', 'invalid_page_token'),
    },
  });

const segmentAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/analysis/{task_id}/segments/{segment_id}`,
    ...named('getSegment', base),
    summary: 'One segment',
    request: { params: segmentParams },
    responses: {
      200: { description: 'The segment.', content: { 'application/json': { schema: segment } } },
      ...problems('not_found', 'validation_failed'),
    },
  });

const removeAt = (base: Base) =>
  createRoute({
    method: 'delete',
    path: `${base}/analysis/{task_id}`,
    ...named('deleteAnalysis', base),
    summary: 'Delete a task, its files and results',
    description:
      'Cancels it first if it runs. Durable: once accepted it is carried out, whatever dies; repeating it is harmless.',
    request: { params: taskParam },
    responses: {
      202: { description: 'It is being removed.' },
      204: { description: 'It is gone.' },
      ...problems('not_found', 'forbidden'),
    },
  });

/** Registers the routes. */
export function registerAnalysis(api: Api): void {
  for (const base of bases) {
    registerAnalysisSubmit(api, base);
    registerReads(api, base);
    registerAnalysisExport(api, base);
    registerAnalysisThumbnails(api, base);
    api.openapi(removeAt(base), async (c) => {
      const { deps, caller } = c.var;
      const id = requireJobId(c, c.req.valid('param').task_id);
      // The row stays as a tombstone, so that its owner may repeat this.
      const row = await getJobRow(deps.records.db, id);
      const job = row && mediaOf(row.kind) ? row : undefined;
      authorize(caller, 'delete', job);
      if (job.deletedAt !== null) return c.body(null, 204);
      const { done } = await deps.dispatch.remove(id);
      return c.body(null, done ? 204 : 202);
    });
  }
  registerAnalysisSource(api);
}

function registerReads(api: Api, base: Base): void {
  api.openapi(getAt(base), async (c) => {
    const { db } = c.var.deps.records;
    const id = c.req.valid('param').task_id;
    const found = await loadTask(c, id, 'read');
    const [task, segments, labels] = await Promise.all([
      getTask(db, id),
      countItems(db, id, itemStage),
      labelSummary(db, id),
    ]);
    const links = await taskLinks(c, found);
    return c.json(toAnalysis(found, { task, segments, labels }, links), 200);
  });

  api.openapi(segmentsAt(base), async (c) => {
    const { records, config } = c.var.deps;
    const id = c.req.valid('param').task_id;
    const { pageSize, pageToken, state } = c.req.valid('query');
    const scope = ['segments', id, state];
    const after = openPage(config.links.secret, scope, pageToken, z.int());
    const task = await loadTask(c, id, 'read');
    const limit = pageLimit(pageSize, config.limits.pageSize);
    const rows = await listSegments(records.db, id, { limit: limit + 1, after, state });
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    const segments = await inTurns(page, (row) => toSegment(task, row, linkMaker(c)));
    const next = last === undefined ? null : sealPage(config.links.secret, scope, last.segmentId);
    return c.json({ segments, nextPageToken: next }, 200);
  });

  api.openapi(segmentAt(base), async (c) => {
    const { task_id, segment_id } = c.req.valid('param');
    const task = await loadTask(c, task_id, 'read');
    const found = await getSegment(c.var.deps.records.db, task_id, segment_id);
    if (found === undefined) {
      throw new ProblemError('not_found', `The task has no segment ${segment_id}.`);
    }
    return c.json(await toSegment(task, found, linkMaker(c)), 200);
  });
}
