/** The two passes of a resampling, by WebAssembly's vectors (passes.wat): five times as fast as the same loops in JavaScript, and the same to the level. */
import { z } from 'zod';
import { passesCode } from './passes-code.ts';

export const CHANNELS = 3;

/** For each pixel of the window along one axis, what it is made of. */
export interface Weights {
  /** First and behind the last pixel of the source that any of them needs. */
  readonly from: number;
  readonly to: number;
  /** First pixel of the source, from `from` on, and how many. */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `taps` for each pixel, in fixed point. */
  readonly values: Int32Array;
  readonly taps: number;
}

/** Rows of pixels within a larger picture, without a copy. */
export interface Part {
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Of its first value. */
  readonly offset: number;
  /** Values from one row to the next. */
  readonly stride: number;
  readonly width: number;
  readonly height: number;
}

// Node's types know of it as a name of types alone.
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** Source, its stride, height or length, target, width or height, and where the weights lie. */
type Pass = (...addresses: number[]) => void;
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
const asPass = z.custom<Pass>((value) => typeof value === 'function');
const { memory, across, down } = z
  .object({ memory: z.custom<Memory>(), across: asPass, down: asPass })
  .parse(new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(passesCode, 'base64'))).exports);

/** Of the source that lies in the module's memory at once: what fits a core's cache. */
const STRIP_BYTES = 256 << 10;
const PAGE_BYTES = 64 << 10;
/** What the passes read and write beyond what they are asked for, and more. */
const MARGIN = 64;

/** Each row is as wide as the weights say. */
export function passAcross(part: Part, weights: Weights): Part {
  const { stride, height } = part;
  const width = weights.starts.length;
  const out = new Uint8ClampedArray(width * height * CHANNELS);
  const rows = Math.max(1, Math.floor(STRIP_BYTES / stride));
  const { at, source, target } = layOut(weights, rows * stride, rows * width * CHANNELS);
  for (let y = 0; y < height; y += rows) {
    const count = Math.min(rows, height - y);
    copyIn(part, y, count, source);
    across(source, stride, count, target, width, ...at);
    copyOut(target, out, y * width * CHANNELS, count * width * CHANNELS);
  }
  return { data: out, offset: 0, stride: width * CHANNELS, width, height };
}

/** As many rows as the weights say. */
export function passDown(part: Part, weights: Weights): Part {
  const { stride, width } = part;
  const { starts, counts, values, taps } = weights;
  const height = starts.length;
  const length = width * CHANNELS;
  const out = new Uint8ClampedArray(length * height);
  const endOf = (y: number): number => (starts[y] ?? 0) + (counts[y] ?? 0);
  for (let y = 0; y < height; ) {
    const first = starts[y] ?? 0;
    let end = y + 1;
    while (end < height && (endOf(end) - first) * stride <= STRIP_BYTES) end++;
    const rows = endOf(end - 1) - first;
    const some = {
      starts: starts.subarray(y, end).map((start) => start - first),
      counts: counts.subarray(y, end),
      values: values.subarray(y * taps, end * taps),
      taps,
    };
    const { at, source, target } = layOut(some, rows * stride, (end - y) * length);
    copyIn(part, first, rows, source);
    down(source, stride, length, target, end - y, ...at);
    copyOut(target, out, y * length, (end - y) * length);
    y = end;
  }
  return { data: out, offset: 0, stride: length, width, height };
}

/** Puts the weights into the module's memory, with room behind them. Addresses: what a pass is told of weights, and where source and target go. */
function layOut(
  { starts, counts, values, taps }: Omit<Weights, 'from' | 'to'>,
  sourceBytes: number,
  targetBytes: number,
): { readonly at: readonly number[]; readonly source: number; readonly target: number } {
  const bytesOfEach = starts.byteLength;
  const source = 2 * bytesOfEach + values.byteLength;
  const target = source + sourceBytes + MARGIN;
  const lacking = target + targetBytes + MARGIN - memory.buffer.byteLength;
  if (lacking > 0) memory.grow(Math.ceil(lacking / PAGE_BYTES));
  const numbers = new Int32Array(memory.buffer);
  numbers.set(starts, 0);
  numbers.set(counts, starts.length);
  numbers.set(values, 2 * starts.length);
  return { at: [0, bytesOfEach, 2 * bytesOfEach, taps], source, target };
}

function copyIn({ data, offset, stride }: Part, row: number, count: number, to: number): void {
  const begin = offset + row * stride;
  new Uint8Array(memory.buffer).set(data.subarray(begin, begin + count * stride), to);
}

function copyOut(from: number, out: Uint8ClampedArray, to: number, length: number): void {
  out.set(new Uint8Array(memory.buffer, from, length), to);
}
