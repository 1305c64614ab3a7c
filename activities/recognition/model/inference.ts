/** One ONNX Runtime session. `session.run` blocks the thread it is called on: whoever must not wait has it in a lane. */
import { releaseMemory } from '@darkroom/platform/memory.ts';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Output, Outputs } from './detection.ts';
import type { Port } from './understanding/guess.ts';

// ONNX Runtime has its maker's telemetry built in, and reads this when it is loaded.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
const runtime = await import('onnxruntime-node');

/**
 * ONNX Runtime's JavaScript makes float16 tensors of this where there is one, and its native part takes Uint16Array alone (1.30.0). It looks
 * for it at the first tensor, and finds none.
 */
const Half = Float16Array;
Reflect.deleteProperty(globalThis, 'Float16Array');
new runtime.Tensor('bool', new Uint8Array(1), [1]);
globalThis.Float16Array = Half;

export interface SessionOptions {
  readonly path: string;
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

export interface Inference {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Takes the memory of `feeds` along. Throws the runtime's reason when the model does not run on that. */
  run(feeds: Feeds): Promise<Outputs>;
  /** Ends the session; the process keeps most of its memory. */
  close(): Promise<void>;
}

/** Opens the model. Throws the runtime's reason when it cannot. */
export async function openInference({ path, device, threads }: SessionOptions): Promise<Inference> {
  const session = await runtime.InferenceSession.create(path, {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // Waiting threads that spin take the cores from other sessions and from the decoders.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  return {
    inputs: session.inputMetadata.map(portOf),
    outputs: session.outputMetadata.map(portOf),
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, feed]) => [name, tensorOf(feed)]);
      const results = await session.run(Object.fromEntries(tensors));
      for (const { data } of Object.values(feeds)) releaseMemory(data);
      const outputs = Object.entries(results).map(([name, result]): [string, Output] => [
        name,
        { dims: result.dims, data: float32(result) },
      ]);
      return Object.fromEntries(outputs);
    },
    close: () => session.release(),
  };
}

function tensorOf({ type, data, dims }: Feed): Tensor {
  return type === 'float16'
    ? new runtime.Tensor(type, new Uint16Array(new Half(data).buffer), dims)
    : new runtime.Tensor(type, data, dims);
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
