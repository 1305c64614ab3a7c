/** Uploads of large files, straight to the object store: open, send the parts to signed links, complete, then name the id in the request for a job. */

import { ProblemError } from '@darkroom/contract';
import { uploadsPrefix } from '@darkroom/dispatch';
import { completeUpload, countOpenUploads, createUpload, getUpload, type UploadRow } from '@darkroom/records';
import {
  type DirectUpload,
  MAX_PART_BYTES,
  MIN_PART_BYTES,
  type Storage,
  StorageError,
  safeName,
} from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import { v7 as uuid7 } from 'uuid';
import { authorize } from '../authorize.ts';
import type { Api, ApiContext, ApiDeps } from '../context.ts';
import { jsonBodyProblems, problems } from '../openapi/describe.ts';

/** Links to parts in one answer. */
const linksPerPage = 100;

const partLink = z.object({ partNumber: z.int(), url: z.string() }).meta({ id: 'PartLink' });

const uploadLinks = z
  .object({ self: z.string(), complete: z.string() })
  .meta({ id: 'UploadLinks', description: 'Addresses of the API.' });

const upload = z
  .object({
    id: z.string(),
    state: z.enum(['open', 'complete', 'used', 'removed']).meta({
      description: 'open (parts are expected), complete, used (a job was made of it), removed.',
    }),
    filename: z.string(),
    bytes: z.int(),
    partBytes: z.int().meta({ description: 'Size of every part but the last.' }),
    partCount: z.int(),
    missing: z.int().meta({ description: 'Parts that are still to be sent.' }),
    parts: z.array(partLink).meta({
      description: `Links to which the next missing parts are PUT, at most ${linksPerPage}; GET the upload again for more, or when they have expired.`,
    }),
    expiresAt: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'When these links expire; null where there are none.' }),
    createdAt: z.iso.datetime(),
    links: uploadLinks,
  })
  .meta({ id: 'Upload' });
type Upload = z.infer<typeof upload>;

const idParam = z.object({
  id: z.uuid().meta({ description: 'Id of the upload.', param: { name: 'id', in: 'path' } }),
});

const tags = ['Uploads'];
const answer = (description: string) => ({
  description,
  content: { 'application/json': { schema: upload } },
});

const openRoute = createRoute({
  method: 'post',
  path: '/v1/uploads',
  operationId: 'openUpload',
  tags,
  summary: 'Open an upload',
  description:
    'Cut the file into parts of `partBytes` (the last one is what is left) and PUT each to its link, in any order and beside each other. No headers are needed but the Content-Length that every client sends; a part of another length is refused (403). Then complete it.',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .strictObject({
              filename: z.string().min(1).max(1000).meta({ example: 'panorama.tif' }),
              bytes: z.int().min(1).meta({ description: 'Size of the file.', example: 41943040 }),
              partBytes: z.int().min(MIN_PART_BYTES).max(MAX_PART_BYTES).optional().meta({
                description: 'Size of a part; raised where 10,000 parts would not do. Default 8 MiB.',
              }),
            })
            .meta({ id: 'UploadRequest' }),
        },
      },
    },
  },
  responses: {
    201: { ...answer('It is open.'), headers: z.object({ location: z.string() }) },
    ...problems(...jsonBodyProblems, 'too_large', 'too_many_open', 'storage_unavailable'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}',
  operationId: 'getUpload',
  tags,
  summary: 'State of an upload, with fresh links to the parts that are missing',
  request: { params: idParam },
  responses: {
    200: answer('The upload.'),
    ...problems('not_found', 'forbidden', 'validation_failed', 'storage_unavailable'),
  },
});

const completeRoute = createRoute({
  method: 'post',
  path: '/v1/uploads/{id}/complete',
  operationId: 'completeUpload',
  tags,
  summary: 'Complete an upload',
  description:
    'Needs no body: what counts are the parts that arrived, each in its size. Repeating it is harmless.',
  request: { params: idParam },
  responses: {
    200: answer('It is complete.'),
    ...problems('not_found', 'forbidden', 'validation_failed', 'upload_incomplete', 'storage_unavailable'),
  },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/v1/uploads/{id}',
  operationId: 'deleteUpload',
  tags,
  summary: 'Remove an upload',
  description:
    'What was sent of it is removed, and no task can be made of it any more. A task that was made of it keeps its own copy, and the upload stays `used`. Repeating it is harmless.',
  request: { params: idParam },
  responses: {
    204: { description: 'It is gone.' },
    ...problems('not_found', 'forbidden', 'validation_failed', 'storage_unavailable'),
  },
});

