/** Bodies as they are compressed on their way (RFC 9110, 8.4). */
import { promisify } from 'node:util';
import { createGunzip, createInflate, deflate, gzip } from 'node:zlib';
import { ProblemError } from '@darkroom/contract';
import { readWhole } from '../../../requests/body.ts';

/** Of both ways. */
type Encoding = 'gzip' | 'deflate';

const decoders = { gzip: createGunzip, deflate: createInflate } as const;
/** What comes of a decoder at once. */
const chunkSize = 65_536;
const encoders = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;

/** What is smaller is sent as it is. */
const worthBytes = 1024;
/** Tensors of floats become hardly smaller by more work. */
const level = 1;

/**
 * The body behind its `Content-Encoding`. What becomes longer than `mostBytes` is given up there, and `grow` is asked for
 * room as it comes. Throws ProblemError `unsupported_content_type`, `payload_too_large`, `request_timeout`, `invalid_request`, and what `grow` throws.
 */
export async function decodeBody(
  body: Buffer,
  contentEncoding: string | undefined,
  { mostBytes, grow }: { readonly mostBytes: number; readonly grow: (bytes: number) => void },
): Promise<Buffer> {
  const encoding = (contentEncoding ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity') return body;
  const known = encoding === 'x-gzip' ? 'gzip' : encoding;
  if (known !== 'gzip' && known !== 'deflate')
    throw new ProblemError(
      'unsupported_content_type',
      `The Content-Encoding ${encoding} is not known here; gzip and deflate are.`,
    );
  const tooLarge = (): ProblemError =>
    new ProblemError(
      'payload_too_large',
      `The body has more than ${mostBytes} bytes when it is decompressed (LIMIT_INFERENCE_BYTES).`,
    );
  const decoder = decoders[known]({ chunkSize });
  decoder.end(body);
  try {
    return await readWhole(decoder, { mostBytes, tooLarge, grow });
  } catch (cause) {
    if (cause instanceof ProblemError) throw cause;
    throw new ProblemError('invalid_request', `The body is not what its Content-Encoding ${known} says.`, {
      cause,
    });
  }
}

/** Of those that an `Accept-Encoding` takes, gzip first; undefined where it takes neither, or the body is small. */
export async function encodeBody(
  body: Buffer,
  acceptEncoding: string | undefined,
): Promise<{ readonly body: Buffer; readonly encoding?: Encoding }> {
  const taken = new Map(
    (acceptEncoding ?? '').split(',').map((one): [string, number] => {
      const [, name = '', q = '1'] = /^\s*([^\s;]*)\s*(?:;\s*q=([\d.]+))?/i.exec(one) ?? [];
      return [name.toLowerCase(), Number(q)];
    }),
  );
  const encoding = (['gzip', 'deflate'] as const).find((name) => (taken.get(name) ?? 0) > 0);
  if (encoding === undefined || body.length < worthBytes) return { body };
  return { body: await encoders[encoding](body, { level }), encoding };
}
