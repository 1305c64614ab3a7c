/** Threads that decode tiles, some at most: work for all of them waits in one line. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SkyError } from '../../errors.ts';
import type { TileWork } from '../compression/place.ts';
import type { TileThreads } from '../compression/share.ts';
import { type ThreadData, type TileMessage, type TileReply, toNumbers } from './message.ts';

export interface DecodeThreadsOptions {
  /** Default: one a processor, at most 4. */
  readonly count?: number | undefined;
  /** Pixels to decode that are worth a message; default 2^17, about half a millisecond of work. */
  readonly leastPixels?: number | undefined;
  /** Milliseconds after which a thread is ended with what it works on: no piece of work takes so long. Default 60,000. */
  readonly longestMs?: number | undefined;
  /** How much the system prefers others to the threads; default 0. */
  readonly nice?: number | undefined;
  /** What a thread runs; for tests. */
  readonly script?: URL | undefined;
}

interface Job {
  readonly work: TileWork;
  end(error?: unknown): void;
}

const most = 4;
const closed = 'The threads that decode tiles are closed.';

/**
 * To be closed. A thread that dies, by whatever it was given, is replaced; what it worked on fails, all else goes on. Threads at rest do not keep the
 * process.
 */
export class DecodeThreads implements TileThreads {
  readonly count: number;
  readonly leastPixels: number;
  readonly #longestMs: number;
  readonly #script: URL;
  readonly #nice: number;
  readonly #threads = new Set<Worker>();
  readonly #idle: Worker[] = [];
  readonly #waiting = new Set<Job>();
  #closed = false;

  constructor({
    count,
    leastPixels = 2 ** 17,
    longestMs = 60_000,
    nice = 0,
    script,
  }: DecodeThreadsOptions = {}) {
    this.count = count ?? Math.min(most, availableParallelism());
    this.leastPixels = leastPixels;
    this.#longestMs = longestMs;
    this.#nice = nice;
    this.#script = script ?? new URL('./thread.ts', import.meta.url);
  }

  /** Starts all threads, so that they are ready when work comes: they compile their code, half a second each. Without it they start with the first work. */
  warm(): void {
    if (this.#closed) return;
    while (this.#threads.size < this.count) this.#idle.push(this.#start());
  }

  async place(work: TileWork, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#closed) throw new Error(closed);
    const done = Promise.withResolvers<void>();
    const job: Job = {
      work,
      end: (error) => (error === undefined ? done.resolve() : done.reject(error)),
    };
    // What has begun goes on: it is short, and nobody sees what it writes.
    const leave = (): void => {
      this.#waiting.delete(job);
      done.reject(signal?.reason);
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#waiting.add(job);
    this.#next();
    try {
      await done.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** What waits, or is under way, fails. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting) job.end(new Error(closed));
    this.#waiting.clear();
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }

  #start(): Worker {
    const thread = new Worker(this.#script, { workerData: { nice: this.#nice } satisfies ThreadData });
    this.#threads.add(thread);
    thread.unref();
    // Of one that works, its job is told; what an idle one dies of has nobody to tell.
    thread.on('error', () => {});
    thread.once('exit', () => {
      this.#threads.delete(thread);
      const at = this.#idle.indexOf(thread);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    return thread;
  }

  #next(): void {
    for (const job of this.#waiting) {
      const thread = this.#idle.pop() ?? (this.#threads.size < this.count ? this.#start() : undefined);
      if (thread === undefined) return;
      this.#waiting.delete(job);
      this.#give(thread, job);
    }
  }

  #give(thread: Worker, { work, end }: Job): void {
    const settle = (): void => {
      clearTimeout(timer);
      thread.off('message', replied).off('error', failed).off('exit', ended);
    };
    const replied = ({ error }: TileReply): void => {
      settle();
      thread.unref();
      this.#idle.push(thread);
      if (error === undefined) end();
      else if (error.code === undefined) end(new Error(error.message));
      else end(new SkyError(error.code, error.message));
      this.#next();
    };
    let cause: unknown;
    const failed = (error: unknown): void => {
      cause ??= error;
    };
    const ended = (code: number): void => {
      settle();
      const why = cause ?? `exit code ${code}`;
      end(new Error(`A thread that decoded tiles of ${work.where} has ended: ${why}.`, { cause }));
      this.#next();
    };
    const timer = setTimeout(() => {
      cause = `it took longer than ${this.#longestMs} ms`;
      void thread.terminate();
    }, this.#longestMs);
    // A copy: the bytes may be a part of what others read. (`slice` of a Buffer is none.)
    const bytes = new Uint8Array(work.bytes);
    const message: TileMessage = { ...work, bytes, tiles: toNumbers(work.tiles) };
    thread.postMessage(message, [bytes.buffer, message.tiles.buffer]);
    thread.ref();
    thread.on('message', replied).on('error', failed).once('exit', ended);
  }
}
