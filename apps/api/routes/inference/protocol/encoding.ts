/** Bodies as they are compressed on their way (RFC 9110, 8.4). */
import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import { ProblemError } from '@darkroom/contract';

/** Of both ways. */
type Encoding = 'gzip' | 'deflate';

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;
const encoders = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;

/** What is smaller is sent as it is. */
const worthBytes = 1024;
/** Tensors of floats become hardly smaller by more work. */
const level = 1;

/**
 * The body behind its `Content-Encoding`. What becomes longer than `mostBytes` is given up there. Throws ProblemError
 * `unsupported_content_type`, `payload_too_large`, `invalid_request`.
 */
export async function decodeBody(
  body: Buffer,
  contentEncoding: string | undefined,
  mostBytes: number,
): Promise<Buffer> {
  const encoding = (contentEncoding ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity') return body;
  const known = encoding === 'x-gzip' ? 'gzip' : encoding;
  if (known !== 'gzip' && known !== 'deflate')
    throw new ProblemError(
      'unsupported_content_type',
      `The Content-Encoding ${encoding} is not known here; gzip and deflate are.`,
    );
  try {
    return await decoders[known](body, { maxOutputLength: mostBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new ProblemError(
        'payload_too_large',
        `The body has more than ${mostBytes} bytes when it is decompressed (LIMIT_INFERENCE_BYTES).`,
        { cause },
      );
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
