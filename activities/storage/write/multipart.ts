import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterGrace, untilAborted } from '../connection/bodies.ts';
import { attempt, type Connection } from '../connection/client.ts';
import { StorageError } from '../connection/errors.ts';
import type { Location } from '../names/uri.ts';
import { bareEtag, head } from '../read/read.ts';

export const MIB = 1024 ** 2;
/** S3's own limits, https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html; the last part may be smaller. */
export const MIN_PART_BYTES = 5 * MIB;
export const MAX_PART_BYTES = 5 * 1024 * MIB;
export const MAX_PARTS = 10_000;
export const DEFAULT_PART_BYTES = 8 * MIB;

/**
 * How long parts under way may finish once their upload is given up. A store may take a part that it was receiving while the
 * upload was aborted, and then keeps it (S3 says so of itself; versitygw keeps it where no listing shows it).
 */
export const GRACE_MS = 1_500;

// With the grace before, a cancelled job ends within 5 s even when the store does not answer.
const ABORT_DEADLINE_MS = 2_500;
const LOOK_DELAYS_MS = [100, 200, 400, 800];

/** An object that is addressed, with its URI for messages. */
export type Target = Location & { uri: string };

/** A part that the store holds. `etag` as the store gave it, `size` in bytes, `crc32` (base64) where its upload announced CRC32. */
export interface StoredPart {
  etag: string;
  size: number;
  crc32?: string | undefined;
}

/** CRC32 as S3 writes it: big-endian, in base64. */
export function crc32Of(bytes: Buffer): string {
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32(bytes));
  return digest.toString('base64');
}

/** The part size (bytes) for an object of `size` bytes: the wanted one, or the least whole MiB with which 10,000 parts suffice. */
export function partSizeFor(size: number, wanted: number = DEFAULT_PART_BYTES): number {
  const least = Math.ceil(size / MAX_PARTS / MIB) * MIB;
  const partSize = Math.max(wanted, least, MIN_PART_BYTES);
  if (partSize > MAX_PART_BYTES) {
    throw new StorageError(
      'too_large',
      `${size} bytes are more than one object can hold (${MAX_PARTS} parts of 5 GiB).`,
    );
  }
  return partSize;
}

/**
 * Opens a multipart upload and returns its id. With `announce` every part must come with its CRC32, and completing needs them all: AWS
 * refuses a part whose checksum was not announced, and one without it where it was. An abort meanwhile waits for the id, without
 * which nothing could be dropped.
 */
export async function beginUpload(
  s3: Connection,
  at: Target,
  options: {
    contentType: string;
    metadata?: Readonly<Record<string, string>> | undefined;
    announce?: 'CRC32' | undefined;
  },
  signal?: AbortSignal,
): Promise<string> {
  const { contentType, metadata, announce } = options;
  const command = new CreateMultipartUploadCommand({
    Bucket: at.bucket,
    Key: at.key,
    ContentType: contentType,
    ...(metadata !== undefined ? { Metadata: { ...metadata } } : {}),
    ...(announce !== undefined ? { ChecksumAlgorithm: announce, ChecksumType: 'COMPOSITE' } : {}),
  });
  signal?.throwIfAborted();
  using late = afterGrace(signal, GRACE_MS);
  const reply = await attempt(s3, at.uri, late.signal, (o) => s3.client.send(command, o));
  if (reply.UploadId === undefined) {
    throw new StorageError('storage_refused', `The store opened no multipart upload for ${at.uri}.`);
  }
  if (signal?.aborted) {
    await abortQuietly(s3, at, reply.UploadId);
    throw signal.reason;
  }
  return reply.UploadId;
}

/** Sends one part (numbers start at 1) of an upload that announced CRC32. */
export async function sendPart(
  s3: Connection,
  at: Target,
  uploadId: string,
  part: { number: number; bytes: Buffer },
  signal?: AbortSignal,
): Promise<StoredPart> {
  const checksum = crc32Of(part.bytes);
  const command = new UploadPartCommand({
    Bucket: at.bucket,
    Key: at.key,
    UploadId: uploadId,
    PartNumber: part.number,
    Body: part.bytes,
    ChecksumCRC32: checksum,
  });
  const reply = await attempt(s3, at.uri, signal, (o) =>
    s3.client.send(command, { ...o, requestTimeout: s3.transferTimeoutMs }),
  );
  return { etag: reply.ETag ?? '', size: part.bytes.length, crc32: checksum };
}

