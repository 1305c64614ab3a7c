/** A thread that holds one ONNX Runtime session: `session.run` blocks the thread it is called on. */
import { parentPort, workerData } from 'node:worker_threads';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Output } from './detection.ts';
import type { Port } from './guess.ts';
import type { Feeds, FromThread, SessionOptions } from './inference.ts';

const port = parentPort;
if (port === null) throw new Error('inference-thread.ts is started by inference.ts, as a thread.');

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
    const tensors = Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new Tensor(type, data, dims),
    ]);
    const results = await session.run(Object.fromEntries(tensors));
    for (const { data } of Object.values(feeds)) releaseMemory(data);
    const outputs = Object.entries(results).map(([name, { dims, data }]): [string, Output] => [
      name,
      { dims, data: float32(data) },
    ]);
    const memory = new Set(outputs.map(([, { data }]) => data.buffer as ArrayBuffer));
    tell({ type: 'outputs', outputs: Object.fromEntries(outputs) }, memory);
  } catch (error) {
    tell({ type: 'failed', reason: reasonOf(error) });
  }
}

function float32(data: Tensor['data']): Float32Array {
  if (data instanceof Float32Array) return data;
  if (!ArrayBuffer.isView(data)) throw new TypeError('an output of the model is text');
  return Float32Array.from(data as Iterable<number | bigint> & ArrayLike<number>, Number);
}

function portOf(metadata: InferenceSession.ValueMetadata): Port {
  return metadata.isTensor
    ? { name: metadata.name, type: metadata.type, dims: metadata.shape }
    : { name: metadata.name, type: 'not a tensor', dims: [] };
}
