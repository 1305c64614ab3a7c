import { CreateBucketCommand, HeadBucketCommand } from '@aws-sdk/client-s3';
import { attempt, type Connection } from './client.ts';
import { StorageError } from './errors.ts';

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
    await attempt(`s3://${s3.bucket}/`, signal, (o) =>
      s3.client.send(new HeadBucketCommand({ Bucket: s3.bucket }), o),
    );
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
    await attempt(uri, options.signal, (o) => s3.client.send(new HeadBucketCommand({ Bucket }), o));
    return;
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'source_not_found') throw error;
  }
  try {
    await attempt(uri, options.signal, (o) => s3.client.send(new CreateBucketCommand({ Bucket }), o));
  } catch (error) {
    // Somebody else made it between the two requests.
    const cause = error instanceof StorageError ? error.cause : undefined;
    if (!(cause instanceof Error) || cause.name !== 'BucketAlreadyOwnedByYou') throw error;
  }
}
