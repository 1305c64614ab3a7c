/** Inference beside the event loop: heartbeats, cancels and other photos go on while a model runs. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Outputs } from './detection.ts';
import type { Port } from './guess.ts';
import { Lanes } from './lanes.ts';

// ONNX Runtime has its maker's telemetry built in. It reads this when it is loaded, which is in the threads that begin here.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

export interface SessionOptions {
  readonly path: string;
  readonly device: 'cpu' | 'cuda';
  /** Of one inference. */
  readonly threads: number;
}

/** Inputs of a model by name; values row by row. */
export type Feeds = Readonly<
  Record<
    string,
    | { readonly type: 'float32'; readonly data: Float32Array; readonly dims: readonly number[] }
    | { readonly type: 'uint8'; readonly data: Uint8Array; readonly dims: readonly number[] }
    | { readonly type: 'int64'; readonly data: BigInt64Array; readonly dims: readonly number[] }
  >
>;

/** What a thread says: first whether its session stands, then an answer to each message. */
export type FromThread =
  | { readonly type: 'ready'; readonly inputs: readonly Port[] }
  | { readonly type: 'outputs'; readonly outputs: Outputs }
  | { readonly type: 'failed'; readonly reason: string };

export interface Inference {
  readonly inputs: readonly Port[];
  /**
   * Takes the memory of `feeds` along. Waits for a free lane first, and gives up waiting when the signal aborts. Throws when the model
   * does not run on that.
   */
  run(feeds: Feeds, signal?: AbortSignal): Promise<Outputs>;
  /** Ends the threads; runs under way never answer. */
  close(): Promise<void>;
}

/**
 * Opens the model once per lane, each in a thread of its own, all of them now: a file that is replaced later must not be
 * loaded beside the old one. A thread that dies takes the process with it, as a session in the process would.
 * Throws the runtime's reason when it cannot open the file.
 */
export async function openInference(options: SessionOptions, lanes: number): Promise<Inference> {
  const threads = Array.from({ length: lanes }, () => startThread(options));
  const close = async (): Promise<void> => {
    await Promise.all(threads.map((thread) => thread.off('exit', dieToo).terminate()));
  };
  try {
    const [first] = await Promise.all(threads.map(nextMessage));
    for (const thread of threads) thread.once('exit', dieToo);
    const idle = [...threads];
    const room = new Lanes(lanes);
    const run = async (feeds: Feeds): Promise<Outputs> => {
      const thread = idle.pop()!;
      try {
        thread.postMessage(feeds, memoryOf(feeds));
        return outputsOf(await nextMessage(thread));
      } finally {
        idle.push(thread);
      }
    };
    return {
      inputs: inputsOf(first),
      run: (feeds, signal) => room.run(() => run(feeds), signal),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
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
