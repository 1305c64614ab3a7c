/** What pixels are that lie outside of the image: never 0, which would be a measurement. */
import { SkyError } from '../errors.ts';
import type { Header } from '../fits/header/header.ts';
import type { Bitpix } from '../fits/read/file.ts';
import { blankValue, maskBits } from '../fits/read/physical.ts';
import { bitpixOf } from '../fits/write/image.ts';
import type { Pixels, Plane } from '../image/plane.ts';

export type Integers = Exclude<Pixels, Float32Array | Float64Array>;

/** Pixels, what stands for none of them, and the header that says so. */
export interface Blanked {
  readonly data: Pixels;
  readonly fill: number | bigint;
  readonly header: Header;
}

/** NaN of floats; BLANK of integers, which is added where the header has none that fits: a value that no pixel has, in wider pixels where all are taken. */
export function blankOf(data: Pixels, header: Header): Blanked {
  if (data instanceof Float32Array || data instanceof Float64Array) return { data, fill: Number.NaN, header };
  const given = givenBlank(data, header);
  if (given !== undefined) return { data, fill: given, header };
  const free = freeValue(data);
  if (free === undefined) {
    const wider = widerPixels(data);
    return blankOf(wider, header.with('BITPIX', wider.BYTES_PER_ELEMENT * 8));
  }
  return { data, fill: free, header: withBlank(header, free) };
}

/** BLANK, where the header has one that such pixels can be. */
export function givenBlank(data: Integers, header: Header): number | bigint | undefined {
  const given = blankValue(header);
  if (given === undefined || !fits(data, given)) return undefined;
  return data instanceof BigInt64Array ? BigInt(given) : Number(given);
}

export const withBlank = (header: Header, value: number | bigint): Header =>
  header.with('BLANK', value, 'value of pixels that have none');

/** Of 8 and 16 bits all values may be taken; wider ones have room. */
export function widerPixels(data: Integers): Int16Array | Int32Array {
  return data instanceof Uint8Array ? Int16Array.from(data) : Int32Array.from(data as Int16Array);
}

function fits(data: Integers, value: number | bigint): boolean {
  if (data instanceof BigInt64Array) return BigInt.asIntN(64, BigInt(value)) === BigInt(value);
  if (data instanceof Uint8Array) return value >= 0 && value <= 255;
  const half = 2 ** (8 * data.BYTES_PER_ELEMENT - 1);
  return value >= -half && value < half;
}

/** Values that are looked at together: all there are of 8 and of 16 bits. */
const windowLength = 65_536;

/**
 * Which of the 65,536 lowest values an image of integers has, or of those after them: what has no BLANK gets one that no pixel has. Rows can be
 * added piece by piece.
 */
export class UsedValues {
  readonly #used: Uint8Array;
  readonly #bits: number;
  readonly #window: number;

  /** @param window 0 looks at the lowest values, 1 at the 65,536 after them, … */
  constructor(bitpix: Bitpix, window = 0) {
    this.#bits = bitpix;
    this.#window = window;
    this.#used = new Uint8Array(bitpix === 8 ? 256 : windowLength);
  }

  add(data: Integers): void {
    const used = this.#used;
    if (data instanceof Uint8Array) for (let i = 0; i < data.length; i++) used[data[i]!] = 1;
    else if (data instanceof Int16Array) for (let i = 0; i < data.length; i++) used[data[i]! + 32_768] = 1;
    else {
      // The high word of 64 bits, and what of the rest is above the window, tell whether a value is in it.
      const words = new Int32Array(data.buffer, data.byteOffset, data.byteLength / 4);
      const step = data instanceof Int32Array ? 1 : 2;
      for (let i = 0; i < words.length; i += step) {
        if (step === 2 && words[i + 1] !== -2_147_483_648) continue;
        const low = step === 2 ? words[i]! >>> 0 : (words[i]! ^ -2_147_483_648) >>> 0;
        if (low >>> 16 === this.#window) used[low & 0xffff] = 1;
      }
    }
  }

  /** The lowest value that was not there, of bytes the highest, as 0 is what dark pixels have; undefined where all of them were. */
  get free(): number | bigint | undefined {
    const index = this.#bits === 8 ? this.#used.lastIndexOf(0) : this.#used.indexOf(0);
    if (index < 0) return undefined;
    const offset = this.#window * windowLength + index;
    if (this.#bits === 64) return -(2n ** 63n) + BigInt(offset);
    return this.#bits === 8 ? index : offset - 2 ** (this.#bits - 1);
  }

  /** Whether there are values above these. */
  get isLast(): boolean {
    return this.#bits < 32;
  }
}

function freeValue(data: Integers): number | bigint | undefined {
  for (let window = 0; ; window++) {
    const used = new UsedValues(bitpixOf(data), window);
    used.add(data);
    if (used.free !== undefined || used.isLast) return used.free;
  }
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
