/** Photos and videos that lie in S3 already: checked against what the caller was granted, then pinned to what they are now. */
import { type MediaSource, ProblemError } from '@darkroom/contract';
import {
  type Grant,
  type Grantee,
  isGranted,
  parsePrefix,
  parseUri,
  type Storage,
  StorageError,
  safeName,
} from '@darkroom/storage';
import { HEAD_BYTES, type Media, type MediaLimits, mediumOf, mostBytes, tooLarge } from './analysis-media.ts';

export interface SourceLimits extends MediaLimits {
  readonly photosPerTask: number;
}

/** What is to be analysed, as it is now: a video, or some photos. */
export interface Pinned {
  readonly media: Media;
  readonly sources: readonly MediaSource[];
}

/** Whether the inputs of a job belong to the caller; asked for URIs under `input-files/{id}/` alone. */
export type OwnsJob = (jobId: string) => Promise<boolean>;

/**
 * Refuses a URI that `who` may not read, in the same words whether or not anything lies there; nothing is read from the store before.
 * Granted are the configured grants, the owner's own uploads, and the inputs of the owner's own tasks.
 */
export async function requireGranted(
  uri: string,
  who: Grantee,
  grants: readonly Grant[],
  own: { readonly bucket: string; readonly uploads: string; readonly ownsJob: OwnsJob },
): Promise<void> {
  const { bucket, key } = readUri(uri);
  const uploads: Grant = { owner: who.owner, prefix: `s3://${own.bucket}/${own.uploads}`, access: 'read' };
  if (isGranted(uri, who, [...grants, uploads], 'read')) return;
  const task = /^input-files\/([^/]+)\//.exec(key)?.[1];
  if (bucket === own.bucket && task !== undefined && (await own.ownsJob(task))) return;
  throw new ProblemError('source_not_granted', `${uri} is not under a prefix this key may read.`);
}

/**
 * The photo or video at `uri`, or with a closing slash the photos under it in the order of their keys, each with the ETag and size it
 * has now. One object is looked into; of many each is judged by the job. Throws ProblemError.
 */
export async function pinSource(storage: Storage, uri: string, limits: SourceLimits): Promise<Pinned> {
  try {
    if (uri.endsWith('/')) return { media: 'photo', sources: await pinPrefix(storage, uri, limits) };
    const { media, source } = await pinObject(storage, uri, limits);
    return { media, sources: [source] };
  } catch (error) {
    if (error instanceof StorageError && error.code === 'source_not_found') {
      throw new ProblemError('source_not_found', `There is nothing at ${uri}.`, { cause: error });
    }
    throw error;
  }
}

/** One object, its beginning looked into. Throws ProblemError `empty_file`, `too_large`, or one about its media type. */
export async function pinObject(
  storage: Storage,
  uri: string,
  limits: MediaLimits,
): Promise<{ media: Media; source: MediaSource }> {
  const { etag, size } = await storage.head(uri);
  const filename = safeName(uri);
  const head = size === 0 ? Buffer.alloc(0) : await beginning(storage, uri, etag);
  const { media } = mediumOf(head, filename);
  if (size > mostBytes(media, limits)) throw tooLarge(filename, media, limits);
  return { media, source: { uri, etag, bytes: size, filename } };
}

async function beginning(storage: Storage, uri: string, etag: string): Promise<Buffer> {
  const { stream } = await storage.get(uri, { ifMatch: etag, range: { start: 0, length: HEAD_BYTES } });
  return Buffer.concat(await stream.toArray());
}

async function pinPrefix(storage: Storage, uri: string, limits: SourceLimits): Promise<MediaSource[]> {
  const photos: MediaSource[] = [];
  for await (const object of storage.list(uri)) {
    // Consoles mark a "folder" by an empty object whose key ends in a slash.
    if (object.key.endsWith('/')) continue;
    if (photos.length === limits.photosPerTask) {
      const detail = `${uri} holds more than ${limits.photosPerTask} objects (LIMIT_PHOTOS_PER_TASK).`;
      throw new ProblemError('too_many_items', detail);
    }
    photos.push({ uri: object.uri, etag: object.etag, bytes: object.size, filename: safeName(object.key) });
  }
  if (photos.length === 0) throw new ProblemError('source_not_found', `There is nothing under ${uri}.`);
  return photos;
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
