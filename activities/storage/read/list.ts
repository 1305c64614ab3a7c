import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { attempt, type Connection } from '../connection/client.ts';
import { resolvePrefix } from '../names/uri.ts';
import { bareEtag } from './read.ts';

/** An object as a listing shows it. */
export interface Listed {
  uri: string;
  key: string;
  size: number;
  etag: string;
  lastModified: Date;
}

/** A multipart upload that was neither completed nor aborted. */
export interface OpenUpload {
  uri: string;
  bucket: string;
  key: string;
  uploadId: string;
  initiated: Date;
}

/** All objects under a prefix (it ends in `/`), in the order of their keys, behind the key `after`, at most `max`. Throws StorageError. */
export async function* list(
  s3: Connection,
  prefix: string,
  options: { after?: string | undefined; max?: number | undefined; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Listed, undefined> {
  const { bucket, key, uri } = resolvePrefix(s3.bucket, prefix);
  let left = options.max ?? Number.POSITIVE_INFINITY;
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      Prefix: key,
      MaxKeys: Math.min(left, 1000),
      ...(options.after !== undefined ? { StartAfter: options.after } : {}),
      ...(token !== undefined ? { ContinuationToken: token } : {}),
    });
    const page = await attempt(s3, uri, options.signal, (o) => s3.client.send(command, o));
    for (const item of page.Contents ?? []) {
      if (item.Key === undefined) continue;
      if (left-- <= 0) return;
      yield {
        uri: `s3://${bucket}/${item.Key}`,
        key: item.Key,
        size: item.Size ?? 0,
        etag: bareEtag(item.ETag),
        lastModified: item.LastModified ?? new Date(0),
      };
    }
    token = page.IsTruncated === true && left > 0 ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

/** One page of the folders right under a prefix (both end in `/`), in order, after `after`. Throws StorageError. */
export async function listFolders(
  s3: Connection,
  prefix: string,
  options: { after?: string | undefined; max?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<string[]> {
  const { bucket, key, uri } = resolvePrefix(s3.bucket, prefix);
  const command = new ListObjectsV2Command({
    Bucket: bucket,
    Prefix: key,
    Delimiter: '/',
    MaxKeys: options.max ?? 1000,
    ...(options.after !== undefined ? { StartAfter: options.after } : {}),
  });
  const page = await attempt(s3, uri, options.signal, (o) => s3.client.send(command, o));
  return (page.CommonPrefixes ?? []).flatMap(({ Prefix }) => (Prefix === undefined ? [] : [Prefix]));
}

/** Multipart uploads under a prefix that are still open, begun before `olderThan` where it is given. Throws StorageError. */
export async function* openUploads(
  s3: Connection,
  prefix: string,
  options: { olderThan?: Date | undefined; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<OpenUpload, undefined> {
  const { bucket, key: keyPrefix, uri } = resolvePrefix(s3.bucket, prefix);
  let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  do {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: keyPrefix,
      ...marker,
    });
    const page = await attempt(s3, uri, options.signal, (o) => s3.client.send(command, o));
    for (const upload of page.Uploads ?? []) {
      const { Key: key, UploadId: uploadId, Initiated: initiated = new Date(0) } = upload;
      if (key === undefined || uploadId === undefined || !key.startsWith(keyPrefix)) continue;
      if (options.olderThan && initiated >= options.olderThan) continue;
      yield { uri: `s3://${bucket}/${key}`, bucket, key, uploadId, initiated };
    }
    marker = undefined;
    if (page.IsTruncated === true && page.NextKeyMarker !== undefined) {
      marker = {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextUploadIdMarker !== undefined ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
      };
    }
  } while (marker);
}
