import { S3ServiceException } from '@aws-sdk/client-s3';

/** What went wrong with an object or the store, as callers need to tell it apart. */
export type StorageCode =
  | 'invalid_uri'
  | 'source_not_found'
  | 'source_changed'
  /** A bucket that is not the platform's own keeps this from us. */
  | 'access_denied'
  /** The store does not accept the platform itself: its keys, region, clock, or its rights in its own bucket. */
  | 'platform_access'
  | 'already_exists'
  | 'too_large'
  | 'checksum_mismatch'
  | 'storage_unavailable'
  | 'storage_refused';

const RETRYABLE: ReadonlySet<StorageCode> = new Set([
  'storage_unavailable',
  'checksum_mismatch',
  'platform_access',
]);

/** Every failure of this package, except a caller's own abort (its reason is thrown as it is) and local file errors. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageCode;
  /** Whether the same call can succeed later without anybody changing anything. */
  readonly retryable: boolean;

  constructor(code: StorageCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = RETRYABLE.has(code);
  }
}

const NETWORK_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
]);

const TRANSIENT_NAMES: ReadonlySet<string> = new Set([
  'TimeoutError',
  'RequestTimeout',
  'SlowDown',
  'ServiceUnavailable',
  'InternalError',
  'ThrottlingException',
  'OperationAborted',
]);

const DIGEST_NAMES: ReadonlySet<string> = new Set([
  'BadDigest',
  'InvalidDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
]);

/** What is wrong with the platform's own access, by the names that S3 and STS give it. */
const ACCESS_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'The keys have expired: renew them': [
      'ExpiredToken',
      'ExpiredTokenException',
      'TokenRefreshRequired',
      'RequestExpired',
    ],
    'The store does not know the keys: check them, and the session token that goes with temporary ones': [
      'InvalidAccessKeyId',
      'InvalidToken',
      'InvalidClientTokenId',
      'UnrecognizedClientException',
      'SignatureDoesNotMatch',
      'InvalidSecurity',
    ],
    'No keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role': [
      'CredentialsProviderError',
      'TokenProviderError',
    ],
    "This machine's clock is wrong: set it by NTP": ['RequestTimeTooSkewed'],
    'The bucket lies in another region: set S3_REGION': [
      'PermanentRedirect',
      'AuthorizationHeaderMalformed',
      'IllegalLocationConstraintException',
    ],
  }).flatMap(([what, names]) => names.map((name) => [name, what] as const)),
);

const MISSING_NAMES: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound', 'NoSuchBucket', 'NoSuchUpload']);

/** The parts of an SDK or network error that the verdict depends on. */
interface Symptoms {
  error: Error;
  name: string;
  message: string;
  code: string;
  status: number | undefined;
}

function symptomsOf(error: unknown): Symptoms | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  let status: number | undefined;
  if ('$metadata' in error && typeof error.$metadata === 'object' && error.$metadata !== null) {
    const metadata = error.$metadata;
    if ('httpStatusCode' in metadata && typeof metadata.httpStatusCode === 'number') {
      status = metadata.httpStatusCode;
    }
  }
  return { error, name: error.name, message: error.message, code, status };
}

/** The cause without the SDK's whole response (sockets, buffers), which logs and failure records would write out. */
function slim({ error, name, message }: Symptoms): Error {
  const cause = new Error(message);
  cause.name = name;
  if (error.stack !== undefined) cause.stack = error.stack;
  return cause;
}

/** What is wrong with the platform's own access, if that is what an error tells. */
function accessOf({ error, name, status }: Symptoms, inOwnBucket: boolean): string | undefined {
  const known = ACCESS_NAMES.get(name);
  if (known !== undefined) return known;
  // Of a role that could not be assumed: thrown by the client that gets the keys, not by that of the store.
  if ('$fault' in error && !(error instanceof S3ServiceException)) return 'Its keys could not be got';
  if (status === 301) return 'The bucket lies in another region: set S3_REGION';
  if (!inOwnBucket) return undefined;
  if (name === 'NoSuchBucket') return 'Its own bucket does not exist: make it, or set S3_BUCKET';
  if (status === 401 || status === 403) return 'It lacks a right in its own bucket: grant it';
  return undefined;
}

/** The HTTP status of an SDK error. */
export const statusOf = (error: unknown): number | undefined => symptomsOf(error)?.status;

/**
 * Turns what the SDK or the network threw into a {@link StorageError} about `uri`. Denied in `ownBucket` means that the platform itself lacks
 * a right.
 * Anything that is neither (a programming error, a local file error) comes back unchanged, so that it is not mistaken
 * for the store's fault.
 */
export function toStorageError(error: unknown, uri: string, ownBucket: string): unknown {
  if (error instanceof StorageError) return error;
  const seen = symptomsOf(error);
  if (!seen) return error;
  const { name, message, code, status } = seen;
  const fail = (kind: StorageCode, text: string): StorageError =>
    new StorageError(kind, text, { cause: slim(seen) });

  if (DIGEST_NAMES.has(name) || message.startsWith('Checksum mismatch')) {
    return fail('checksum_mismatch', `The bytes of ${uri} were damaged on the way (${message}). Try again.`);
  }
  const inOwnBucket = uri.startsWith(`s3://${ownBucket}/`);
  const access = accessOf(seen, inOwnBucket);
  if (access !== undefined) {
    return fail('platform_access', `The object store does not accept the platform (${name}). ${access}.`);
  }
  if (MISSING_NAMES.has(name) || status === 404) {
    return fail(
      'source_not_found',
      `${uri} does not exist (${name}). Check bucket and key, or upload it first.`,
    );
  }
  if (name === 'PreconditionFailed' || name === 'ConditionalRequestConflict' || status === 412) {
    return fail(
      'source_changed',
      `${uri} is not the version that was asked for. Submit it again as it is now.`,
    );
  }
  if (name === 'EntityTooLarge')
    return fail('too_large', `${uri} is larger than the store accepts in one request.`);
  if (
    TRANSIENT_NAMES.has(name) ||
    (status !== undefined && (status >= 500 || status === 429 || status === 408))
  ) {
    return fail(
      'storage_unavailable',
      `The object store did not serve ${uri} (${name}: ${message}). Try again later.`,
    );
  }
  if (status === 401 || status === 403) {
    return fail(
      'access_denied',
      `The store denies the platform access to ${uri} (${name}). Ask whoever keeps that bucket.`,
    );
  }
  if (NETWORK_CODES.has(code) || code.startsWith('HPE_') || (status !== undefined && status < 400)) {
    return fail(
      'storage_unavailable',
      `The connection to the object store broke at ${uri} (${code || name}: ${message}). Try again.`,
    );
  }
  if (status !== undefined) {
    return fail('storage_refused', `The object store refused ${uri} (${status} ${name}: ${message}).`);
  }
  return error;
}
