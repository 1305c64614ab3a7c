import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { inParallel } from './bodies.ts';
import { attempt, type Connection } from './client.ts';
import { StorageError } from './errors.ts';
import { list, openUploads } from './list.ts';
import { abortUpload } from './multipart.ts';
import { resolvePrefix, resolveTarget } from './uri.ts';

const KEYS_PER_REQUEST = 1000;
const ROUNDS = 3;
const CONCURRENCY = 8;

/** Deletes up to 1,000 keys; those that are gone already are fine. */
async function deleteKeys(
  s3: Connection,
  bucket: string,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const uri = `s3://${bucket}/${keys[0] ?? ''}`;
  const command = new DeleteObjectsCommand({
    Bucket: bucket,
    Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) },
  });
  const reply = await attempt(uri, signal, (o) => s3.client.send(command, o));
  const failed = (reply.Errors ?? []).filter((error) => error.Code !== 'NoSuchKey');
  const first = failed[0];
  if (!first) return;
  throw new StorageError(
    first.Code === 'AccessDenied' ? 'access_denied' : 'storage_unavailable',
    `${failed.length} of ${keys.length} objects could not be deleted, first s3://${bucket}/${first.Key} (${first.Code}: ${first.Message}). Try again.`,
  );
}

/** Deletes objects; those that do not exist are fine. Throws StorageError. */
export async function remove(
  s3: Connection,
  targets: readonly string[],
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const byBucket = Map.groupBy(
    targets.map((target) => resolveTarget(s3.bucket, target)),
    (location) => location.bucket,
  );
  for (const [bucket, locations] of byBucket) {
    for (let at = 0; at < locations.length; at += KEYS_PER_REQUEST) {
      const keys = locations.slice(at, at + KEYS_PER_REQUEST).map((location) => location.key);
      await deleteKeys(s3, bucket, keys, options.signal);
    }
  }
}

export interface RemovePrefixOptions {
  /** URIs of objects that stay. */
  keep?: ReadonlySet<string> | undefined;
  signal?: AbortSignal | undefined;
}

async function sweepOnce(
  s3: Connection,
  prefix: { bucket: string; uri: string },
  options: RemovePrefixOptions,
): Promise<{ objects: number; uploads: number }> {
  const { keep, signal } = options;
  const found = { objects: 0, uploads: 0 };
  // Uploads first: one that completes meanwhile is then found as an object.
  const uploads = openUploads(s3, prefix.uri, { signal });
  await inParallel(uploads, { concurrency: CONCURRENCY, signal }, async (upload, linked) => {
    await abortUpload(s3, upload, upload.uploadId, linked);
    found.uploads++;
  });
  let keys: string[] = [];
  for await (const object of list(s3, prefix.uri, { signal })) {
    if (keep?.has(object.uri)) continue;
    keys.push(object.key);
    if (keys.length < KEYS_PER_REQUEST) continue;
    await deleteKeys(s3, prefix.bucket, keys, signal);
    found.objects += keys.length;
    keys = [];
  }
  if (keys.length > 0) await deleteKeys(s3, prefix.bucket, keys, signal);
  found.objects += keys.length;
  return found;
}

/**
 * Deletes every object under a prefix (but those to `keep`) and aborts every open multipart upload there, then looks again until nothing is
 * found, and returns how many there were. Calling it again is harmless. Refuses a whole bucket (StorageError `invalid_uri`); throws
 * `storage_unavailable` when something keeps writing there.
 */
export async function removePrefix(
  s3: Connection,
  prefix: string,
  options: RemovePrefixOptions = {},
): Promise<{ objects: number; uploads: number }> {
  const at = resolvePrefix(s3.bucket, prefix);
  if (at.key === '') {
    throw new StorageError(
      'invalid_uri',
      `${at.uri} is a whole bucket. Name the prefix that is to be removed.`,
    );
  }
  const total = { objects: 0, uploads: 0 };
  for (let round = 0; round <= ROUNDS; round++) {
    const found = await sweepOnce(s3, at, options);
    if (found.objects + found.uploads === 0) return total;
    total.objects += found.objects;
    total.uploads += found.uploads;
  }
  throw new StorageError(
    'storage_unavailable',
    `${at.uri} is being written to while it is removed. Stop the writer and try again.`,
  );
}
