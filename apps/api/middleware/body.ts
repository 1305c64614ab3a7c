/** Bounds what is neither form nor list: a JSON body is read here, whole, as far as its limit and no further. */
import { listTypes, ProblemError, sourceTypes } from '@darkroom/contract';
import type { MiddlewareHandler } from 'hono';
import type { ApiContext, ApiEnv } from '../context.ts';

/** Methods of which a request has no body here, whatever is sent. */
const bodiless = new Set(['GET', 'HEAD']);
/** A body that trickles in is cut off. */
const patienceMs = 30_000;

/** The media types that the request's route takes a body as; none where there is no such route, or it takes none. */
export type TypesTaken = (c: ApiContext) => readonly string[];

/** A route that takes any bytes reads its body itself, JSON too: it has limits of its own. */
const anyBytes = 'application/octet-stream';

const readsItself = (c: ApiContext, typesTaken: TypesTaken): boolean =>
  !bodiless.has(c.req.method) && typesTaken(c).includes(anyBytes);

/**
 * Counts the bytes that come, whatever the headers promise (chunked or not). Forms pass, lists and archives where they are taken, and what
 * routes read themselves: their readers have limits of their own. Throws `payload_too_large`, `unsupported_content_type`, `request_timeout`, and `invalid_request` for a body that is
 * cut off.
 */
export function jsonBody(
  limitBytes: number,
  typesTaken: TypesTaken,
  deadlineMs = patienceMs,
): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    if (readsItself(c, typesTaken)) return next();
    const type = c.req.header('content-type') ?? '';
    const encoding = c.req.header('content-encoding') ?? 'identity';
    if (encoding.toLowerCase() !== 'identity') {
      const detail = `Send the body as it is, without the Content-Encoding ${encoding}.`;
      throw new ProblemError('unsupported_content_type', detail);
    }
    // Asking for the body begins to read it, so that one which is read as it comes must not even be asked.
    if (isForm(type) || bodiless.has(c.req.method)) return next();
    if (isList(type) && typesTaken(c).includes(mediaTypeOf(type))) return next();
    const { body } = c.req.raw;
    if (body === null) return next();
    const tooLarge = (): ProblemError => {
      const lists = Object.values(listTypes).filter((list) => typesTaken(c).includes(list));
      const instead = lists.length === 0 ? '' : `; longer lists are taken as ${lists.join(' or ')}`;
      const detail = `The body has more than ${limitBytes} bytes (LIMIT_JSON_BYTES)${instead}.`;
      return new ProblemError('payload_too_large', detail);
    };
    const announced = Number(c.req.header('content-length') ?? '0');
    if (announced > limitBytes) throw tooLarge();
    const bytes = await readAtMost(body, { limitBytes, deadlineMs, tooLarge });
    if (bytes.length > 0 && !/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
      const taken = typesTaken(c);
      const types = taken.length === 0 ? 'application/json' : taken.join(', ');
      const detail = `Send ${types}, not ${type || 'a body without a type'}.`;
      throw new ProblemError('unsupported_content_type', detail);
    }
    // Clients that always name the type of a body send it without one, too.
    c.req.raw = new Request(c.req.raw, {
      body: bytes.length === 0 && type !== '' ? Buffer.from('{}') : bytes,
    });
    return next();
  };
}

const mediaTypeOf = (type: string): string => type.split(';')[0]!.trim().toLowerCase();

/** Whether the content type says a form with files. */
const isForm = (type: string): boolean => mediaTypeOf(type) === 'multipart/form-data';

/** A list, or an archive in place of one. */
const isList = (type: string): boolean => Object.values<string>(sourceTypes).includes(mediaTypeOf(type));

/** Whether the request's body is read as it comes in, for as long as its sender takes: not where its route takes none of its type. */
export function isStreamed(c: ApiContext, typesTaken: TypesTaken): boolean {
  if (bodiless.has(c.req.method)) return false;
  const taken = typesTaken(c);
  if (taken.includes(anyBytes)) return true;
  const type = c.req.header('content-type') ?? '';
  return (isForm(type) || isList(type)) && taken.includes(mediaTypeOf(type));
}

async function readAtMost(
  body: ReadableStream<Uint8Array>,
  {
    limitBytes,
    deadlineMs,
    tooLarge,
  }: { limitBytes: number; deadlineMs: number; tooLarge: () => ProblemError },
): Promise<Buffer<ArrayBuffer>> {
  const reader = body.getReader();
  const late = AbortSignal.timeout(deadlineMs);
  const cut = (): void => void reader.cancel(late.reason).catch(() => {});
  late.addEventListener('abort', cut, { once: true });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late.aborted)
        throw new ProblemError('request_timeout', `The body did not come within ${deadlineMs / 1000} s.`);
      if (done) return Buffer.concat(chunks, size);
      size += value.length;
      if (size > limitBytes) {
        reader.cancel().catch(() => {});
        throw tooLarge();
      }
      chunks.push(value);
    }
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    throw new ProblemError('invalid_request', 'The body was cut off.', { cause: error });
  } finally {
    late.removeEventListener('abort', cut);
  }
}
