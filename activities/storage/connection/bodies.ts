import { Readable } from 'node:stream';

/**
 * Settles like `promise`, or throws the signal's reason as soon as it aborts. For waits that cannot be interrupted
 * themselves, such as a backoff between attempts or a silent peer.
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** A byte stream that asks `next` for one chunk at a time (undefined ends it), and calls `close` once when it is done with. */
export function pullStream(next: () => Promise<Uint8Array | undefined>, close: () => void): Readable {
  return new Readable({
    read() {
      next().then(
        (chunk) => this.push(chunk ?? null),
        (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    },
    destroy(error, callback) {
      close();
      callback(error);
    },
  });
}

/**
 * Passes `source` on, and fails with a TimeoutError when it sends nothing for `idleMs`. Only time in which somebody waits for
 * bytes counts, so a slow reader is no stall. The source is destroyed as soon as the stream is.
 */
export function guardIdle(source: Readable, idleMs: number): Readable {
  const iterator = source[Symbol.asyncIterator]();
  return pullStream(
    async () => {
      const stalled = setTimeout(() => {
        // Named as the SDK names its own timeouts, so that it tries again.
        const message = `The object store sent nothing for ${idleMs} ms.`;
        source.destroy(Object.assign(new Error(message), { name: 'TimeoutError', code: 'ETIMEDOUT' }));
      }, idleMs);
      try {
        const step = await iterator.next();
        return step.done === true ? undefined : step.value;
      } finally {
        clearTimeout(stalled);
      }
    },
    () => source.destroy(),
  );
}

/** What is to be done when a signal aborts, of all who asked for it. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `act` when the signal aborts, at once where it has, unless the function that is returned was called before. For a signal that lasts
 * longer than what waits for it: its own listeners are a chain, in which one that has grown old keeps all that came after it, removed or
 * not, until a full collection; and so does what `AbortSignal.any` makes of it. Of a hundred thousand reads nothing would be freed young.
 */
export function whenAborted(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    act();
    return () => {};
  }
  let acts = waiting.get(signal);
  if (acts === undefined) {
    const all = new Set<() => void>();
    const abort = (): void => {
      for (const each of all) each();
    };
    signal.addEventListener('abort', abort, { once: true });
    waiting.set(signal, all);
    acts = all;
  }
  const own = acts.add(act);
  return () => void own.delete(act);
}

/** A signal that aborts `graceMs` after `stop` does, for work that is better finished than cut off. Dispose it when the work is done. */
export function afterGrace(
  stop: AbortSignal | undefined,
  graceMs: number,
): Disposable & { signal: AbortSignal } {
  const late = new AbortController();
  let grace: NodeJS.Timeout | undefined;
  const onStop = (): void => {
    if (graceMs === 0) late.abort(stop?.reason);
    else grace = setTimeout(() => late.abort(stop?.reason), graceMs);
  };
  if (stop?.aborted) onStop();
  else stop?.addEventListener('abort', onStop, { once: true });
  return {
    signal: late.signal,
    [Symbol.dispose]() {
      clearTimeout(grace);
      stop?.removeEventListener('abort', onStop);
    },
  };
}

/**
 * Runs `work` on the items with at most `concurrency` at a time; the next item is pulled only when a hand is free. The first failure (or the
 * abort of `signal`) ends the pulling, aborts the signal given to `work` after `graceMs`, waits until all hands have stopped, and is thrown.
 */
export async function inParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  options: { concurrency: number; graceMs?: number; signal?: AbortSignal | undefined },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { concurrency, graceMs = 0 } = options;
  const failed = new AbortController();
  const stop = failed.signal;
  const leave = whenAborted(options.signal, () => failed.abort(options.signal?.reason));
  using late = afterGrace(stop, graceMs);
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const hand = async (): Promise<void> => {
    for (;;) {
      stop.throwIfAborted();
      const step = await untilAborted(Promise.resolve(iterator.next()), stop);
      if (step.done === true) return;
      await work(step.value, late.signal);
    }
  };
  const hands = Array.from({ length: concurrency }, () =>
    hand().catch((error: unknown) => {
      failed.abort(error);
    }),
  );
  await Promise.all(hands);
  leave();
  // Not awaited: a generator that waits for a silent source would hold us up. Its owner destroys the source.
  if (stop.aborted) Promise.resolve(iterator.return?.()).catch(() => {});
  stop.throwIfAborted();
}

const chunkCharacters = 64 * 1024;

/** Text in UTF-8, its pieces joined to chunks of at least 64 Ki characters. */
export async function* inChunks(
  pieces: AsyncIterable<string>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const encoder = new TextEncoder();
  let held = '';
  for await (const piece of pieces) {
    held += piece;
    if (held.length < chunkCharacters) continue;
    yield encoder.encode(held);
    held = '';
  }
  if (held !== '') yield encoder.encode(held);
}
