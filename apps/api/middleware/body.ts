/** Bounds what is not a form: a JSON body is read here, whole, as far as its limit and no further. */
import { ProblemError } from '@darkroom/contract';
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../context.ts';

/** A body that trickles in is cut off. */
const deadlineMs = 30_000;

/**
 * Counts the bytes that come, whatever the headers promise (chunked or not). Forms pass: their reader has limits of its own.
 * Throws `payload_too_large`, `unsupported_content_type`, and `invalid_request` for a body that is cut off or takes too long.
 */
export function jsonBody(limitBytes: number): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const type = c.req.header('content-type') ?? '';
    // Asking for the body begins to read it, so that a form must not even be asked.
    if (isForm(type)) return next();
    const { body } = c.req.raw;
    if (body === null) return next();
    const announced = Number(c.req.header('content-length') ?? '0');
    if (announced > limitBytes) throw tooLarge(limitBytes);
    const bytes = await readAtMost(body, limitBytes);
    if (bytes.length > 0 && !/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
      const detail = `Send application/json, or photos as multipart/form-data, not ${type || 'a body without a type'}.`;
      throw new ProblemError('unsupported_content_type', detail);
    }
    // Clients that always name the type of a body send it without one, too.
    c.req.raw = new Request(c.req.raw, {
      body: bytes.length === 0 && type !== '' ? Buffer.from('{}') : bytes,
    });
    return next();
  };
}

const isForm = (type: string): boolean => /^multipart\/form-data\s*(?:;|$)/i.test(type);

async function readAtMost(
  body: ReadableStream<Uint8Array>,
  limitBytes: number,
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
        throw new ProblemError('invalid_request', `The body did not come within ${deadlineMs / 1000} s.`);
      if (done) return Buffer.concat(chunks, size);
      size += value.length;
      if (size > limitBytes) {
        reader.cancel().catch(() => {});
        throw tooLarge(limitBytes);
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

const tooLarge = (limitBytes: number): ProblemError =>
  new ProblemError('payload_too_large', `The body has more than ${limitBytes} bytes (LIMIT_JSON_BYTES).`);
