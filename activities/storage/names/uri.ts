import { StorageError } from '../connection/errors.ts';

/** An object, or with a key that is empty or ends in `/`, all objects under a prefix. */
export interface Location {
  bucket: string;
  key: string;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const CONTROL = /\p{Cc}/u;
const MAX_KEY_BYTES = 1024;

function refuse(text: string, why: string): never {
  throw new StorageError(
    'invalid_uri',
    `${JSON.stringify(text)} is not usable: ${why}. Write it as s3://bucket/key.`,
  );
}

/**
 * Checks a key or, where `prefix` is true, a prefix (empty, or ending in `/`).
 * Segments that are empty, `.` or `..` are refused although S3 allows them: on a store that keeps objects as files they
 * are other names of the same object, and would walk around a grant.
 */
function checkKey(text: string, key: string, prefix: boolean): void {
  if (!key.isWellFormed() || CONTROL.test(key))
    refuse(text, 'the key has control characters or broken Unicode');
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) refuse(text, `the key is longer than ${MAX_KEY_BYTES} bytes`);
  if (prefix && key === '') return;
  if (key === '') refuse(text, 'the key is missing');
  const segments = key.split('/');
  if (prefix && segments.pop() !== '') refuse(text, 'a prefix ends in /');
  for (const segment of segments) {
    if (segment === '') refuse(text, 'the key has an empty segment');
    if (segment === '.' || segment === '..') refuse(text, `the key has the segment "${segment}"`);
  }
}

function split(uri: string): Location {
  if (!uri.startsWith('s3://')) refuse(uri, 'it does not start with s3://');
  const rest = uri.slice('s3://'.length);
  const slash = rest.indexOf('/');
  if (slash < 0) refuse(uri, 'the key is missing');
  const location = { bucket: rest.slice(0, slash), key: rest.slice(slash + 1) };
  if (!BUCKET.test(location.bucket) || location.bucket.includes('..'))
    refuse(uri, 'the bucket name is not valid');
  return location;
}

/** Reads `s3://bucket/key`. Nothing is decoded: `%2e` stays what it is. Throws StorageError `invalid_uri`. */
export function parseUri(uri: string): Location {
  const location = split(uri);
  checkKey(uri, location.key, false);
  return location;
}

/** Reads `s3://bucket/some/prefix/` or `s3://bucket/`. Throws StorageError `invalid_uri`. */
export function parsePrefix(uri: string): Location {
  const location = split(uri);
  checkKey(uri, location.key, true);
  return location;
}

/** Writes the URI of an object; the inverse of {@link parseUri}. Throws StorageError `invalid_uri`. */
export function formatUri(location: Location): string {
  const uri = `s3://${location.bucket}/${location.key}`;
  parseUri(uri);
  return uri;
}

/** The object that `target` names: an s3:// URI, or a key in `bucket`. Throws StorageError `invalid_uri`. */
export function resolveTarget(bucket: string, target: string): Location & { uri: string } {
  const uri = target.startsWith('s3://') ? target : `s3://${bucket}/${target}`;
  return { ...parseUri(uri), uri };
}

/** The prefix that `target` names: an s3:// URI, or a prefix in `bucket`. Throws StorageError `invalid_uri`. */
export function resolvePrefix(bucket: string, target: string): Location & { uri: string } {
  const uri = target.startsWith('s3://') ? target : `s3://${bucket}/${target}`;
  return { ...parsePrefix(uri), uri };
}
