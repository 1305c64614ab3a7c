/** The bytes of a photo that lies where its owner was granted it: read through the API, so that a link ends with the grant. */
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { getSegment } from '@darkroom/analysis';
import { type MediaSource, ProblemError } from '@darkroom/contract';
import { contentDisposition } from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { beginningOf } from './intake/source.ts';
import { mediumOf } from './media.ts';
import { loadTask, named, segmentParams } from './task.ts';

const sourceRoute = createRoute({
  method: 'get',
  path: `/v1/analysis/{task_id}/segments/{segment_id}/source`,
  ...named('getSegmentSource', '/v1'),
  summary: 'The photo itself',
  description:
    'As it was when the task was submitted (`source_changed` once it is another), and for as long as the owner of the task may read it. A browser takes the `source` link of the segment, which needs no key.',
  security: [{ key: [] }, { link: [] }],
  request: { params: segmentParams },
  responses: {
    200: {
      description: 'The photo.',
      content: { 'image/*': { schema: z.string().meta({ format: 'binary' }) } },
    },
    ...problems(
      'not_found',
      'validation_failed',
      'source_not_granted',
      'source_not_found',
      'source_changed',
      'storage_unavailable',
    ),
  },
});

/** Registers the route. */
export function registerAnalysisSource(api: Api): void {
  api.openapi(sourceRoute, async (c) => {
    const { deps } = c.var;
    const { task_id, segment_id } = c.req.valid('param');
    const { job, media } = await loadTask(c, task_id, 'read');
    const found = media === 'photo' ? await getSegment(deps.records.db, task_id, segment_id) : undefined;
    if (found === undefined) throw new ProblemError('not_found', `The task has no photo ${segment_id}.`);
    const { uri, etag, filename } = found.item.input as MediaSource;
    if (!deps.dispatch.mayReadSource(job, uri)) {
      throw new ProblemError(
        'source_not_granted',
        `${uri} is not under a prefix that ${job.owner} may read now.`,
      );
    }
    const { contentType } = mediumOf(await beginningOf(deps.storage, uri, etag), filename);
    const { stream, length } = await deps.storage.get(uri, { ifMatch: etag, signal: c.req.raw.signal });
    return new Response(Readable.toWeb(stream) as NodeStream<Uint8Array> as ReadableStream<Uint8Array>, {
      headers: {
        'content-type': contentType,
        'content-length': String(length),
        'content-disposition': contentDisposition(filename, 'inline'),
        'cache-control': 'no-store',
      },
    });
  });
}
