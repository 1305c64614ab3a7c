/** From whatever was thrown to an RFC 9457 problem document. */
import { type ProblemCode, type ProblemDocument, ProblemError, problemKinds } from '@darkroom/contract';
import { type StorageCode, StorageError } from '@darkroom/storage';
import { HTTPException } from 'hono/http-exception';
import { z } from 'zod';

/** Where in a request a value was; a body's pointers start at the body. */
type Target = 'json' | 'form' | 'query' | 'param' | 'header' | 'cookie';

/** A `validation_failed` problem with a JSON pointer (RFC 6901) per wrong field. */
export function validationProblem(error: z.core.$ZodError, target: Target = 'json'): ProblemError {
  const base = target === 'json' || target === 'form' ? '' : `/${target === 'param' ? 'path' : target}`;
  const errors = error.issues.flatMap((issue) => {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [key]) : [[]];
    return keys.map((key) => ({
      pointer: base + [...issue.path, ...key].map(pointerToken).join(''),
      detail: key.length === 0 ? issue.message : 'is not known here',
    }));
  });
  const [first] = errors;
  const what = first === undefined ? 'A field' : first.pointer || 'The body';
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new ProblemError('validation_failed', `${what}: ${first?.detail ?? 'is invalid'}${more}.`, {
    errors,
  });
}

const pointerToken = (part: PropertyKey): string =>
  `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** What the object store's failures are to somebody behind HTTP. */
const storageProblems: Readonly<Record<StorageCode, ProblemCode>> = {
  invalid_uri: 'validation_failed',
  source_not_found: 'source_not_found',
  source_changed: 'source_changed',
  access_denied: 'source_not_granted',
  platform_access: 'storage_access_failed',
  already_exists: 'conflict',
  too_large: 'too_large',
  checksum_mismatch: 'storage_unavailable',
  storage_unavailable: 'storage_unavailable',
  storage_refused: 'internal',
};

const statusProblems: Readonly<Record<number, ProblemCode>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  415: 'unsupported_content_type',
};

/** The problem behind an error. What nobody foresaw is `internal` and tells nothing of itself. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof StorageError) {
    const code = storageProblems[error.code];
    const detail = code === 'internal' ? internalDetail : error.message;
    return new ProblemError(code, detail, { cause: error });
  }
  if (error instanceof z.ZodError) return validationProblem(error);
  if (error instanceof HTTPException) {
    const code = statusProblems[error.status];
    if (code === 'unsupported_content_type')
      return new ProblemError(code, 'Send application/json.', { cause: error });
    if (code !== undefined)
      return new ProblemError(code, error.message || problemKinds[code].title, { cause: error });
  }
  return new ProblemError('internal', internalDetail, { cause: error });
}

const internalDetail = 'The request could not be carried out.';

/** The document that answers a request. `instance` is its path, without the query: that may hold a signature. */
export function problemBody(
  problem: ProblemError,
  request: { readonly instance: string; readonly traceId: string | undefined },
): ProblemDocument {
  return {
    type: `/docs/problems#${problem.code}`,
    status: problemKinds[problem.code].status,
    ...problem.problem,
    instance: request.instance,
    ...(problem.errors !== undefined && { errors: problem.errors }),
    ...(problem.suggestion !== undefined && { suggestion: problem.suggestion }),
    ...(request.traceId !== undefined && { traceId: request.traceId }),
  };
}
