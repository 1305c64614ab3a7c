/** Files of the object store as one zip, made while it is read. */
import type { ManifestFile } from '@darkroom/contract';
import type { Storage } from '@darkroom/storage';
import ZipStream from 'zip-stream';

/**
 * The bytes of a zip: entries stored (pictures are compressed already), zip64 where sizes ask for it. One object is open at a
 * time, and read only as fast as the zip is. Leaving the iteration, or `signal`, frees all. Throws StorageError.
 */
export async function* archiveOf(
  storage: Pick<Storage, 'get'>,
  files: readonly ManifestFile[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const zip = new ZipStream({ store: true });
  const left = new AbortController();
  const stop = AbortSignal.any([signal, left.signal]);
  const filled = fill(zip, storage, files, stop).catch((error: unknown) => {
    zip.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of zip as AsyncIterable<Uint8Array>) yield chunk;
  } finally {
    left.abort();
    zip.destroy();
    await filled;
  }
}

async function fill(
  zip: ZipStream,
  storage: Pick<Storage, 'get'>,
  files: readonly ManifestFile[],
  signal: AbortSignal,
): Promise<void> {
  // The same files make the same archive.
  const date = new Date('1980-01-01T00:00:00Z');
  for (const { path, uri, bytes } of files) {
    signal.throwIfAborted();
    const { stream } = await storage.get(uri, { signal });
    try {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        stream.once('error', reject);
        zip.entry(stream, { name: path, store: true, size: bytes, date }, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    } finally {
      stream.destroy();
    }
  }
  zip.finalize();
}
