import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { inParallel } from '../connection/bodies.ts';
import type { Connection } from '../connection/client.ts';
import { MIB } from '../write/multipart.ts';
import { get, head, type ObjectInfo, type ReadOptions, requireDigest } from './read.ts';

/** How far a download is: what a later attempt on the same machine needs to go on. `done` holds the indices of whole parts. */
export interface DownloadCursor {
  etag: string;
  size: number;
  partSize: number;
  done: number[];
}

export interface DownloadOptions extends ReadOptions {
  /** SHA-256 in hex that the file must have. */
  sha256?: string | undefined;
  /** Bytes; default 8 MiB. */
  partSize?: number | undefined;
  /** Parts under way at a time; default 4. */
  concurrency?: number | undefined;
  /** The cursor of an earlier attempt that ran with `keepPartial`. Ignored when the object or the partial file is another one by now. */
  resume?: DownloadCursor | undefined;
  /** Leave the partial file for `resume` when this attempt fails. */
  keepPartial?: boolean | undefined;
  /** Called as bytes arrive; `bytes` counts those of earlier attempts too. */
  onProgress?: ((bytes: number, cursor: DownloadCursor) => void) | undefined;
}

const DEFAULT_PART_BYTES = 8 * MIB;
const DEFAULT_CONCURRENCY = 4;

/** Where the bytes gather until they are whole. */
function partialPath(path: string): string {
  return `${path}.part`;
}

async function usableCursor(
  partial: string,
  info: ObjectInfo,
  resume: DownloadCursor | undefined,
): Promise<DownloadCursor | undefined> {
  if (resume?.etag !== info.etag || resume.size !== info.size) return undefined;
  const file = await stat(partial).catch(() => undefined);
  return file?.size === info.size ? { ...resume, done: [...resume.done] } : undefined;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const step = await file.write(bytes, written, bytes.length - written, position + written);
    written += step.bytesWritten;
  }
}

async function fileDigest(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, signal ? { signal } : {})) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * Downloads an object into a file: ranges side by side, each pinned to one ETag, a few hundred KiB of memory. The file appears under
 * its name only when it is whole (and has the SHA-256, if given); on failure or abort nothing is left, unless `keepPartial`. Its parts
 * are trusted on resume as the running system wrote them: after a crash of the machine start anew, or give `sha256`.
 * Throws StorageError, or the file system's error (`ENOSPC`, …).
 */
export async function downloadToFile(
  s3: Connection,
  target: string,
  path: string,
  options: DownloadOptions = {},
): Promise<ObjectInfo> {
  const { signal, ifMatch, sha256 } = options;
  const partial = partialPath(path);
  const info = await head(s3, target, { ifMatch, signal });
  const cursor: DownloadCursor = (await usableCursor(partial, info, options.resume)) ?? {
    etag: info.etag,
    size: info.size,
    partSize: options.partSize ?? DEFAULT_PART_BYTES,
    done: [],
  };
  const done = new Set(cursor.done);
  const { partSize } = cursor;
  const lengthOf = (index: number): number => Math.min(partSize, info.size - index * partSize);
  const missing = [...Array(Math.ceil(info.size / partSize)).keys()].filter((index) => !done.has(index));
  let bytes = cursor.done.reduce((sum, index) => sum + lengthOf(index), 0);
  try {
    const file = await open(partial, done.size > 0 ? 'r+' : 'w');
    try {
      await file.truncate(info.size);
      const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
      await inParallel(missing, { concurrency, signal }, async (index, linked) => {
        const start = index * partSize;
        const range = { start, length: lengthOf(index) };
        const { stream } = await get(s3, info.uri, { range, ifMatch: info.etag, signal: linked });
        let position = start;
        for await (const chunk of stream) {
          await writeAll(file, chunk, position);
          position += chunk.length;
          bytes += chunk.length;
          options.onProgress?.(bytes, cursor);
        }
        cursor.done.push(index);
        options.onProgress?.(bytes, cursor);
      });
    } finally {
      await file.close();
    }
    if (sha256 !== undefined) requireDigest(info.uri, sha256, await fileDigest(partial, signal));
    signal?.throwIfAborted();
    await rename(partial, path);
    return info;
  } catch (error) {
    if (options.keepPartial !== true) await rm(partial, { force: true });
    throw error;
  }
}
