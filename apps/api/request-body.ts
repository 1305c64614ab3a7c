/** The body of a form as it comes in: never held, and still readable to its end when it was refused. */
import type { IncomingMessage } from 'node:http';
import { ProblemError } from '@darkroom/contract';
import type { ApiContext } from './context.ts';

type Bytes = AsyncGenerator<Uint8Array, void, undefined>;

/** How long a client may send nothing; its own timeouts are usually shorter. */
const stallMs = 60_000;

/** How long a refused body is still taken off the wire, so that clients which read the answer last get to read it. */
const lingerMs = 2_000;

/**
 * The bytes of the body, read as fast as they are asked for. Leaving the iteration does not close the connection: the answer has to get
 * through. Throws when the client goes away, and ProblemError `invalid_request` when nothing comes for a minute.
 */
export function requestBody(c: ApiContext): Bytes {
  const incoming = incomingOf(c);
  // The web stream of the same body costs a copy, and closes the connection when it is left.
  if (incoming) return unstalled(incoming.iterator({ destroyOnReturn: false }));
  return unstalled(c.req.raw.body?.values({ preventCancel: true }) ?? nothing());
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

const incomingOf = (c: ApiContext): IncomingMessage | undefined => c.env?.incoming;

async function* nothing(): Bytes {}

async function* unstalled(body: AsyncIterator<Uint8Array>): Bytes {
  try {
    for (;;) {
      const step = await inTime(body.next());
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    // Not awaited: a read that hangs would hold it up.
    body.return?.().catch(() => {});
  }
}

async function inTime<T>(read: Promise<T>): Promise<T> {
  const stalled = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    stalled.reject(new ProblemError('invalid_request', `Nothing of the body came for ${stallMs / 1000} s.`));
  }, stallMs);
  try {
    return await Promise.race([read, stalled.promise]);
  } finally {
    clearTimeout(timer);
  }
}
