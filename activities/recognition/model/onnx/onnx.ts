/**
 * Writes ONNX models, and reads what ONNX Runtime does not tell of them (metadata_props).
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import { bytes, fieldsOf, integer, message } from './protobuf.ts';

const IR_VERSION = 8;
const OPSET = 13;
/** TensorProto.DataType. */
const dataTypes = { float32: 1, uint8: 2, int64: 7, bool: 9, float16: 10 } as const;
type DataType = keyof typeof dataTypes;

export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | Float16Array | BigInt64Array;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Integer, list of integers or string attributes. */
  readonly attributes?: Readonly<Record<string, number | readonly number[] | string>>;
}

/** An input or output of a graph. */
export interface OnnxPort {
  readonly name: string;
  /** A string is a symbolic dimension. */
  readonly dims: readonly (number | string)[];
  /** float32 when absent. */
  readonly type?: DataType;
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /** In an order in which each node's inputs come before it. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An int64 initialiser, the type ONNX takes shapes and axes in. */
export function int64Tensor(name: string, values: readonly number[]): OnnxTensor {
  return { name, dims: [values.length], data: BigInt64Array.from(values, BigInt) };
}

function tensor(field: number, { name, dims, data }: OnnxTensor): Uint8Array {
  // raw_data is little-endian, as typed arrays are on every platform ONNX Runtime is built for.
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message(field, [
    ...dims.map((dim) => integer(1, dim)),
    integer(2, dataTypes[typeOf(data)]),
    bytes(8, name),
    bytes(9, raw),
  ]);
}

function typeOf(data: OnnxTensor['data']): DataType {
  if (data instanceof BigInt64Array) return 'int64';
  return data instanceof Float32Array ? 'float32' : 'float16';
}

function attribute(name: string, value: number | readonly number[] | string): Uint8Array {
  if (typeof value === 'string') return message(5, [bytes(1, name), bytes(4, value), integer(20, 3)]);
  if (typeof value === 'number') return message(5, [bytes(1, name), integer(3, value), integer(20, 2)]);
  return message(5, [bytes(1, name), ...value.map((item) => integer(8, item)), integer(20, 7)]);
}

function node({ op, inputs, output, attributes = {} }: OnnxNode): Uint8Array {
  return message(1, [
    ...inputs.map((input) => bytes(1, input)),
    bytes(2, output),
    bytes(3, output),
    bytes(4, op),
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  ]);
}

function port(field: number, { name, dims, type = 'float32' }: OnnxPort): Uint8Array {
  const shape = message(
    2,
    dims.map((dim) => message(1, [typeof dim === 'number' ? integer(1, dim) : bytes(2, dim)])),
  );
  return message(field, [bytes(1, name), message(2, [message(1, [integer(1, dataTypes[type]), shape])])]);
}

/** The bytes of an ONNX file (IR version 8, opset 13). Equal graphs give equal bytes. */
export function encodeOnnx(graph: OnnxGraph): Buffer {
  return Buffer.concat([
    integer(1, IR_VERSION),
    bytes(2, 'darkroom'),
    message(7, [
      ...graph.nodes.map(node),
      bytes(2, graph.name),
      ...graph.initializers.map((initializer) => tensor(5, initializer)),
      ...graph.inputs.map((input) => port(11, input)),
      ...graph.outputs.map((output) => port(12, output)),
    ]),
    message(8, [bytes(1, ''), integer(2, OPSET)]),
    ...Object.entries(graph.metadata ?? {}).map(([key, value]) =>
      message(14, [bytes(1, key), bytes(2, value)]),
    ),
  ]);
}

/** `metadata_props` of an ONNX file (exporters put class names there). Throws RangeError when it is no protobuf. */
export function onnxMetadata(file: Buffer): Record<string, string> {
  const metadata = new Map<string, string>();
  for (const { field, content } of fieldsOf(file)) {
    if (field !== 14 || content === undefined) continue;
    const entry: Record<number, string> = {};
    for (const part of fieldsOf(content)) entry[part.field] = part.content?.toString('utf8') ?? '';
    if (entry[1] !== undefined) metadata.set(entry[1], entry[2] ?? '');
  }
  // Not by assignment, which loses the key `__proto__`.
  return Object.fromEntries(metadata);
}

/** Fields of ModelProto, and which of them are integers. */
const modelFields: Readonly<Record<number, 'integer' | 'content'>> = {
  1: 'integer',
  2: 'content',
  3: 'content',
  4: 'content',
  5: 'integer',
  6: 'content',
  7: 'content',
  8: 'content',
  14: 'content',
  20: 'content',
  25: 'content',
};

/** Whether a file that begins so may be ONNX: fields of a model alone, one of them its version or its graph. Says nothing of what is in them. */
export function beginsAsOnnx(head: Buffer): boolean {
  let isModel = false;
  try {
    for (const { field, content } of fieldsOf(head, { cut: true })) {
      if (modelFields[field] !== (content === undefined ? 'integer' : 'content')) return false;
      isModel ||= field === 1 || field === 7;
    }
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
  return isModel;
}
