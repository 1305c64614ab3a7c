/** One ONNX Runtime session. `session.run` blocks the thread it is called on: whoever must not wait has it in a lane. */
import { ProblemError } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import { numbersOf } from '@darkroom/prediction/tensors/json.ts';
import type { NumericDatatype, NumericTensor } from '@darkroom/prediction/tensors/tensor.ts';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Output, Outputs } from './detection.ts';
import type { Port } from './understanding/guess.ts';
import { datatypeOf, runtimeType } from './understanding/tensors.ts';

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
  /** The outputs of those names for these inputs, all as they lie in memory. Throws the runtime's reason when the model does not run on that. */
  runRaw(inputs: readonly NumericTensor[], outputs: readonly string[]): Promise<NumericTensor[]>;
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
    async runRaw(inputs, outputs) {
      const feeds = Object.fromEntries(inputs.map((input) => [input.name, rawTensorOf(input)]));
      const results = await session.run(feeds, [...outputs]);
      return outputs.flatMap((name) => (results[name] === undefined ? [] : rawOf(name, results[name])));
    },
    close: () => session.release(),
  };
}

function rawTensorOf({ datatype, shape, data }: NumericTensor): Tensor {
  const values = datatype === 'BOOL' ? data.map((value) => (value === 0 ? 0 : 1)) : valuesOf(datatype, data);
  return new runtime.Tensor(runtimeType(datatype), values as never, shape);
}

/** As the runtime takes them: halves as they are. */
function valuesOf(datatype: NumericDatatype, data: Uint8Array) {
  const numbers = numbersOf(datatype, data);
  return numbers instanceof Half
    ? new Uint16Array(numbers.buffer, numbers.byteOffset, numbers.length)
    : numbers;
}

function rawOf(name: string, { type, dims, data }: Tensor): NumericTensor {
  const datatype = datatypeOf(type);
  if (datatype === undefined || datatype === 'BYTES' || !ArrayBuffer.isView(data))
    throw new ProblemError('invalid_request', `The output ${name} is text, which is not given here.`);
  return {
    name,
    datatype,
    shape: [...dims],
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
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
