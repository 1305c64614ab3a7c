/** Photos and videos that lie in S3 already, pinned to what they are now. */
import { type MediaSource, ProblemError } from '@darkroom/contract';
import { type Storage, StorageError, safeName } from '@darkroom/storage';
import { HEAD_BYTES, type Media, type MediaLimits, mediumOf, mostBytes, tooLarge } from '../media.ts';

export interface SourceLimits extends MediaLimits {
  readonly photosPerTask: number;
}

/** What is to be analysed, as it is now: a video, or some photos. */
export interface Pinned {
  readonly media: Media;
  readonly sources: readonly MediaSource[];
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
  const head = size === 0 ? Buffer.alloc(0) : await beginningOf(storage, uri, etag);
  const { media } = mediumOf(head, filename);
  if (size > mostBytes(media, limits)) throw tooLarge(filename, media, limits);
  return { media, source: { uri, etag, bytes: size, filename } };
}

/** As much of an object as tells what it is. */
export async function beginningOf(storage: Storage, uri: string, etag: string): Promise<Buffer> {
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
