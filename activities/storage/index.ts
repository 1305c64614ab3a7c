export { inChunks, inParallel } from './connection/bodies.ts';
export type { StorageOptions } from './connection/client.ts';
export { type StorageCode, StorageError } from './connection/errors.ts';
export { type DirectUpload, MAX_LINK_SECONDS } from './links/presign.ts';
export { type Access, type Grant, type Grantee, isGranted } from './names/grants.ts';
export { contentDisposition, safeName } from './names/names.ts';
export { formatUri, type Location, parsePrefix, parseUri } from './names/uri.ts';
export type { DownloadCursor, DownloadOptions } from './read/download.ts';
export type { Listed, OpenUpload } from './read/list.ts';
export { type PinnedObject, type RangeReader, rangeSource } from './read/range-source.ts';
export type { ObjectInfo, ReadOptions } from './read/read.ts';
export { createStorage, type Storage } from './storage.ts';
export {
  type DeliveredFile,
  openPlace,
  type Place,
  requirePlainPath,
  requireTarget,
} from './targets/place.ts';
export { grantedTarget, type TargetOwner } from './targets/target.ts';
export { MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES, partSizeFor } from './write/multipart.ts';
export type { UploadOptions, Written } from './write/write.ts';
