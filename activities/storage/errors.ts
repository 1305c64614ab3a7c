/** What went wrong with an object or the store, as callers need to tell it apart. */
export type StorageCode =
  | 'invalid_uri'
  | 'source_not_found'
  | 'source_changed'
  | 'access_denied'
  | 'already_exists'
  | 'too_large'
  | 'checksum_mismatch'
  | 'storage_unavailable'
  | 'storage_refused';

const RETRYABLE: ReadonlySet<StorageCode> = new Set(['storage_unavailable', 'checksum_mismatch']);

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

/**
 * Turns what the SDK or the network threw into a {@link StorageError} about `uri`.
 * Anything that is neither (a programming error, a local file error) comes back unchanged, so that it is not mistaken
 * for the store's fault.
 */
export function toStorageError(error: unknown, uri: string): unknown {
  if (error instanceof StorageError) return error;
  const seen = symptomsOf(error);
  if (!seen) return error;
  const { name, message, code, status } = seen;
  const fail = (kind: StorageCode, text: string): StorageError =>
    new StorageError(kind, text, { cause: slim(seen) });

  if (DIGEST_NAMES.has(name) || message.startsWith('Checksum mismatch')) {
    return fail('checksum_mismatch', `The bytes of ${uri} were damaged on the way (${message}). Try again.`);
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
  if (name === 'CredentialsProviderError') {
    return fail('access_denied', 'No S3 credentials were found. Set the access key and its secret.');
  }
  if (name === 'RequestTimeTooSkewed') {
    return fail('access_denied', `The store refused ${uri}: this machine's clock is wrong. Set it by NTP.`);
  }
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
      `Access to ${uri} was denied (${name}). Check the credentials and what they may read or write.`,
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
