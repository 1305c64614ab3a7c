import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { failpoint } from '@darkroom/platform';
import { inParallel } from './connection/bodies.ts';
import { attempt, type Connection, deletesAtOnce } from './connection/client.ts';
import { StorageError } from './connection/errors.ts';
import { type Location, resolvePrefix, resolveTarget } from './names/uri.ts';
import { list, openUploads } from './read/list.ts';
import { abortUpload } from './write/multipart.ts';

const KEYS_PER_REQUEST = 1000;
const ROUNDS = 3;
const ABORTS_AT_ONCE = 8;

export interface RemoveOptions {
  /**
   * The fence of whoever deletes: awaited right before each request that deletes, a repeated one too, and throws when somebody else has
   * taken over meanwhile. What it throws ends the removal and is thrown on as it is.
   */
  assertHeld: () => Promise<void>;
  signal?: AbortSignal | undefined;
}

/** Deletes up to 1,000 keys; those that are gone already are fine. */
async function deleteKeys(
  s3: Connection,
  bucket: string,
  keys: readonly string[],
  { assertHeld, signal }: RemoveOptions,
): Promise<void> {
  const uri = `s3://${bucket}/${keys[0] ?? ''}`;
  const command = new DeleteObjectsCommand({
    Bucket: bucket,
    Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) },
  });
  await failpoint('delete.listed', uri);
  let lost: { error: unknown } | undefined;
  // Behind the client's retries: each of them is a request that deletes, and asks again.
  command.middlewareStack.add(
    (next) => async (args) => {
      await assertHeld().catch((error: unknown) => {
        lost = { error };
        throw error;
      });
      await failpoint('delete.held', uri);
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'low', name: 'assertHeld' },
  );
  const reply = await attempt(s3, uri, signal, (o) => s3.client.send(command, o)).catch((error: unknown) => {
    throw lost === undefined ? error : lost.error;
  });
  const failed = (reply.Errors ?? []).filter((error) => error.Code !== 'NoSuchKey');
  const first = failed[0];
  if (!first) return;
  throw new StorageError(
    first.Code !== 'AccessDenied'
      ? 'storage_unavailable'
      : bucket === s3.bucket
        ? 'platform_access'
        : 'access_denied',
    `${failed.length} of ${keys.length} objects could not be deleted, first s3://${bucket}/${first.Key} (${first.Code}: ${first.Message}). Try again.`,
  );
}

/** Up to a thousand keys of one bucket, as they come. */
async function* batchesOf(
  locations: AsyncIterable<Location> | Iterable<Location>,
): AsyncGenerator<{ bucket: string; keys: string[] }> {
  const open = new Map<string, string[]>();
  for await (const { bucket, key } of locations) {
    const keys = open.get(bucket) ?? [];
    open.set(bucket, keys);
    if (keys.push(key) < KEYS_PER_REQUEST) continue;
    open.delete(bucket);
    yield { bucket, keys };
  }
  for (const [bucket, keys] of open) yield { bucket, keys };
}

/** Deletes what is at these places, some requests at a time, and returns how many there were; no more than their keys is held. */
async function deleteAll(
  s3: Connection,
  locations: AsyncIterable<Location> | Iterable<Location>,
  options: RemoveOptions,
): Promise<number> {
  let count = 0;
  // One more than have their turn: it has the next keys ready, read from a ledger or a listing, when a turn comes.
  const pace = { concurrency: deletesAtOnce + 1, signal: options.signal };
  await inParallel(batchesOf(locations), pace, async ({ bucket, keys }) => {
    // Not cut off by another one's failure: the store has begun with it. In turn with those of other removals, small ones too.
    await s3.deletes.run(() => deleteKeys(s3, bucket, keys, options), options.signal);
    count += keys.length;
  });
  return count;
}

/**
 * Deletes objects, 1,000 by a request, some requests of the connection at a time; those that do not exist are fine. Throws StorageError, and what
 * `assertHeld` throws.
 */
export async function remove(
  s3: Connection,
  targets: AsyncIterable<string> | Iterable<string>,
  options: RemoveOptions,
): Promise<void> {
  async function* locations(): AsyncGenerator<Location> {
    for await (const target of targets) yield resolveTarget(s3.bucket, target);
  }
  await deleteAll(s3, locations(), options);
}

export interface RemovePrefixOptions extends RemoveOptions {
  /** URIs of objects that stay. */
  keep?: Pick<ReadonlySet<string>, 'has'> | undefined;
}

async function sweepOnce(
  s3: Connection,
  prefix: { bucket: string; uri: string },
  options: RemovePrefixOptions,
): Promise<{ objects: number; uploads: number }> {
  const { keep, assertHeld, signal } = options;
  const found = { objects: 0, uploads: 0 };
  // Uploads first: one that completes meanwhile is then found as an object.
  const uploads = openUploads(s3, prefix.uri, { signal });
  await inParallel(uploads, { concurrency: ABORTS_AT_ONCE, signal }, async (upload, linked) => {
    await assertHeld();
    await abortUpload(s3, upload, upload.uploadId, linked);
    found.uploads++;
  });
  async function* objects(): AsyncGenerator<Location> {
    for await (const { uri, key } of list(s3, prefix.uri, { signal }))
      if (keep?.has(uri) !== true) yield { bucket: prefix.bucket, key };
  }
  found.objects = await deleteAll(s3, objects(), options);
  return found;
}

/**
 * Deletes every object under a prefix (but those to `keep`), 1,000 by a request, and aborts every open multipart upload there, then looks
 * again until nothing is found, and returns how many there were. Calling it again is harmless. Refuses a whole bucket (StorageError
 * `invalid_uri`); throws `storage_unavailable` when something keeps writing there, and what `assertHeld` throws.
 */
export async function removePrefix(
  s3: Connection,
  prefix: string,
  options: RemovePrefixOptions,
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
