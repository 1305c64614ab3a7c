/** What a caller may name in the store. */
import { ProblemError } from '@darkroom/contract';
import { type Grant, type Grantee, isGranted, parsePrefix, parseUri, StorageError } from '@darkroom/storage';

/** Whether the inputs of a job belong to the caller; asked for URIs under `input-files/{id}/` alone. */
export type OwnsJob = (jobId: string) => Promise<boolean>;

/**
 * Refuses a URI that `who` may not read, in the same words whether or not anything lies there; nothing is read from the store before.
 * Granted are the configured grants, the owner's own uploads, and where `ownsJob` is given the inputs of the owner's own tasks.
 */
export async function requireGranted(
  uri: string,
  who: Grantee,
  grants: readonly Grant[],
  own: { readonly bucket: string; readonly uploads: string; readonly ownsJob?: OwnsJob },
): Promise<void> {
  const { bucket, key } = readUri(uri);
  const uploads: Grant = { owner: who.owner, prefix: `s3://${own.bucket}/${own.uploads}`, access: 'read' };
  if (isGranted(uri, who, [...grants, uploads], 'read')) return;
  const task = /^input-files\/([^/]+)\//.exec(key)?.[1];
  if (bucket === own.bucket && task !== undefined && (await own.ownsJob?.(task))) return;
  throw new ProblemError('source_not_granted', `${uri} is not under a prefix this key may read.`);
}

function readUri(uri: string): { bucket: string; key: string } {
  try {
    return uri.endsWith('/') ? parsePrefix(uri) : parseUri(uri);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw new ProblemError('validation_failed', error.message, {
      cause: error,
      errors: [{ pointer: '/source', detail: 'has the form s3://bucket/key or s3://bucket/prefix/' }],
    });
  }
}
