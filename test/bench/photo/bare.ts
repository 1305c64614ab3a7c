/**
 * The yardstick: one bare process that reads the same photos, analyses them with the same code, and writes the same
 * results to the same store, with nothing durable about it. It stays up, as a worker does, and takes its work over IPC.
 */
import { setFlagsFromString } from 'node:v8';
import { loadConfig } from '@darkroom/platform';
import { analyse, cocoJson, csv, type ExportPhoto, openModel } from '@darkroom/recognition';
import { createStorage, safeName } from '@darkroom/storage';

/** Work for the process: the photos under `source` (s3://bucket/prefix/, or one object), results under `target` (a key prefix). */
export interface BareTask {
  readonly source: string;
  readonly target: string;
  /** Photos in hand at once. */
  readonly concurrency: number;
}

export type BareReply =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly photos: number; readonly detections: number }
  | { readonly type: 'failed'; readonly reason: string };

interface Source {
  readonly uri: string;
  readonly etag: string;
  readonly segmentId: number;
}

// As the worker has it.
setFlagsFromString('--heap-growing-percent=200');
const config = loadConfig();
const storage = createStorage(config.s3);
const model = await openModel(config.recognition);
const scoreThreshold = 0.4;

process.on('message', (task: BareTask) => {
  work(task).then(tell, (error: unknown) =>
    tell({ type: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => storage.close());
tell({ type: 'ready' });

function tell(reply: BareReply): void {
  process.send?.(reply);
}

async function work({ source, target, concurrency }: BareTask): Promise<BareReply> {
  const sources = await find(source);
  const photos: ExportPhoto[] = [];
  const files: object[] = [];
  const write = async (path: string, body: Buffer, contentType: string): Promise<object> => {
    const { uri, sha256 } = await storage.putBytes(target + path, body, { contentType });
    return { path, uri, bytes: body.length, sha256, contentType };
  };
  const rest = sources.values();
  const hand = async (): Promise<void> => {
    for (const { uri, etag, segmentId } of rest) {
      const bytes = await storage.getBytes(uri, { ifMatch: etag, maxBytes: config.limits.uploadBytes });
      const found = await analyse(bytes, {
        model,
        threshold: scoreThreshold,
        annotate: true,
        limits: {
          bytes: config.limits.uploadBytes,
          pixels: config.limits.photoPixels,
          frames: config.limits.photoFrames,
        },
      });
      const { width, height, format } = found;
      const detections = found.detections.map(({ label, score, box }) => ({ label, score, box }));
      const result = { width, height, format, model: found.model, scoreThreshold, detections };
      const json = Buffer.from(JSON.stringify(result));
      const written = await Promise.all([
        write(`${segmentId}_result.json`, json, 'application/json'),
        write(`${segmentId}_result.jpg`, found.annotated!, 'image/jpeg'),
      ]);
      files.push(...written);
      photos.push({ segmentId, filename: safeName(uri), width, height, detections });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, hand));
  photos.sort((a, b) => a.segmentId - b.segmentId);
  files.push(await write('coco.json', await text(cocoJson(() => photos, 'bare')), 'application/json'));
  files.push(await write('results.csv', await text(csv(photos)), 'text/csv'));
  const manifest = Buffer.from(JSON.stringify({ files }, null, 1));
  await write('manifest.json', manifest, 'application/json');
  return {
    type: 'done',
    photos: photos.length,
    detections: photos.reduce((sum, photo) => sum + photo.detections.length, 0),
  };
}

async function find(source: string): Promise<Source[]> {
  if (!source.endsWith('/')) return [{ uri: source, etag: (await storage.head(source)).etag, segmentId: 1 }];
  const found: Source[] = [];
  for await (const { uri, etag } of storage.list(source))
    found.push({ uri, etag, segmentId: found.length + 1 });
  return found;
}

async function text(pieces: AsyncIterable<string>): Promise<Buffer> {
  let all = '';
  for await (const piece of pieces) all += piece;
  return Buffer.from(all);
}
