/** A job's results: a manifest with links. */
import { type ManifestFile, manifest, manifestFile } from '@darkroom/contract';
import { type FilePlace, filePlace } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { jobIdParam, plainText, problems } from '../../openapi/describe.ts';
import { signLink } from '../../signed/links.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';
import { createArchives } from './archive.ts';
import { requireResults, resultFiles } from './files.ts';
import { answerPacked, packedPath } from './packed.ts';
import { loadJob } from './shared.ts';

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
const zipRefusals = [...refusals, 'too_many_open', 'range_not_satisfiable'] as const;

const resultsRoute = createRoute({
  ...shared,
  path: '/v1/jobs/{id}/results',
  operationId: 'getJobResults',
  summary: 'The files a job made, with their SHA-256 and links',
  description:
    'Of a failed or cancelled job: what was finished. `archive` is a link to all of it as one zip.',
  request: {
    params: jobIdParam,
    query: z.strictObject({
      item: plainText(200).optional().meta({
        description:
          'Key of an item, as `/v1/jobs/{id}/items` has it: its files alone. Empty: those of the job itself, such as its tables.',
        example: '17',
      }),
      ...pageQuery,
    }),
  },
  responses: {
    200: {
      description: 'A page of the manifest.',
      content: {
        'application/json': { schema: results },
      },
    },
    ...problems(...refusals, 'invalid_page_token', 'validation_failed'),
  },
});

const archiveHeaders = z.object({
  'content-length': z.string(),
  'accept-ranges': z.literal('bytes'),
  etag: z.string(),
});

const archiveRoute = createRoute({
  ...shared,
  path: '/v1/jobs/{id}/results/archive',
  operationId: 'getJobArchive',
  summary: 'The files a job made, as one zip',
  description:
    'Stored, not compressed, as pictures are already; the same bytes at each request, of which `Range` may ask for any part. A browser takes the `archive` link of the results.',
  security: [{ key: [] }, { link: [] }],
  request: {
    params: jobIdParam,
    headers: z.object({
      range: z.string().optional().meta({ description: 'One range of bytes.', example: 'bytes=1048576-' }),
      'if-range': z.string().optional().meta({
        description: 'The ETag of an earlier answer: whole, where the archive is not that one any more.',
      }),
    }),
  },
  responses: {
    200: {
      description: 'The archive.',
      headers: archiveHeaders,
      content: { 'application/zip': { schema: z.string().meta({ format: 'binary' }) } },
    },
    206: {
      description: 'The part of the archive that `Range` asks for.',
      headers: archiveHeaders.extend({ 'content-range': z.string() }),
      content: { 'application/zip': { schema: z.string().meta({ format: 'binary' }) } },
    },
    ...problems(...zipRefusals),
  },
});

const fileHeaders = archiveHeaders.extend({ 'content-disposition': z.string(), 'last-modified': z.string() });
const anything = { 'application/octet-stream': { schema: z.string().meta({ format: 'binary' }) } };
const counted = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number);

const fileRoute = createRoute({
  ...shared,
  path: '/v1/jobs/{id}/results/files/{stage}/{ordinal}/{number}',
  operationId: 'getJobFile',
  summary: 'A file that is stored as a range of a pack',
  description:
    'The `url` of the results leads here where many small files are stored as one object, else to the store. `ETag` is the SHA-256 of the file.',
  security: [{ key: [] }, { link: [] }],
  request: {
    params: jobIdParam.extend({
      stage: z.string().regex(/^[a-z-]{1,64}$/),
      ordinal: counted,
      number: counted,
    }),
    headers: z.object({
      range: z.string().optional().meta({ description: 'One range of bytes.', example: 'bytes=0-2879' }),
      'if-range': z.string().optional().meta({ description: 'The ETag of an earlier answer.' }),
      'if-none-match': z.string().optional().meta({ description: 'The ETag of an earlier answer.' }),
    }),
  },
  responses: {
    200: {
      description: 'The file, of the content type that the results tell.',
      headers: fileHeaders,
      content: anything,
    },
    206: {
      description: 'The part of the file that `Range` asks for.',
      headers: fileHeaders.extend({ 'content-range': z.string() }),
      content: anything,
    },
    304: { description: 'The client has it.' },
    ...problems(...refusals, 'range_not_satisfiable', 'validation_failed'),
  },
});

/** Registers the routes. */
export function registerJobResults(api: Api): void {
  const archive = createArchives();
  api.openapi(resultsRoute, async (c) => {
    const { deps, caller } = c.var;
    const { id } = c.req.valid('param');
    const { job } = await loadJob(c, id, 'read');
    requireResults(job);
    const { item, pageSize, pageToken } = c.req.valid('query');

    const { links, limits, api: place } = deps.config;
    const scope = ['results', caller.owner, id, ...(item === undefined ? [] : [item])];
    const after = openPage(links.secret, scope, pageToken, filePlace);
    const files = resultFiles(deps, job);
    const page = await files.page(after, pageLimit(pageSize, limits.pageSize), item);
    const urlOf = async ({ uri, path, range, contentType }: ManifestFile, placed?: FilePlace) =>
      range !== undefined && placed !== undefined
        ? place.publicUrl + signLink(links, packedPath(id, placed), caller)
        : await deps.storage.linkTo(uri, {
            expiresInSeconds: links.ttlSeconds,
            filename: path.split('/').at(-1),
            contentType,
          });
    const linked = page.files.map(async (file, i) => ({
      ...file,
      url: await urlOf(file, page.places?.[i]),
    }));
    return c.json(
      {
        job: id,
        kind: job.kind,
        files: await Promise.all(linked),
        total: await files.total(),
        archive: place.publicUrl + signLink(links, `/v1/jobs/${id}/results/archive`, caller),
        nextPageToken: page.next === undefined ? null : sealPage(links.secret, scope, page.next),
      },
      200,
    );
  });

  api.openapi(archiveRoute, async (c) => {
    const { job } = await loadJob(c, c.req.valid('param').id, 'read');
    requireResults(job);
    return archive(c, job);
  });

  api.openapi(fileRoute, async (c) => {
    const { id, ...at } = c.req.valid('param');
    const { job } = await loadJob(c, id, 'read');
    requireResults(job);
    return answerPacked(c, job, at);
  });
}
