import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { pullStream, whenAborted } from '../connection/bodies.ts';
import { attempt, type Connection, nameRefusal } from '../connection/client.ts';
import { StorageError, toStorageError } from '../connection/errors.ts';
import { type Location, resolveTarget } from '../names/uri.ts';

/** What a store knows of an object. `size` in bytes; `etag` without its quotes. */
export interface ObjectInfo {
  uri: string;
  size: number;
  etag: string;
  lastModified: Date;
  contentType: string;
  /** What its writer said of it, by lower-case names; where `head` asked, and there is some. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

export interface ReadOptions {
  /** The ETag the object must still have, else StorageError `source_changed`. */
  ifMatch?: string | undefined;
  signal?: AbortSignal | undefined;
}

const REOPENINGS = 3;
const REOPEN_DELAY_MS = 100;

/** ETags are kept without the quotes they are sent with. */
export function bareEtag(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}

/** The header field that pins an ETag. */
export function pinned(etag: string | undefined): { IfMatch?: string } {
  return etag === undefined ? {} : { IfMatch: `"${bareEtag(etag)}"` };
}

function requireSame(uri: string, wanted: string | undefined, found: string): void {
  if (wanted !== undefined && bareEtag(wanted) !== found) {
    throw new StorageError(
      'source_changed',
      `${uri} has changed since it was submitted. Submit it again as it is now.`,
    );
  }
}

/** Size, ETag, time and type of an object. Throws StorageError. */
export async function head(s3: Connection, target: string, options: ReadOptions = {}): Promise<ObjectInfo> {
  const { bucket, key, uri } = resolveTarget(s3.bucket, target);
  const reply = await attempt(s3, uri, options.signal, (o) =>
    nameRefusal(
      () =>
        s3.client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ...pinned(options.ifMatch) }), o),
      async () => {
        const beginning = new GetObjectCommand({ Bucket: bucket, Key: key, Range: 'bytes=0-0' });
        await (await s3.client.send(beginning, o)).Body?.transformToByteArray();
      },
    ),
  );
  const etag = bareEtag(reply.ETag);
  requireSame(uri, options.ifMatch, etag);
  const metadata = reply.Metadata ?? {};
  return {
    uri,
    size: reply.ContentLength ?? 0,
    etag,
    lastModified: reply.LastModified ?? new Date(0),
    contentType: reply.ContentType ?? 'application/octet-stream',
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
  };
}

/** One answer of the store: its body is read through `chunks`, `close` drops the connection. */
interface Answer {
  info: ObjectInfo;
  /** Bytes that this answer holds. */
  length: number;
  chunks: AsyncIterator<Uint8Array>;
  close(): void;
}

