/** Inference beside the event loop: heartbeats, cancels and other photos go on while a model runs. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Worker } from 'node:worker_threads';
import { Lanes } from '@darkroom/platform/lanes.ts';
import type { Outputs } from './detection.ts';
import type { Port } from './understanding/guess.ts';

// ONNX Runtime has its maker's telemetry built in. It reads this when it is loaded, which is in the threads that begin here.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

export interface SessionOptions {
  readonly path: string;
  /** SHA-256 of the file as it was read, hexadecimal. */
  readonly digest: string;
  readonly device: 'cpu' | 'cuda';
  /** Of one inference. */
  readonly threads: number;
}

/** Values row by row; those of float16 are narrowed, and those of bool made so, where the runtime is. */
export type Feed =
  | { readonly type: 'float32' | 'float16'; readonly data: Float32Array; readonly dims: readonly number[] }
  | { readonly type: 'uint8' | 'bool'; readonly data: Uint8Array; readonly dims: readonly number[] }
  | { readonly type: 'int64'; readonly data: BigInt64Array; readonly dims: readonly number[] };

/** Inputs of a model by name. */
export type Feeds = Readonly<Record<string, Feed>>;

/** What a thread says: first whether its session stands, then an answer to each message. */
export type FromThread =
  | { readonly type: 'ready'; readonly inputs: readonly Port[] }
  | { readonly type: 'outputs'; readonly outputs: Outputs }
  | { readonly type: 'failed'; readonly reason: string };

export interface Inference {
  readonly inputs: readonly Port[];
  /** Lanes that are open by now. */
  readonly lanes: number;
  /**
   * Takes the memory of `feeds` along. Waits for a free lane first, and gives up waiting when the signal aborts. Throws when the model
   * does not run on that.
   */
  run(feeds: Feeds, signal?: AbortSignal): Promise<Outputs>;
  /** Ends the threads; runs under way never answer. */
  close(): Promise<void>;
}

/**
 * Opens the model in a thread of its own, and in further ones, `lanes` in all, when pictures queue: each holds the model in memory. A
 * file that was replaced since is not opened beside the old one; then it stays with the lanes there are. A thread that dies takes the
 * process with it, as a session in the process would. Throws the runtime's reason when it cannot open the file.
 */
export async function openInference(options: SessionOptions, lanes: number): Promise<Inference> {
  const threads = [startThread(options)];
  const idle: Worker[] = [];
  let opened = 0;
  const room = new Lanes(1);
  let closed = false;

  const open = async (thread: Worker, check: () => Promise<void> = async () => {}): Promise<FromThread> => {
    try {
      const ready = await nextMessage(thread);
      await check();
      thread.once('exit', dieToo);
      idle.push(thread);
      opened++;
      return ready;
    } catch (error) {
      await thread.terminate();
      throw error;
    }
  };
  const unchanged = async (): Promise<void> => {
    if ((await digestOf(options.path)) !== options.digest || closed)
      throw new Error('The model was replaced.');
  };
  const widen = (): void => {
    if (threads.length >= lanes) return;
    const thread = startThread(options);
    // A lane that cannot be opened counts as one: it is not tried again with every picture.
    threads.push(thread);
    open(thread, unchanged).then(
      () => room.widen(),
      () => {},
    );
  };
  const run = async (feeds: Feeds): Promise<Outputs> => {
    const thread = idle.pop()!;
    try {
      thread.postMessage(feeds, memoryOf(feeds));
      return outputsOf(await nextMessage(thread));
    } finally {
      idle.push(thread);
    }
  };
  const inputs = inputsOf(await open(threads[0]!));
  return {
    inputs,
    get lanes() {
      return opened;
    },
    run: (feeds, signal) => {
      // One that waits while another is inferred costs less time than a second copy of the model costs memory.
      if (room.queued > 0) widen();
      return room.run(() => run(feeds), signal);
    },
    async close() {
      closed = true;
      await Promise.all(threads.map((thread) => thread.off('exit', dieToo).terminate()));
    },
  };
}

/** SHA-256 of a file. */
async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

const memoryOf = (feeds: Feeds): ArrayBuffer[] =>
  Object.values(feeds).flatMap(({ data }) => (data.buffer instanceof ArrayBuffer ? [data.buffer] : []));

function dieToo(code: number): never {
  throw new Error(`A thread that held a model ended with ${code}.`);
}

function startThread(options: SessionOptions): Worker {
  return new Worker(new URL('inference-thread.ts', import.meta.url), { workerData: options, execArgv: [] });
}

/** The next word of a thread. Only while somebody waits for it does a thread keep the process alive. */
async function nextMessage(thread: Worker): Promise<FromThread> {
  thread.ref();
  try {
    const [message] = (await once(thread, 'message')) as [FromThread];
    if (message.type === 'failed') throw new Error(message.reason);
    return message;
  } finally {
    thread.unref();
  }
}

function inputsOf(message: FromThread | undefined): readonly Port[] {
  if (message?.type !== 'ready') throw new TypeError('A thread begins by telling its inputs.');
  return message.inputs;
}

function outputsOf(message: FromThread): Outputs {
  if (message.type !== 'outputs') throw new TypeError('A thread answers with outputs.');
  return message.outputs;
}
