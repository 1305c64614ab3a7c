/** The body of a request: of a form or a list as it comes in, never held, and still readable to its end when it was refused; JSON whole. */
import type { IncomingMessage } from 'node:http';
import { ProblemError } from '@darkroom/contract';
import type { ApiContext } from '../context.ts';

type Bytes = AsyncGenerator<Uint8Array, void, undefined>;

/** Bytes a second that a client sends at least, on average over the time for which it is given up. */
const leastPerSecond = 256;

/** How long a refused body is still taken off the wire, so that clients which read the answer last get to read it. */
const lingerMs = 2_000;

/**
 * The bytes of the body, read as fast as they are asked for. Leaving the iteration does not close the connection: the answer has to get
 * through. Throws when the client goes away, and ProblemError `request_timeout` when it sends nothing, or next to nothing, for
 * CLIENT_IDLE_SECONDS.
 */
export function requestBody(c: ApiContext): Bytes {
  const incoming = incomingOf(c);
  const { idleSeconds } = c.var.deps.config.client;
  // The web stream of the same body costs a copy, and closes the connection when it is left.
  if (incoming) return unstalled(incoming.iterator({ destroyOnReturn: false }), idleSeconds);
  return unstalled(c.req.raw.body?.values({ preventCancel: true }) ?? nothing(), idleSeconds);
}

/** A body that trickles in holds memory. */
const longestMs = 30_000;

/**
 * All of it in memory, which `grow` is told of as it is taken, and may throw for. Throws what `tooLarge` gives beyond `mostBytes`, and
 * ProblemError `request_timeout`.
 */
export async function readWhole(
  content: AsyncIterable<Uint8Array>,
  {
    mostBytes,
    tooLarge,
    grow,
  }: {
    readonly mostBytes: number;
    readonly tooLarge: () => ProblemError;
    readonly grow: (bytes: number) => void;
  },
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const until = performance.now() + longestMs;
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (performance.now() > until)
      throw new ProblemError('request_timeout', `The body did not come within ${longestMs / 1000} s.`);
    grow(chunk.length);
    if (bytes > mostBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** Reads what is left of a refused body and forgets it, for a short while at most. */
export async function discardBody(c: ApiContext): Promise<void> {
  const incoming = incomingOf(c);
  if (!incoming || incoming.readableEnded || incoming.destroyed) return;
  const done = Promise.withResolvers<void>();
  const settle = (): void => done.resolve();
  const timer = setTimeout(settle, lingerMs);
  // A listener, not just resume(): the iterator that was left may hand the stream over a chunk later.
  incoming
    .on('data', () => {})
    .once('end', settle)
    .once('close', settle)
    .resume();
  await done.promise;
  clearTimeout(timer);
}

/** What stands in a body of JSON, whose size its middleware has bounded. Throws ProblemError `invalid_request`. */
export const jsonOf = async (c: ApiContext): Promise<unknown> => jsonIn(await c.req.text(), 'The body');

/** What stands in a text that a request holds. Throws ProblemError `invalid_request`, in words that begin with `subject`. */
export function jsonIn(text: string, subject: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ProblemError('invalid_request', `${subject} is not JSON: ${error.message}.`, { cause: error });
  }
}

const incomingOf = (c: ApiContext): IncomingMessage | undefined => c.env?.incoming;

async function* nothing(): Bytes {}

/** Only time in which the client is waited for counts: a slow object store is not its fault. */
async function* unstalled(body: AsyncIterator<Uint8Array>, idleSeconds: number): Bytes {
  const idleMs = idleSeconds * 1000;
  let waitedMs = 0;
  let bytes = 0;
  try {
    for (;;) {
      const began = performance.now();
      const step = await inTime(body.next(), idleMs);
      if (step.done === true) return;
      waitedMs += performance.now() - began;
      bytes += step.value.length;
      if (waitedMs >= idleMs) {
        if (bytes < (waitedMs / 1000) * leastPerSecond) throw tooSlow(`Only ${bytes} bytes`, waitedMs);
        waitedMs = 0;
        bytes = 0;
      }
      yield step.value;
    }
  } finally {
    // Not awaited: a read that hangs would hold it up.
    body.return?.().catch(() => {});
  }
}

async function inTime<T>(read: Promise<T>, ms: number): Promise<T> {
  const stalled = Promise.withResolvers<never>();
  const timer = setTimeout(() => stalled.reject(tooSlow('Nothing', ms)), ms);
  try {
    return await Promise.race([read, stalled.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const tooSlow = (what: string, ms: number): ProblemError =>
  new ProblemError('request_timeout', `${what} of the body came in ${Math.round(ms / 1000)} s.`);
