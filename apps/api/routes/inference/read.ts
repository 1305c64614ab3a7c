/** The request off the wire: its bytes, decompressed, and what they say. */
import { ProblemError } from '@darkroom/contract';
import type { ApiContext } from '../../context.ts';
import type { Room } from '../../predicting/memory.ts';
import { discardBody, readWhole, requestBody } from '../../requests/body.ts';
import { decodeBody } from './protocol/encoding.ts';
import { requireShortJson } from './protocol/json-size.ts';
import { type InferenceRequest, parseRequest } from './protocol/request.ts';

/** Clients of Triton send no type at all. */
const types = ['application/json', 'application/octet-stream'];

/**
 * Reads the request whole. One that is refused is taken off the wire, so that its sender reads why. Throws ProblemError
 * `unsupported_content_type`, `payload_too_large`, `request_timeout`, `invalid_request`, and what `room` throws.
 */
export async function readRequest(c: ApiContext, room: Pick<Room, 'grow'>): Promise<InferenceRequest> {
  try {
    return await read(c, room);
  } catch (error) {
    await discardBody(c);
    throw error;
  }
}

async function read(c: ApiContext, room: Pick<Room, 'grow'>): Promise<InferenceRequest> {
  const mostBytes = c.var.deps.config.predictions.inferenceBytes;
  const type = c.req.header('content-type');
  if (type !== undefined && !types.includes(type.split(';')[0]?.trim().toLowerCase() ?? ''))
    throw new ProblemError('unsupported_content_type', `Send ${types.join(' or ')}, not ${type}.`);
  const headerLength = lengthIn(c.req.header('inference-header-content-length'));
  const sent = await readWhole(requestBody(c), {
    mostBytes,
    tooLarge: () =>
      new ProblemError(
        'payload_too_large',
        `The body has more than ${mostBytes} bytes (LIMIT_INFERENCE_BYTES).`,
      ),
    grow: (bytes) => room.grow(bytes),
  });
  const body = await decodeBody(sent, c.req.header('content-encoding'), {
    mostBytes,
    grow: (bytes) => room.grow(bytes),
  });
  requireShortJson(body.subarray(0, headerLength), c.var.deps.config.predictions.inferenceJsonBytes);
  return parseRequest(body, headerLength, mostBytes);
}

function lengthIn(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  throw new ProblemError(
    'invalid_request',
    `Inference-Header-Content-Length is ${JSON.stringify(header.slice(0, 50))}, no number of bytes.`,
  );
}
