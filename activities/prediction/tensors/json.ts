/**
 * Elements of tensors in JSON: an array of all of them in a row, or arrays within arrays as the shape has them.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md#tensor-data
 */
import { ProblemError } from '@darkroom/contract';
import { readElements, writeElements } from './elements.ts';
import {
  bytesOf,
  elementBytes,
  elementsOf,
  isNumeric,
  type NumericDatatype,
  type Tensor,
  type TensorHeader,
  tensorProblem,
} from './tensor.ts';

/** What a text is of which the elements of BYTES are made. */
export type TextAs = 'utf8' | 'base64';

type Numbers =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float16Array
  | Float32Array
  | Float64Array;

const arrays = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Float16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const satisfies Record<NumericDatatype, unknown>;

/** The elements of a tensor as numbers; a copy where the bytes lie across the size of one. */
export function numbersOf(datatype: NumericDatatype, data: Uint8Array): Numbers {
  const size = elementBytes[datatype];
  const { buffer, byteOffset, length } = byteLaid(data, size);
  return new arrays[datatype](buffer as ArrayBuffer, byteOffset, length / size);
}

function byteLaid(data: Uint8Array, size: number): Uint8Array {
  return data.byteOffset % size === 0 ? data : new Uint8Array(data);
}

/**
 * The elements that stand in JSON. Throws ProblemError `invalid_request` for arrays of another form than the shape has, and for an element
 * that the datatype cannot hold.
 */
export function dataFromJson(header: TensorHeader, json: unknown, textAs: TextAs): Uint8Array {
  const { name, shape } = header;
  const count = elementsOf(shape);
  const values = inARow(name, shape, json, count);
  if (!isNumeric(header)) return writeElements(values.map((value) => bytesIn(name, value, textAs)));
  const data = new Uint8Array(bytesOf(header));
  const numbers = numbersOf(header.datatype, data);
  const convert = conversions[header.datatype];
  for (let i = 0; i < count; i++) {
    const converted = convert(values[i]);
    if (converted === undefined)
      throw tensorProblem(name, `has the element ${shortly(values[i])}, which is no ${header.datatype}`);
    numbers[i] = converted;
  }
  return data;
}

/** The elements one after the other. Memory is taken for those alone that are there. */
function inARow(name: string, shape: readonly number[], json: unknown, count: number): unknown[] {
  if (!Array.isArray(json)) throw tensorProblem(name, 'has data that is no array');
  if (!Array.isArray(json[0]) || shape.length < 2) {
    if (json.length === count) return json;
    throw tensorProblem(name, `has ${json.length} elements, and its shape takes ${count}`);
  }
  let rows: unknown[] = [json];
  for (const [axis, length] of shape.entries()) {
    const next: unknown[] = [];
    for (const row of rows) {
      if (!Array.isArray(row) || row.length !== length)
        throw tensorProblem(name, `has arrays that are not as long as its shape says in axis ${axis}`);
      for (const value of row) next.push(value);
    }
    rows = next;
  }
  return rows;
}

const within =
  (least: number, most: number) =>
  (value: unknown): number | undefined =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number)
      : undefined;
/** Numbers in JSON are doubles: those beyond 2^53 have been changed already. */
const long =
  (least: number) =>
  (value: unknown): bigint | undefined =>
    Number.isSafeInteger(value) && (value as number) >= least ? BigInt(value as number) : undefined;
const float =
  (narrowed: (value: number) => number) =>
  (value: unknown): number | undefined =>
    typeof value === 'number' && Number.isFinite(narrowed(value)) ? value : undefined;

const conversions: Readonly<Record<NumericDatatype, (value: unknown) => number | bigint | undefined>> = {
  BOOL: (value) => (typeof value === 'boolean' ? Number(value) : within(0, 1)(value)),
  UINT8: within(0, 0xff),
  UINT16: within(0, 0xffff),
  UINT32: within(0, 0xffff_ffff),
  UINT64: long(0),
  INT8: within(-0x80, 0x7f),
  INT16: within(-0x8000, 0x7fff),
  INT32: within(-0x8000_0000, 0x7fff_ffff),
  INT64: long(Number.MIN_SAFE_INTEGER),
  FP16: float(Math.f16round),
  FP32: float(Math.fround),
  FP64: float((value) => value),
};

function bytesIn(name: string, value: unknown, textAs: TextAs): Buffer {
  if (typeof value !== 'string')
    throw tensorProblem(name, `has the element ${shortly(value)}, which is no text`);
  if (textAs === 'base64' && !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value))
    throw tensorProblem(name, 'has an element that is not base64; bytes as they are go as binary data');
  return Buffer.from(value, textAs);
}

/** Not of arrays what is in them: they may be deep. */
function shortly(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return (JSON.stringify(value) ?? String(value)).slice(0, 40);
}

/**
 * The elements as JSON, in a row. Throws ProblemError `invalid_request` for those that JSON has no words for: numbers without end, bytes that
 * are no text; `too_large` for numbers that are longer than `mostBytes` as JSON.
 */
export function dataToJson(tensor: Tensor, mostBytes: number): string {
  const { name, datatype, data, shape } = tensor;
  if (datatype === 'BYTES') {
    const texts = readElements(name, data, elementsOf(shape)).map((element) => textOf(name, element));
    return JSON.stringify(texts);
  }
  const texts: string[] = [];
  let bytes = 0;
  for (const value of numbersOf(datatype, data)) {
    const text = numberToJson(name, datatype, value);
    bytes += text.length + 1;
    if (bytes > mostBytes)
      throw new ProblemError(
        'too_large',
        `The output ${JSON.stringify(name)} has more than ${mostBytes} bytes as JSON (LIMIT_INFERENCE_JSON_BYTES); ask for it with "binary_data": true.`,
      );
    texts.push(text);
  }
  return `[${texts.join(',')}]`;
}

function numberToJson(name: string, datatype: NumericDatatype, value: number | bigint): string {
  if (datatype === 'BOOL') return String(value !== 0);
  if (typeof value === 'number' && !Number.isFinite(value))
    throw tensorProblem(name, 'has values that are no numbers in JSON; ask for it with "binary_data": true');
  // -0 is a number of its own, and its text is that of 0.
  return Object.is(value, -0) ? '-0.0' : String(value);
}

function textOf(name: string, element: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(element);
  } catch {
    throw tensorProblem(name, 'has bytes that are no text; ask for it with "binary_data": true');
  }
}
