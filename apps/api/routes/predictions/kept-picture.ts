/** `GET /predict/{id}/picture`: the picture of a prediction, where it was kept. */
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { ProblemError } from '@darkroom/contract';
import { pictureKey, picturesOf } from '@darkroom/prediction';
import { contentDisposition, StorageError } from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { type Base, named } from '../../openapi/bases.ts';
import { problems } from '../../openapi/describe.ts';
import { idParam, loadPrediction } from './reads.ts';

const pictureAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/predict/{id}/picture`,
    ...named('getPredictionPicture', base, 'Predictions'),
    summary: 'The picture of a prediction',
    description:
      'As it was sent, where it was sent with `keep`. A browser takes the `picture` link of the prediction’s details, which needs no key.',
    security: [{ key: [] }, { link: [] }],
    request: { params: idParam },
    responses: {
      200: {
        description: 'The picture.',
        content: { 'image/*': { schema: z.string().meta({ format: 'binary' }) } },
      },
      ...problems('not_found', 'validation_failed', 'storage_unavailable'),
    },
  });

/** Registers the route under `base`. */
export function registerKeptPicture(api: Api, base: Base): void {
  api.openapi(pictureAt(base), async (c) => {
    const { records, storage } = c.var.deps;
    const { id, filename } = await loadPrediction(c, c.req.valid('param').id, 'read');
    const none = (): ProblemError =>
      new ProblemError('not_found', `No picture was kept with prediction ${id}.`);
    const [kept] = await picturesOf(records.db, [id]);
    if (kept === undefined) throw none();
    const { contentType } = kept;
    const { stream, length } = await storage
      .get(pictureKey(id), { signal: c.req.raw.signal })
      .catch((error: unknown) => {
        throw error instanceof StorageError && error.code === 'source_not_found' ? none() : error;
      });
    // What is no picture that is known is nothing for a browser to open.
    const shown = contentType.startsWith('image/') ? 'inline' : 'attachment';
    return new Response(Readable.toWeb(stream) as NodeStream<Uint8Array> as ReadableStream<Uint8Array>, {
      headers: {
        'content-type': contentType,
        'content-length': String(length),
        'content-disposition': contentDisposition(filename, shown),
        'cache-control': 'no-store',
      },
    });
  });
}
