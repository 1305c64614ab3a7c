import { CreateBucketCommand, HeadBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { attempt, type Connection, nameRefusal } from '../connection/client.ts';
import { StorageError } from '../connection/errors.ts';

function headBucket(s3: Connection, options: { abortSignal?: AbortSignal }): Promise<unknown> {
  const Bucket = s3.bucket;
  return nameRefusal(
    () => s3.client.send(new HeadBucketCommand({ Bucket }), options),
    () => s3.client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }), options),
  );
}

/** Asks for the platform's bucket; returns the milliseconds it took. Throws StorageError, `storage_unavailable` after `deadlineMs`. */
export async function ping(
  s3: Connection,
  options: { deadlineMs?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<number> {
  const deadlineMs = options.deadlineMs ?? 2_000;
  const deadline = AbortSignal.timeout(deadlineMs);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  const began = performance.now();
  try {
    await attempt(s3, `s3://${s3.bucket}/`, signal, (o) => headBucket(s3, o));
  } catch (error) {
    if (!deadline.aborted || options.signal?.aborted) throw error;
    throw new StorageError(
      'storage_unavailable',
      `The object store did not answer within ${deadlineMs} ms.`,
      {
        cause: error,
      },
    );
  }
  return performance.now() - began;
}

/** Makes the platform's bucket if there is none. Throws StorageError. */
export async function ensureBucket(
  s3: Connection,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const uri = `s3://${s3.bucket}/`;
  const Bucket = s3.bucket;
  try {
    await attempt(s3, uri, options.signal, (o) => headBucket(s3, o));
    return;
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'source_not_found') throw error;
  }
  try {
    await attempt(s3, uri, options.signal, (o) => s3.client.send(new CreateBucketCommand({ Bucket }), o));
  } catch (error) {
    // Somebody else made it between the two requests.
    const cause = error instanceof StorageError ? error.cause : undefined;
    if (!(cause instanceof Error) || cause.name !== 'BucketAlreadyOwnedByYou') throw error;
  }
}
