/** A job's results: a manifest with links. */
import { type ManifestFile, manifest, manifestFile } from '@darkroom/contract';
import { contentDisposition } from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import { archiveOf } from '../archive.ts';
import type { Api, ApiContext } from '../context.ts';
import { signLink } from '../links.ts';
import { jobIdParam, problems } from '../openapi.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../pages.ts';
import { requireResults, resultFiles } from '../results.ts';
import { streamed } from '../sse.ts';
import { loadJob } from './jobs-shared.ts';

const resultFile = manifestFile
  .extend({ url: z.string().meta({ description: 'Link to the file; good for some minutes, needs no key.' }) })
  .meta({ id: 'ResultFile' });

const results = manifest
  .extend({
    files: z.array(resultFile),
    total: z.int().meta({ description: 'Files in all.' }),
    archive: z
      .string()
      .meta({ description: 'Link to all files as one zip; good for some minutes, needs no key.' }),
    nextPageToken,
  })
  .meta({ id: 'Results' });

const shared = { method: 'get' as const, tags: ['Jobs'] };
const refusals = ['not_found', 'results_not_ready', 'results_removed', 'storage_unavailable'] as const;

const resultsRoute = createRoute({
  ...shared,
  path: '/v1/jobs/{id}/results',
  operationId: 'getJobResults',
  summary: 'The files a job made, with their SHA-256 and links',
  description:
    'Of a failed or cancelled job: what was finished. `format=zip` answers with the archive itself.',
  request: {
    params: jobIdParam,
    query: z.strictObject({ format: z.enum(['json', 'zip']).default('json'), ...pageQuery }),
  },
  responses: {
    200: {
      description: 'A page of the manifest, or the archive.',
      content: {
        'application/json': { schema: results },
        'application/zip': { schema: z.string().meta({ format: 'binary' }) },
      },
    },
    ...problems(...refusals, 'invalid_page_token', 'validation_failed'),
  },
});

const archiveRoute = createRoute({
  ...shared,
  path: '/v1/jobs/{id}/results/archive',
  operationId: 'getJobArchive',
  summary: 'The files a job made, as one zip',
  description:
    'Stored, not compressed, as pictures are already. A browser takes the `archive` link of the results.',
  security: [{ key: [] }, { link: [] }],
  request: { params: jobIdParam },
  responses: {
    200: {
      description: 'The archive, as a stream.',
      content: { 'application/zip': { schema: z.string().meta({ format: 'binary' }) } },
    },
    ...problems(...refusals),
  },
});

/** Registers the routes. */
export function registerJobResults(api: Api): void {
  api.openapi(resultsRoute, async (c) => {
    const { deps, caller } = c.var;
    const { id } = c.req.valid('param');
    const { job } = await loadJob(c, id, 'read');
    requireResults(job);
    const { format, pageSize, pageToken } = c.req.valid('query');
    const files = await resultFiles(deps, job);
    if (format === 'zip') return zip(c, id, files);

    const { links, limits, api: place } = deps.config;
    const scope = ['results', caller.owner, id];
    const from = openPage(links.secret, scope, pageToken, z.int()) ?? 0;
    const to = from + pageLimit(pageSize, limits.pageSize);
    const page = files.slice(from, to).map(async (file) => ({
      ...file,
      url: await deps.storage.linkTo(file.uri, {
        expiresInSeconds: links.ttlSeconds,
        filename: file.path.split('/').at(-1),
        contentType: file.contentType,
      }),
    }));
    return c.json(
      {
        job: id,
        kind: job.kind,
        files: await Promise.all(page),
        total: files.length,
        archive: place.publicUrl + signLink(links, `/v1/jobs/${id}/results/archive`, caller),
        nextPageToken: to < files.length ? sealPage(links.secret, scope, to) : null,
      },
      200,
    );
  });

  api.openapi(archiveRoute, async (c) => {
    const { job } = await loadJob(c, c.req.valid('param').id, 'read');
    requireResults(job);
    return zip(c, job.id, await resultFiles(c.var.deps, job));
  });
}

function zip(c: ApiContext, id: string, files: readonly ManifestFile[]): Response {
  const { storage } = c.var.deps;
  const answer = streamed(c, 'application/zip', (signal) => archiveOf(storage, files, signal));
  answer.headers.set('content-disposition', contentDisposition(`${id}.zip`));
  return answer;
}