/** Registers the routes. */
export function registerUploads(api: Api): void {
  api.openapi(openRoute, async (c) => {
    const { records, storage, config } = c.var.deps;
    const { bytes, partBytes, ...request } = c.req.valid('json');
    const id = uuid7();
    const filename = safeName(request.filename);
    const { owner } = c.var.caller;
    const key = `${uploadsPrefix(owner)}${id}/${filename}`;
    const { openUploads } = config.quotas;
    // Asked before anything is begun in the object store; what counts is asked again with the row.
    if ((await countOpenUploads(records.db, owner)) >= openUploads) throw tooManyOpen(openUploads);
    const direct = await storage.beginDirectUpload(key, {
      size: bytes,
      contentType: 'application/octet-stream',
      // What it is shows when it is there; the limit of its own kind counts when it becomes a job's input.
      maxBytes: Math.max(
        config.limits.uploadBytes,
        config.limits.videoBytes,
        config.limits.planBytes,
        config.limits.modelBytes,
      ),
      partSize: partBytes,
    });
    const { partSize, uploadId: multipartId } = direct;
    // Nobody holds a link before the row is there, so that no byte comes to be without one.
    const upload = { id, owner, filename, key, bytes, partBytes: partSize, multipartId };
    const row = await createUpload(records.db, upload, openUploads)
      .then((created) => created ?? Promise.reject(tooManyOpen(openUploads)))
      .catch(async (error: unknown) => {
        await storage.abortDirectUpload(direct).catch(() => {});
        throw error;
      });
    const body = await document(c.var.deps, row);
    return c.json(body, 201, { location: body.links.self });
  });

  api.openapi(getRoute, async (c) => {
    const row = await loadUpload(c, c.req.valid('param').id);
    return c.json(await document(c.var.deps, row), 200);
  });

  api.openapi(completeRoute, async (c) => {
    const row = await loadUpload(c, c.req.valid('param').id);
    return c.json(await document(c.var.deps, await complete(c.var.deps, row)), 200);
  });

  api.openapi(deleteRoute, async (c) => {
    const { id } = await loadUpload(c, c.req.valid('param').id);
    await c.var.deps.dispatch.uploads.remove(id);
    return c.body(null, 204);
  });
}

const tooManyOpen = (most: number): ProblemError =>
  new ProblemError('too_many_open', `${most} uploads are open (LIMIT_OPEN_UPLOADS).`, {
    retryAfterSeconds: 60,
  });

async function loadUpload(c: ApiContext, id: string): Promise<UploadRow> {
  const row = await getUpload(c.var.deps.records.db, id);
  // Also to read it: the answer holds links to which parts are sent.
  authorize(c.var.caller, 'change', row);
  return row;
}

async function complete({ records, storage, dispatch }: ApiDeps, row: UploadRow): Promise<UploadRow> {
  if (row.state === 'complete' || row.state === 'used') return row;
  if (row.state !== 'open') throw new ProblemError('not_found', 'The upload was removed.');
  try {
    const completed = await completeUpload(records.db, row.id, await assemble(storage, row));
    if (completed !== undefined) return completed;
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'source_not_found')) throw error;
  }
  // A request beside this one was faster: it has made a task of the upload, or removed it, maybe before the object was made.
  const now = await getUpload(records.db, row.id);
  if (now?.state === 'complete' || now?.state === 'used') return now;
  if (now?.state === 'removed') await dispatch.uploads.empty(now);
  throw new ProblemError('not_found', 'The upload was removed.');
}

/** Makes the object out of its parts, or finds that an earlier request, whose answer was lost, has done so. */
async function assemble(storage: Storage, row: UploadRow): Promise<string> {
  const direct = directUpload(storage, row);
  try {
    return (await storage.completeDirectUpload(direct)).etag;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (error.code === 'storage_refused')
      throw new ProblemError('upload_incomplete', error.message, { cause: error });
    if (error.code !== 'source_not_found') throw error;
    const there = await storage.head(direct.uri);
    if (there.size !== row.bytes) throw error;
    return there.etag;
  }
}

async function document({ storage, config }: ApiDeps, row: UploadRow): Promise<Upload> {
  const direct = directUpload(storage, row);
  const missing = row.state === 'open' ? await storage.missingParts(direct) : [];
  const { ttlSeconds: expiresInSeconds } = config.links;
  const signed = await storage.partLinks(direct, missing.slice(0, linksPerPage), { expiresInSeconds });
  const self = `${config.api.publicUrl}/v1/uploads/${row.id}`;
  return {
    id: row.id,
    state: upload.shape.state.parse(row.state),
    filename: row.filename,
    bytes: row.bytes,
    partBytes: row.partBytes,
    partCount: direct.partCount,
    missing: missing.length,
    parts: signed.map(({ number, url }) => ({ partNumber: number, url })),
    expiresAt: signed.length === 0 ? null : new Date(Date.now() + expiresInSeconds * 1000).toISOString(),
    createdAt: row.createdAt.toISOString(),
    links: { self, complete: `${self}/complete` },
  };
}

function directUpload(storage: Storage, row: UploadRow): DirectUpload {
  return {
    uri: `s3://${storage.bucket}/${row.key}`,
    uploadId: row.multipartId ?? '',
    size: row.bytes,
    partSize: row.partBytes,
    partCount: Math.ceil(row.bytes / row.partBytes),
  };
}
