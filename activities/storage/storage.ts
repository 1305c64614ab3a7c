import { ensureBucket, ping } from './bucket/health.ts';
import { allowOrigins } from './bucket/origins.ts';
import { type Connection, connect, type StorageOptions } from './connection/client.ts';
import {
  abortDirectUpload,
  beginDirectUpload,
  completeDirectUpload,
  linkTo,
  missingParts,
  partLinks,
} from './links/presign.ts';
import { downloadToFile } from './read/download.ts';
import { list, listFolders, openUploads } from './read/list.ts';
import { get, getBytes, head } from './read/read.ts';
import { remove, removePrefix } from './remove.ts';
import { copy } from './write/copy.ts';
import { putBytes, uploadStream } from './write/write.ts';
import { uploadFile } from './write/write-file.ts';

/**
 * The object store, every function bound to one connection. A target is an `s3://bucket/key` URI, or a key in the
 * platform's bucket; prefixes likewise, ending in `/`. Nothing is sent before the first call; `close` ends idle connections.
 */
export function createStorage(options: StorageOptions) {
  const s3 = connect(options);
  const bind =
    <Args extends unknown[], Result>(work: (s3: Connection, ...args: Args) => Result) =>
    (...args: Args): Result =>
      work(s3, ...args);
  return {
    bucket: s3.bucket,
    head: bind(head),
    get: bind(get),
    getBytes: bind(getBytes),
    downloadToFile: bind(downloadToFile),
    putBytes: bind(putBytes),
    uploadStream: bind(uploadStream),
    uploadFile: bind(uploadFile),
    copy: bind(copy),
    list: bind(list),
    listFolders: bind(listFolders),
    openUploads: bind(openUploads),
    remove: bind(remove),
    removePrefix: bind(removePrefix),
    linkTo: bind(linkTo),
    beginDirectUpload: bind(beginDirectUpload),
    partLinks: bind(partLinks),
    missingParts: bind(missingParts),
    completeDirectUpload: bind(completeDirectUpload),
    abortDirectUpload: bind(abortDirectUpload),
    ping: bind(ping),
    ensureBucket: bind(ensureBucket),
    allowOrigins: bind(allowOrigins),
    close: s3.close,
  };
}

export type Storage = ReturnType<typeof createStorage>;
