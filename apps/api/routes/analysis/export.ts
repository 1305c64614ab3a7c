/** What was found in a task, in the formats other tools read. */
import { exported } from '@darkroom/recognition/jobs/published.ts';
import { contentDisposition, inChunks } from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { type Base, loadTask, named, taskParam } from './task.ts';

const formats = {
  coco: { contentType: 'application/json', filename: 'coco.json' },
  csv: { contentType: 'text/csv; charset=utf-8', filename: 'results.csv' },
} as const;

const exportAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/analysis/{task_id}/export`,
    ...named('exportAnalysis', base),
    summary: 'Findings of a task as COCO JSON or CSV',
    description:
      'Holds the segments finished so far; of a task that has ended, all. Of a video, with the times of each scene and its frame. Streamed.',
    request: {
      params: taskParam,
      query: z.strictObject({
        format: z
          .enum(['coco', 'csv'])
          .default('coco')
          .meta({ description: 'COCO JSON, or CSV with a line per detection.' }),
        signature: z.string().optional(),
      }),
    },
    responses: {
      200: {
        description: 'The file.',
        content: {
          'application/json': {
            schema: z
              .record(z.string(), z.unknown())
              .meta({ description: 'https://cocodataset.org/#format-data' }),
          },
          'text/csv': { schema: z.string() },
        },
      },
      ...problems('not_found', 'validation_failed'),
    },
  });

/** Registers the route under `base`. */
export function registerAnalysisExport(api: Api, base: Base): void {
  api.openapi(exportAt(base), async (c) => {
    const id = c.req.valid('param').task_id;
    const { format } = c.req.valid('query');
    const { media } = await loadTask(c, id, 'read');
    const text = exported(c.var.deps.records.db, { jobId: id, media }, format);
    const { contentType, filename } = formats[format];
    return new Response(ReadableStream.from(inChunks(text)), {
      headers: {
        'content-type': contentType,
        'content-disposition': contentDisposition(`${id}_${filename}`),
      },
    });
  });
}
