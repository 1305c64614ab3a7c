/** What pixels are that lie outside of the image: never 0, which would be a measurement. */
import { SkyError } from '../errors.ts';
import type { Header } from '../fits/header/header.ts';
import { blankValue, maskBits } from '../fits/read/physical.ts';
import type { Pixels, Plane } from '../image/plane.ts';

type Integers = Exclude<Pixels, Float32Array | Float64Array>;

/** Pixels, what stands for none of them, and the header that says so. */
export interface Blanked {
  readonly data: Pixels;
  readonly fill: number | bigint;
  readonly header: Header;
}

const smallest = [
  [Int16Array, -32768],
  [Int32Array, -2147483648],
  [BigInt64Array, -(2n ** 63n)],
] as const;

/** NaN of floats; BLANK of integers, which is added where the header has none that fits: a value that no pixel has, in wider pixels where all are taken. */
export function blankOf(data: Pixels, header: Header): Blanked {
  if (data instanceof Float32Array || data instanceof Float64Array) return { data, fill: Number.NaN, header };
  const given = blankValue(header);
  if (given !== undefined && fits(data, given)) {
    return { data, fill: data instanceof BigInt64Array ? BigInt(given) : Number(given), header };
  }
  const free = freeValue(data);
  if (free === undefined) {
    const wider = data instanceof Uint8Array ? Int16Array.from(data) : Int32Array.from(data as Int16Array);
    return blankOf(wider, header.with('BITPIX', wider.BYTES_PER_ELEMENT * 8));
  }
  return { data, fill: free, header: header.with('BLANK', free, 'value of pixels that have none') };
}

function fits(data: Integers, value: number | bigint): boolean {
  if (data instanceof BigInt64Array) return BigInt.asIntN(64, BigInt(value)) === BigInt(value);
  if (data instanceof Uint8Array) return value >= 0 && value <= 255;
  const half = 2 ** (8 * data.BYTES_PER_ELEMENT - 1);
  return value >= -half && value < half;
}

function freeValue(data: Integers): number | bigint | undefined {
  if (data instanceof BigInt64Array) {
    let value: bigint = smallest[2][1];
    while (data.includes(value)) value++;
    return value;
  }
  if (data instanceof Int32Array) {
    let value: number = smallest[1][1];
    while (data.includes(value)) value++;
    return value;
  }
  const bytes = data instanceof Uint8Array;
  const used = new Uint8Array(bytes ? 256 : 65536);
  const least = bytes ? 0 : -32768;
  for (const value of data) used[value - least] = 1;
  // Of bytes the largest that is free, as 0 is what dark pixels have.
  const index = bytes ? used.lastIndexOf(0) : used.indexOf(0);
  return index < 0 ? undefined : index + least;
}

/**
 * The stored value that has `bits` (a power of two, or several), of a mask: in wider pixels where its own do not reach so far. Throws SkyError
 * `unsupported_fits` for a mask of floats.
 */
export function maskedBy(plane: Plane, bits: number, header: Header): Blanked {
  const zero = header.number('BZERO', 0);
  const { data } = plane;
  if (!(Number.isSafeInteger(bits) || Number.isInteger(Math.log2(bits))) || bits <= 0) {
    throw new SkyError('invalid_cutout', `${bits} has no bits of a mask.`);
  }
  if (zero !== 0) {
    // Unsigned integers: as their bits, without an offset.
    const own = maskBits(plane, header);
    const bitpix = 8 * own.data.BYTES_PER_ELEMENT;
    const plain = header.with('BITPIX', bitpix).without('BZERO', 'BSCALE');
    return maskedBy(own, bits, plain);
  }
  if (data instanceof Float32Array || data instanceof Float64Array) {
    throw new SkyError('unsupported_fits', `${header.where} is no mask: its pixels are not integers.`);
  }
  const width = 8 * data.BYTES_PER_ELEMENT;
  if (data instanceof BigInt64Array) return { data, fill: BigInt.asIntN(64, BigInt(bits)), header };
  if (bits < 2 ** width) {
    // The highest bit of a signed number is its sign.
    const fill = data instanceof Uint8Array ? bits : bits >= 2 ** (width - 1) ? bits - 2 ** width : bits;
    return { data, fill, header };
  }
  const wider = bits < 2 ** 16 ? 16 : bits < 2 ** 32 ? 32 : 64;
  return maskedBy({ ...plane, data: widened(data, wider) }, bits, header.with('BITPIX', wider));
}

/** The same bits: of signed pixels the highest is one of the mask's, not a sign. */
function widened(data: Uint8Array | Int16Array | Int32Array, width: 16 | 32 | 64): Integers {
  if (width === 16) return Int16Array.from(data);
  if (width === 32)
    return Int32Array.from(data, (value) => (data instanceof Int16Array ? value & 0xffff : value));
  const mask = 2n ** BigInt(8 * data.BYTES_PER_ELEMENT) - 1n;
  return BigInt64Array.from(Array.from(data, (value) => BigInt(value) & mask));
}
