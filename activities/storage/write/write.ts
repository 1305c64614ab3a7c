import { createHash, hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { inParallel, untilAborted } from '../connection/bodies.ts';
import { attempt, type Connection } from '../connection/client.ts';
import { StorageError } from '../connection/errors.ts';
import { resolveTarget } from '../names/uri.ts';
import { bareEtag, requireDigest } from '../read/read.ts';
import { putDirectly } from './direct.ts';
import {
  abortQuietly,
  beginUpload,
  completeUpload,
  DEFAULT_PART_BYTES,
  GRACE_MS,
  MAX_PARTS,
  type StoredPart,
  sendPart,
  type Target,
} from './multipart.ts';

/** An object that was written. `size` in bytes, `sha256` in hex of all of it. */
export interface Written {
  uri: string;
  size: number;
  sha256: string;
  etag: string;
}

export interface UploadOptions {
  contentType: string;
  metadata?: Readonly<Record<string, string>> | undefined;
  /** Bytes; default 8 MiB. */
  partSize?: number | undefined;
  /** Parts under way at a time; default 4. */
  concurrency?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called after each part with the bytes that are stored by now. */
  onProgress?: ((bytes: number) => void) | undefined;
  /** Called right before the one request that makes the object visible; throwing prevents it. The place for a fence. */
  beforePublish?: (() => Promise<void>) | undefined;
}

/** A part on its way: numbers start at 1. */
export interface Part {
  number: number;
  bytes: Buffer;
}

const DEFAULT_CONCURRENCY = 4;

/** One PutObject; returns the ETag. */
export async function put(
  s3: Connection,
  at: Target,
  bytes: Buffer,
  options: {
    contentType: string;
    metadata?: Readonly<Record<string, string>> | undefined;
    ifNoneMatch?: '*' | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<string> {
  const command = new PutObjectCommand({
    Bucket: at.bucket,
    Key: at.key,
    Body: bytes,
    ContentType: options.contentType,
    ...(options.metadata === undefined ? {} : { Metadata: { ...options.metadata } }),
    ...(options.ifNoneMatch ? { IfNoneMatch: options.ifNoneMatch } : {}),
  });
  try {
    const reply = await attempt(s3, at.uri, options.signal, (o) =>
      s3.client.send(command, { ...o, requestTimeout: s3.transferTimeoutMs }),
    );
    return bareEtag(reply.ETag);
  } catch (error) {
    if (options.ifNoneMatch && error instanceof StorageError && error.code === 'source_changed') {
      throw new StorageError(
        'already_exists',
        `${at.uri} exists already. Choose another name, or delete it first.`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

/**
 * Writes an object in one request, its bytes checked on the way by CRC32. Throws StorageError: `checksum_mismatch` when the bytes do not
 * have the given SHA-256 (hex), `already_exists` when `ifNoneMatch: '*'` was asked and there is an object.
 */
export async function putBytes(
  s3: Connection,
  target: string,
  bytes: Buffer,
  options: {
    contentType: string;
    sha256?: string | undefined;
    ifNoneMatch?: '*' | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<Written> {
  const at = resolveTarget(s3.bucket, target);
  const sha256 = hash('sha256', bytes);
  if (options.sha256 !== undefined) requireDigest(at.uri, options.sha256, sha256);
  const bySdk = () => put(s3, at, bytes, options);
  // Refused, a conditional write is none to be repeated.
  const etag =
    options.ifNoneMatch === undefined
      ? await putDirectly(s3, at, { bytes, sha256, contentType: options.contentType }, options.signal, bySdk)
      : await bySdk();
  return { uri: at.uri, size: bytes.length, sha256, etag };
}

/** The chunks as one buffer; a single one is not copied. */
function joined(chunks: readonly Uint8Array[], length: number): Buffer {
  const [first] = chunks;
  if (chunks.length === 1 && first) return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  return Buffer.concat(chunks, length);
}

/** Cuts a stream into parts of equal size; only the last one is `last`, and may be smaller or empty. */
async function* cut(
  source: AsyncIterable<Uint8Array>,
  partSize: number,
): AsyncGenerator<Part & { last: boolean }, undefined> {
  let held: Uint8Array[] = [];
  let bytesHeld = 0;
  let number = 1;
  for await (const chunk of source) {
    held.push(chunk);
    bytesHeld += chunk.length;
    // A full part waits until a byte follows it: else the last part would be empty.
    while (bytesHeld > partSize) {
      const all = joined(held, bytesHeld);
      held = [all.subarray(partSize)];
      bytesHeld -= partSize;
      yield { number: number++, bytes: all.subarray(0, partSize), last: false };
    }
  }
  yield { number, bytes: joined(held, bytesHeld), last: true };
}

/** Counts and hashes what passes; throws StorageError `too_large` at the first byte over `maxBytes`. */
async function* measure(
  source: AsyncIterable<Uint8Array>,
  seen: { size: number },
  hash: { update(bytes: Uint8Array): unknown },
  maxBytes: number,
): AsyncGenerator<Uint8Array, undefined> {
  for await (const chunk of source) {
    seen.size += chunk.length;
    if (seen.size > maxBytes) {
      throw new StorageError(
        'too_large',
        `The upload has more than ${maxBytes} bytes, the limit here. Send a smaller file.`,
      );
    }
    hash.update(chunk);
    yield chunk;
  }
}

async function* after<T>(first: T, rest: AsyncIterator<T, undefined>): AsyncGenerator<T, undefined> {
  yield first;
  for (let step = await rest.next(); step.done !== true; step = await rest.next()) yield step.value;
}

/** Sends parts side by side, but for those that `have` finds stored already, and returns all of them in order. */
export async function sendParts(
  s3: Connection,
  at: Target,
  uploadId: string,
  parts: AsyncIterable<Part>,
  options: UploadOptions,
  have: (part: Part) => StoredPart | undefined = () => undefined,
): Promise<StoredPart[]> {
  const stored: StoredPart[] = [];
  let bytes = 0;
  const pace = {
    concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
    graceMs: GRACE_MS,
    signal: options.signal,
  };
  await inParallel(parts, pace, async (part, signal) => {
    if (part.number > MAX_PARTS) {
      throw new StorageError(
        'too_large',
        `${at.uri} needs more than ${MAX_PARTS} parts. Upload it with a larger partSize.`,
      );
    }
    stored[part.number - 1] = have(part) ?? (await sendPart(s3, at, uploadId, part, signal));
    bytes += part.bytes.length;
    options.onProgress?.(bytes);
  });
  return stored;
}

/**
 * Uploads a stream of unknown length, hashing and counting it as it passes. What fits into one part is one PutObject. At most
 * (concurrency + 1) × partSize bytes are held; the source is read no faster than the store takes them. On any failure or abort
 * the multipart upload is aborted, the source destroyed, and nothing is visible under the key.
 */
export async function uploadStream(
  s3: Connection,
  target: string,
  source: AsyncIterable<Uint8Array>,
  options: UploadOptions & { maxBytes: number },
): Promise<Written> {
  const at = resolveTarget(s3.bucket, target);
  const { contentType, metadata, signal } = options;
  const hash = createHash('sha256');
  const seen = { size: 0 };
  const parts = cut(measure(source, seen, hash, options.maxBytes), options.partSize ?? DEFAULT_PART_BYTES);
  let uploadId: string | undefined;
  try {
    signal?.throwIfAborted();
    const first = await untilAborted(parts.next(), signal);
    if (first.done === true) throw new Error('a cut stream has at least one part');
    if (first.value.last) {
      await options.beforePublish?.();
      const etag = await put(s3, at, first.value.bytes, { contentType, metadata, signal });
      options.onProgress?.(seen.size);
      return { uri: at.uri, size: seen.size, sha256: hash.digest('hex'), etag };
    }
    uploadId = await beginUpload(s3, at, { contentType, metadata, announce: 'CRC32' }, signal);
    const stored = await sendParts(s3, at, uploadId, after(first.value, parts), options);
    await options.beforePublish?.();
    const etag = await completeUpload(s3, at, uploadId, stored, signal);
    return { uri: at.uri, size: seen.size, sha256: hash.digest('hex'), etag };
  } catch (error) {
    if (source instanceof Readable) source.destroy();
    if (uploadId !== undefined) await abortQuietly(s3, at, uploadId);
    throw error;
  }
}
