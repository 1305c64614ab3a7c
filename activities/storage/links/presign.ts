import { UploadPartCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { attempt, type Connection } from '../connection/client.ts';
import { StorageError } from '../connection/errors.ts';
import { signedLink } from '../connection/sign.ts';
import { contentDisposition } from '../names/names.ts';
import { resolveTarget } from '../names/uri.ts';
import {
  abortUpload,
  beginUpload,
  completeUpload,
  partSizeFor,
  type StoredPart,
  storedParts,
} from '../write/multipart.ts';

/** The longest a link may be valid (signature version 4): seven days, in seconds. */
export const MAX_LINK_SECONDS = 7 * 24 * 3600;

function requireExpiry(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_LINK_SECONDS) return seconds;
  throw new RangeError(`a link is valid for 1 to ${MAX_LINK_SECONDS} seconds, not ${seconds}`);
}

/** A link with which whoever has it can read one object for a while; with `filename` a browser saves it under that name. */
export async function linkTo(
  s3: Connection,
  target: string,
  options: {
    expiresInSeconds: number;
    filename?: string | undefined;
    disposition?: 'attachment' | 'inline' | undefined;
    contentType?: string | undefined;
  },
): Promise<string> {
  const { bucket, key, uri } = resolveTarget(s3.bucket, target);
  const { filename, disposition, contentType } = options;
  const expiresIn = requireExpiry(options.expiresInSeconds);
  const query = {
    ...(filename !== undefined && {
      'response-content-disposition': contentDisposition(filename, disposition),
    }),
    ...(contentType !== undefined && { 'response-content-type': contentType }),
  };
  // Keys that cannot be got are told as any other call tells them.
  return attempt(s3, uri, undefined, () => signedLink(s3, { bucket, key }, query, expiresIn));
}

/** An upload that a client carries out by itself, part by part. Sizes in bytes; all parts but the last have `partSize`. */
export interface DirectUpload {
  uri: string;
  uploadId: string;
  size: number;
  partSize: number;
  partCount: number;
}

/** Opens an upload of exactly `size` bytes for a client that holds links alone. Throws StorageError `too_large`. */
export async function beginDirectUpload(
  s3: Connection,
  target: string,
  options: {
    size: number;
    contentType: string;
    maxBytes: number;
    partSize?: number | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<DirectUpload> {
  const at = resolveTarget(s3.bucket, target);
  const { size, maxBytes } = options;
  if (!Number.isSafeInteger(size) || size < 1)
    throw new RangeError(`an upload has at least one byte, not ${size}`);
  if (size > maxBytes) {
    throw new StorageError(
      'too_large',
      `${size} bytes are more than the limit of ${maxBytes}. Send a smaller file.`,
    );
  }
  const partSize = partSizeFor(size, options.partSize);
  // No checksum is announced: clients PUT their parts without one.
  const uploadId = await beginUpload(s3, at, { contentType: options.contentType }, options.signal);
  return { uri: at.uri, uploadId, size, partSize, partCount: Math.ceil(size / partSize) };
}

/**
 * Links to which the parts of these numbers (from 1) are PUT, in the order asked. The length of each part is signed: the store refuses
 * a body of another length.
 */
export async function partLinks(
  s3: Connection,
  upload: Pick<DirectUpload, 'uri' | 'uploadId' | 'size' | 'partSize' | 'partCount'>,
  numbers: readonly number[],
  options: { expiresInSeconds: number },
): Promise<{ number: number; url: string }[]> {
  const { bucket, key, uri } = resolveTarget(s3.bucket, upload.uri);
  const expiresIn = requireExpiry(options.expiresInSeconds);
  return Promise.all(
    numbers.map(async (number) => {
      if (!Number.isInteger(number) || number < 1 || number > upload.partCount) {
        throw new RangeError(`parts are numbered 1 to ${upload.partCount}, not ${number}`);
      }
      const command = new UploadPartCommand({
        Bucket: bucket,
        Key: key,
        UploadId: upload.uploadId,
        PartNumber: number,
        ContentLength: lengthOfPart(upload, number),
      });
      const signableHeaders = new Set(['host', 'content-length']);
      const sign = () => getSignedUrl(s3.signer, command, { expiresIn, signableHeaders });
      return { number, url: await attempt(s3, uri, undefined, sign) };
    }),
  );
}

/** Bytes of a part: the last one is what is left. */
function lengthOfPart({ size, partSize }: Pick<DirectUpload, 'size' | 'partSize'>, number: number): number {
  return Math.min(partSize, size - (number - 1) * partSize);
}

/** Numbers of the parts that the store has not, or not in the right size: what a client still has to send. */
export async function missingParts(
  s3: Connection,
  upload: DirectUpload,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<number[]> {
  const at = resolveTarget(s3.bucket, upload.uri);
  const parts = await storedParts(s3, at, upload.uploadId, options.signal);
  return missing(upload, parts);
}

function missing(upload: DirectUpload, parts: ReadonlyMap<number, StoredPart>): number[] {
  const numbers = Array.from({ length: upload.partCount }, (_, index) => index + 1);
  return numbers.filter((number) => {
    return parts.get(number)?.size !== lengthOfPart(upload, number);
  });
}

/**
 * Makes the object out of what the client sent, when it is all there in the announced sizes. The store's own list of parts counts, not what the
 * client says. Throws StorageError `storage_refused` naming the parts that lack; the upload then stays open.
 */
export async function completeDirectUpload(
  s3: Connection,
  upload: DirectUpload,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<{ uri: string; size: number; etag: string }> {
  const at = resolveTarget(s3.bucket, upload.uri);
  const parts = await storedParts(s3, at, upload.uploadId, options.signal);
  const lacking = missing(upload, parts);
  if (lacking.length > 0) {
    const shown = lacking.slice(0, 10).join(', ');
    throw new StorageError(
      'storage_refused',
      `${lacking.length} of ${upload.partCount} parts are missing or have a wrong size (${shown}${lacking.length > 10 ? ', …' : ''}). Send them, then complete the upload again.`,
    );
  }
  const ordered = Array.from({ length: upload.partCount }, (_, index) => parts.get(index + 1)).filter(
    (part) => part !== undefined,
  );
  const etag = await completeUpload(s3, at, upload.uploadId, ordered, options.signal);
  return { uri: at.uri, size: upload.size, etag };
}

/** Drops the upload and what was sent; one that is gone already is fine. */
export async function abortDirectUpload(
  s3: Connection,
  upload: Pick<DirectUpload, 'uri' | 'uploadId'>,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  await abortUpload(s3, resolveTarget(s3.bucket, upload.uri), upload.uploadId, options.signal);
}
