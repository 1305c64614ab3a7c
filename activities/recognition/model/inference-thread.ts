/** A thread that holds one ONNX Runtime session: `session.run` blocks the thread it is called on. */
import { parentPort, workerData } from 'node:worker_threads';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Output } from './detection.ts';
import type { Feed, Feeds, FromThread, SessionOptions } from './inference.ts';
import type { Port } from './understanding/guess.ts';

const port = parentPort;
if (port === null) throw new Error('inference-thread.ts is started by inference.ts, as a thread.');

/**
 * ONNX Runtime's JavaScript makes float16 tensors of this where there is one, and its native part takes Uint16Array alone (1.30.0). It looks
 * for it at the first tensor, so this thread has it under another name.
 */
const Half = Float16Array;
Reflect.deleteProperty(globalThis, 'Float16Array');

const { path, device, threads } = workerData as SessionOptions;
/** `memory` goes along instead of being copied. */
const tell = (message: FromThread, memory: Iterable<ArrayBuffer> = []): void =>
  port.postMessage(message, [...memory]);
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

try {
  const session = await InferenceSession.create(path, {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // Waiting threads that spin take the cores from other sessions and from the decoders.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  port.on('message', (feeds: Feeds) => void answer(session, feeds));
  tell({ type: 'ready', inputs: session.inputMetadata.map(portOf) });
} catch (error) {
  tell({ type: 'failed', reason: reasonOf(error) });
}

async function answer(session: InferenceSession, feeds: Feeds): Promise<void> {
  try {
    const tensors = Object.entries(feeds).map(([name, feed]) => [name, tensorOf(feed)]);
    const results = await session.run(Object.fromEntries(tensors));
    for (const { data } of Object.values(feeds)) releaseMemory(data);
    const outputs = Object.entries(results).map(([name, result]): [string, Output] => [
      name,
      { dims: result.dims, data: float32(result) },
    ]);
    const memory = new Set(outputs.map(([, { data }]) => data.buffer as ArrayBuffer));
    tell({ type: 'outputs', outputs: Object.fromEntries(outputs) }, memory);
  } catch (error) {
    tell({ type: 'failed', reason: reasonOf(error) });
  }
}

function tensorOf({ type, data, dims }: Feed): Tensor {
  return type === 'float16'
    ? new Tensor(type, new Uint16Array(new Half(data).buffer), dims)
    : new Tensor(type, data, dims);
}

function float32({ type, data }: Tensor): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Uint16Array && type === 'float16')
    return new Float32Array(new Half(data.buffer, data.byteOffset, data.length));
  if (!ArrayBuffer.isView(data)) throw new TypeError('an output of the model is text');
  return Float32Array.from(data as Iterable<number | bigint> & ArrayLike<number>, Number);
}

function portOf(metadata: InferenceSession.ValueMetadata): Port {
  return metadata.isTensor
    ? { name: metadata.name, type: metadata.type, dims: metadata.shape }
    : { name: metadata.name, type: 'not a tensor', dims: [] };
}
