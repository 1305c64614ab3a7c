import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { Connection } from '../connection/client.ts';
import { StorageError } from '../connection/errors.ts';
import { resolveTarget } from '../names/uri.ts';
import { bareEtag, head } from '../read/read.ts';
import {
  abortQuietly,
  beginUpload,
  completeUpload,
  partSizeFor,
  type StoredPart,
  storedParts,
  type Target,
} from './multipart.ts';
import { type Part, put, sendParts, type UploadOptions, type Written } from './write.ts';

async function readPart(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

async function* fileParts(
  file: FileHandle,
  size: number,
  partSize: number,
  hash: { update(bytes: Uint8Array): unknown },
): AsyncGenerator<Part, undefined> {
  for (let number = 1, position = 0; number === 1 || position < size; number++, position += partSize) {
    const bytes = await readPart(file, position, Math.min(partSize, size - position));
    hash.update(bytes);
    yield { number, bytes };
  }
}

/** The parts of an interrupted upload, or a new upload when it is gone by now, or has parts without the CRC32 that completing needs. */
async function resumeOrBegin(
  s3: Connection,
  at: Target,
  options: UploadOptions & { resume?: { uploadId: string } | undefined },
): Promise<{ uploadId: string; parts: Map<number, StoredPart> }> {
  if (options.resume) {
    const { uploadId } = options.resume;
    try {
      const parts = await storedParts(s3, at, uploadId, options.signal);
      if (parts.size > 0 && parts.values().every((part) => part.crc32 !== undefined))
        return { uploadId, parts };
      await abortQuietly(s3, at, uploadId);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'source_not_found') throw error;
    }
  }
  const announced = { contentType: options.contentType, announce: 'CRC32' } as const;
  return { uploadId: await beginUpload(s3, at, announced, options.signal), parts: new Map() };
}

/**
 * Uploads a file in parts. With `resume`, parts that the store has, of the same MD5, are not sent again (stores whose
 * ETags are no MD5 get them all again). `onUploadId` tells the id to resume with; `keepPartial` leaves the upload open on failure for that,
 * else it is aborted. Throws StorageError `source_changed` when the file changes meanwhile.
 */
export async function uploadFile(
  s3: Connection,
  target: string,
  path: string,
  options: UploadOptions & {
    resume?: { uploadId: string } | undefined;
    onUploadId?: ((uploadId: string) => void) | undefined;
    keepPartial?: boolean | undefined;
  },
): Promise<Written> {
  const at = resolveTarget(s3.bucket, target);
  const { signal } = options;
  const hash = createHash('sha256');
  await using file = await open(path, 'r');
  const before = await file.stat();
  const { size } = before;
  const partSize = partSizeFor(size, options.partSize);
  const requireUnchanged = async (): Promise<void> => {
    const now = await file.stat();
    if (now.size === size && now.mtimeMs === before.mtimeMs) return;
    throw new StorageError(
      'source_changed',
      `${path} changed while it was uploaded to ${at.uri}. Upload it again.`,
    );
  };
  if (size <= partSize && !options.resume) {
    const bytes = await readPart(file, 0, size);
    await requireUnchanged();
    await options.beforePublish?.();
    const etag = await put(s3, at, bytes, options);
    options.onProgress?.(size);
    return { uri: at.uri, size, sha256: hash.update(bytes).digest('hex'), etag };
  }
  const { uploadId, parts } = await resumeOrBegin(s3, at, options);
  options.onUploadId?.(uploadId);
  try {
    const have = ({ number, bytes }: Part): StoredPart | undefined => {
      const part = parts.get(number);
      if (part?.size !== bytes.length) return undefined;
      return bareEtag(part.etag) === createHash('md5').update(bytes).digest('hex') ? part : undefined;
    };
    const stored = await sendParts(s3, at, uploadId, fileParts(file, size, partSize, hash), options, have);
    await requireUnchanged();
    await options.beforePublish?.();
    const etag = await completeUpload(s3, at, uploadId, stored, signal);
    const there = await head(s3, at.uri, { ifMatch: etag, signal });
    if (there.size !== size) {
      throw new StorageError(
        'checksum_mismatch',
        `${at.uri} has ${there.size} of ${size} bytes. Upload it again.`,
      );
    }
    return { uri: at.uri, size, sha256: hash.digest('hex'), etag };
  } catch (error) {
    if (options.keepPartial !== true) await abortQuietly(s3, at, uploadId);
    throw error;
  }
}