async function open(
  s3: Connection,
  at: Location & { uri: string },
  range: { start: number; end: number | undefined } | undefined,
  options: ReadOptions,
): Promise<Answer> {
  const hangUp = new AbortController();
  const leave = whenAborted(options.signal, () => hangUp.abort(options.signal?.reason));
  const command = new GetObjectCommand({
    Bucket: at.bucket,
    Key: at.key,
    ...pinned(options.ifMatch),
    ...(range ? { Range: `bytes=${range.start}-${range.end ?? ''}` } : {}),
  });
  const reply = await attempt(s3, at.uri, hangUp.signal, (o) => s3.client.send(command, o)).catch(
    (error: unknown) => {
      leave();
      throw error;
    },
  );
  const body = reply.Body as Readable;
  // An error that comes while nobody reads is found by the next read.
  body.on('error', () => {});
  const close = (): void => {
    leave();
    hangUp.abort();
    body.destroy();
  };
  try {
    const etag = bareEtag(reply.ETag);
    requireSame(at.uri, options.ifMatch, etag);
    const length = reply.ContentLength ?? 0;
    const described = /^bytes (\d+)-\d+\/(\d+)$/.exec(reply.ContentRange ?? '');
    if (range && Number(described?.[1]) !== range.start) {
      throw new StorageError(
        'storage_unavailable',
        `The store answered another range of ${at.uri} than asked. Try again.`,
      );
    }
    const info: ObjectInfo = {
      uri: at.uri,
      size: described ? Number(described[2]) : length,
      etag,
      lastModified: reply.LastModified ?? new Date(0),
      contentType: reply.ContentType ?? 'application/octet-stream',
    };
    return { info, length, chunks: body[Symbol.asyncIterator](), close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Opens an object (or `length` bytes of it from `start`) as a stream. A connection that breaks or stalls is opened again
 * where it broke, as long as the ETag is the same; a reader that rests gives its connection back meanwhile. The stream ends
 * only after exactly the promised bytes, else it fails with StorageError. Destroying it frees the connection at once.
 */
export async function get(
  s3: Connection,
  target: string,
  options: ReadOptions & { range?: { start: number; length: number } | undefined } = {},
): Promise<ObjectInfo & { stream: Readable; length: number }> {
  const at = resolveTarget(s3.bucket, target);
  const { range, signal } = options;
  const first = await open(
    s3,
    at,
    range && { start: range.start, end: range.start + range.length - 1 },
    options,
  );
  const start = range?.start ?? 0;
  const end = range ? Math.min(start + range.length, first.info.size) : first.info.size;
  if (first.length !== end - start) {
    first.close();
    throw new StorageError(
      'storage_unavailable',
      `The store offered ${first.length} of ${end - start} bytes of ${at.uri}. Try again.`,
    );
  }

  let answer: Answer | undefined = first;
  let offset = start;
  let rest = setTimeout(drop, s3.restTimeoutMs).unref();
  const stopped = new AbortController();
  function drop(): void {
    answer?.close();
    answer = undefined;
  }
  async function nextChunk(): Promise<Uint8Array | undefined> {
    const step = await answer?.chunks.next();
    if (step && step.done !== true) {
      offset += step.value.length;
      return step.value;
    }
    if (offset === end) return undefined;
    throw new StorageError(
      'storage_unavailable',
      `${at.uri} ended after ${offset - start} of ${end - start} bytes. Try again.`,
    );
  }
  async function next(): Promise<Uint8Array | undefined> {
    clearTimeout(rest);
    for (let failures = 0; ; ) {
      try {
        if (!answer && offset < end) {
          const again = { ifMatch: first.info.etag, signal: stopped.signal };
          answer = await open(s3, at, { start: offset, end: end - 1 }, again);
        }
        const chunk = await nextChunk();
        if (chunk && offset > end)
          throw new StorageError('storage_unavailable', `${at.uri} sent too many bytes. Try again.`);
        if (chunk) rest = setTimeout(drop, s3.restTimeoutMs).unref();
        return chunk;
      } catch (error) {
        drop();
        stopped.signal.throwIfAborted();
        const failure = toStorageError(error, at.uri, s3.bucket);
        const resumable =
          failure instanceof StorageError && failure.code === 'storage_unavailable' && offset < end;
        if (!resumable || ++failures > REOPENINGS) throw failure;
        await sleep(REOPEN_DELAY_MS * 2 ** failures, undefined, { signal: stopped.signal });
      }
    }
  }
  let leave = (): void => {};
  const stream = pullStream(next, () => {
    clearTimeout(rest);
    leave();
    stopped.abort();
    drop();
  });
  leave = whenAborted(signal, () => {
    const reason: unknown = signal?.reason;
    stream.destroy(reason instanceof Error ? reason : new Error(String(reason)));
  });
  return { ...first.info, stream, length: end - start };
}

/**
 * A whole object in memory. Throws StorageError `too_large` before reading when it has more than `maxBytes`,
 * `checksum_mismatch` when its SHA-256 (hex) is not the given one.
 */
export async function getBytes(
  s3: Connection,
  target: string,
  options: ReadOptions & { maxBytes: number; sha256?: string | undefined },
): Promise<Buffer> {
  const { stream, length, uri } = await get(s3, target, options);
  if (length > options.maxBytes) {
    stream.destroy();
    throw new StorageError(
      'too_large',
      `${uri} has ${length} bytes; at most ${options.maxBytes} are read here.`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const bytes = Buffer.concat(chunks, length);
  if (options.sha256 !== undefined)
    requireDigest(uri, options.sha256, createHash('sha256').update(bytes).digest('hex'));
  return bytes;
}

/** Throws StorageError `checksum_mismatch` unless both SHA-256 digests (hex) are the same. */
export function requireDigest(uri: string, wanted: string, found: string): void {
  if (wanted.toLowerCase() !== found) {
    throw new StorageError(
      'checksum_mismatch',
      `${uri} has the SHA-256 ${found}, not ${wanted}. Read it again, or write it again.`,
    );
  }
}