/** The parts an open upload has by now, by number. Throws StorageError `source_not_found` when there is no such upload. */
export async function storedParts(
  s3: Connection,
  at: Target,
  uploadId: string,
  signal?: AbortSignal,
): Promise<Map<number, StoredPart>> {
  const parts = new Map<number, StoredPart>();
  let marker: string | undefined;
  do {
    const command = new ListPartsCommand({
      Bucket: at.bucket,
      Key: at.key,
      UploadId: uploadId,
      ...(marker !== undefined ? { PartNumberMarker: marker } : {}),
    });
    const reply = await attempt(s3, at.uri, signal, (o) => s3.client.send(command, o));
    for (const part of reply.Parts ?? []) {
      if (part.PartNumber === undefined) continue;
      parts.set(part.PartNumber, { etag: part.ETag ?? '', size: part.Size ?? 0, crc32: part.ChecksumCRC32 });
    }
    marker = reply.IsTruncated === true ? reply.NextPartNumberMarker : undefined;
  } while (marker !== undefined);
  return parts;
}

/** The ETag S3 gives an object made of parts: the MD5 of their MD5s, and their count. */
function compositeEtag(parts: readonly StoredPart[]): string {
  const hash = createHash('md5');
  for (const part of parts) hash.update(Buffer.from(bareEtag(part.etag), 'hex'));
  return `${hash.digest('hex')}-${parts.length}`;
}

/**
 * Makes the object out of parts 1…n and returns its ETag. When the answer to an earlier attempt was lost, the upload is gone
 * and the object is there: told by its ETag, that counts as done.
 */
export async function completeUpload(
  s3: Connection,
  at: Target,
  uploadId: string,
  parts: readonly StoredPart[],
  signal?: AbortSignal,
): Promise<string> {
  const announced = parts.every((part) => part.crc32 !== undefined);
  const command = new CompleteMultipartUploadCommand({
    Bucket: at.bucket,
    Key: at.key,
    UploadId: uploadId,
    ...(announced ? { ChecksumType: 'COMPOSITE' } : {}),
    MultipartUpload: {
      Parts: parts.map((part, index) => ({
        PartNumber: index + 1,
        ETag: part.etag,
        ...(announced ? { ChecksumCRC32: part.crc32 } : {}),
      })),
    },
  });
  try {
    const reply = await attempt(s3, at.uri, signal, (o) =>
      s3.client.send(command, { ...o, requestTimeout: s3.transferTimeoutMs }),
    );
    return bareEtag(reply.ETag);
  } catch (error) {
    if (!isGone(error)) throw error;
    const there = await head(s3, at.uri, { signal }).catch(() => undefined);
    if (there?.etag !== compositeEtag(parts)) throw error;
    return there.etag;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'source_not_found';
}

/**
 * Drops an open upload and its parts; one that is gone already is fine. A part that was still on its way can keep an upload, or bring it
 * back, so it is looked for afterwards and dropped again. Throws StorageError.
 */
export async function abortUpload(
  s3: Connection,
  at: Target,
  uploadId: string,
  signal?: AbortSignal,
): Promise<void> {
  const command = new AbortMultipartUploadCommand({ Bucket: at.bucket, Key: at.key, UploadId: uploadId });
  let failure: unknown;
  for (const delay of LOOK_DELAYS_MS) {
    try {
      await attempt(s3, at.uri, signal, (o) => s3.client.send(command, o));
    } catch (error) {
      if (isGone(error)) return;
      if (!(error instanceof StorageError) || !error.retryable) throw error;
      failure = error;
    }
    await untilAborted(sleep(delay), signal);
    try {
      await storedParts(s3, at, uploadId, signal);
    } catch (error) {
      if (isGone(error)) return;
      failure = error;
    }
  }
  throw (
    failure ??
    new StorageError('storage_unavailable', `The upload of ${at.uri} is still open. Abort it again later.`)
  );
}

/** Aborts after a failure that is to be reported: an upload that cannot be aborted soon is left to the sweep of old ones. */
export async function abortQuietly(s3: Connection, at: Target, uploadId: string): Promise<void> {
  await abortUpload(s3, at, uploadId, AbortSignal.timeout(ABORT_DEADLINE_MS)).catch(() => {});
}
