import { CopyObjectCommand, UploadPartCopyCommand } from '@aws-sdk/client-s3';
import { inParallel } from '../connection/bodies.ts';
import { attempt, type Connection } from '../connection/client.ts';
import { resolveTarget } from '../names/uri.ts';
import { bareEtag, head } from '../read/read.ts';
import {
  abortQuietly,
  beginUpload,
  completeUpload,
  GRACE_MS,
  MAX_PART_BYTES,
  MIB,
  partSizeFor,
  type StoredPart,
} from './multipart.ts';

const COPY_PART_BYTES = 512 * MIB;
const CONCURRENCY = 4;

/**
 * Copies an object within the store, no byte passing through here; in parts when it has more than `singleCopyBytes` (S3's
 * own limit, 5 GiB, by default). The source is pinned to `ifMatch`, or to what it is at the start. Throws StorageError; of a copy into a
 * bucket that is not the platform's own a refusal is told as that bucket's.
 */
export async function copy(
  s3: Connection,
  from: string,
  to: string,
  options: {
    ifMatch?: string | undefined;
    signal?: AbortSignal | undefined;
    singleCopyBytes?: number | undefined;
    partSize?: number | undefined;
    /** Left out, as the source has it. */
    contentType?: string | undefined;
    /** The copy's own, instead of the source's. */
    metadata?: Readonly<Record<string, string>> | undefined;
    /** Called right before the one request that makes the copy visible; throwing prevents it. */
    beforePublish?: (() => Promise<void>) | undefined;
    /** Called after each part of a copy in parts. */
    onPart?: (() => void) | undefined;
  } = {},
): Promise<{ uri: string; size: number; etag: string }> {
  const source = resolveTarget(s3.bucket, from);
  const at = resolveTarget(s3.bucket, to);
  const { signal, metadata, beforePublish } = options;
  const found = await head(s3, source.uri, { ifMatch: options.ifMatch, signal });
  const { size, etag } = found;
  const contentType = options.contentType ?? found.contentType;
  const about = at.bucket === s3.bucket ? source.uri : at.uri;
  const pinnedSource = {
    CopySource: `${source.bucket}/${source.key.split('/').map(encodeURIComponent).join('/')}`,
    CopySourceIfMatch: `"${etag}"`,
  };
  const slow = { requestTimeout: s3.transferTimeoutMs };
  if (size <= (options.singleCopyBytes ?? MAX_PART_BYTES)) {
    const given = metadata ?? options.contentType;
    const command = new CopyObjectCommand({
      Bucket: at.bucket,
      Key: at.key,
      ...pinnedSource,
      ...(given === undefined
        ? {}
        : { MetadataDirective: 'REPLACE', ContentType: contentType, Metadata: { ...metadata } }),
    });
    await beforePublish?.();
    const reply = await attempt(s3, about, signal, (o) => s3.client.send(command, { ...o, ...slow }));
    return { uri: at.uri, size, etag: bareEtag(reply.CopyObjectResult?.ETag) };
  }
  const partSize = partSizeFor(size, options.partSize ?? COPY_PART_BYTES);
  const count = Math.ceil(size / partSize);
  // No checksum is announced: the store reads the bytes by itself.
  const uploadId = await beginUpload(s3, at, { contentType, metadata }, signal);
  try {
    const parts: StoredPart[] = [];
    const pace = { concurrency: CONCURRENCY, graceMs: GRACE_MS, signal };
    await inParallel(Array.from({ length: count }).keys(), pace, async (index, linked) => {
      const start = index * partSize;
      const end = Math.min(start + partSize, size);
      const command = new UploadPartCopyCommand({
        Bucket: at.bucket,
        Key: at.key,
        UploadId: uploadId,
        PartNumber: index + 1,
        CopySourceRange: `bytes=${start}-${end - 1}`,
        ...pinnedSource,
      });
      const reply = await attempt(s3, about, linked, (o) => s3.client.send(command, { ...o, ...slow }));
      options.onPart?.();
      parts[index] = { etag: reply.CopyPartResult?.ETag ?? '', size: end - start };
    });
    await beforePublish?.();
    return { uri: at.uri, size, etag: await completeUpload(s3, at, uploadId, parts, signal) };
  } catch (error) {
    await abortQuietly(s3, at, uploadId);
    throw error;
  }
}
