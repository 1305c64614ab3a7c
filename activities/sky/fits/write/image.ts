/** What images written as they are and compressed ones have in common. */
import type { Pixels } from '../../image/plane.ts';
import type { Bitpix } from '../read/file.ts';
import type { FitsSink } from './sink.ts';

export interface ImageWriter {
  /** The next rows, whole ones, from the first row of the file on. Throws RangeError for too many, TypeError for pixels of another type. */
  rows(pixels: Pixels): void;
  /** After the last row. Throws RangeError when rows are missing. */
  end(): void;
}

/** Where in the file an HDU begins, and who wants to know its length. */
export interface Place {
  readonly sink: FitsSink;
  readonly position: number;
  ended(bytes: number): void;
}

const types = [
  [8, Uint8Array],
  [16, Int16Array],
  [32, Int32Array],
  [64, BigInt64Array],
  [-32, Float32Array],
  [-64, Float64Array],
] as const;

/** The BITPIX of pixels in memory. */
export function bitpixOf(pixels: Pixels): Bitpix {
  return types.find(([, type]) => pixels instanceof type)![0];
}

/** Copies pixels in the byte order of FITS into the start of `out`, of as many bytes at least. */
export function toBigEndian(pixels: Pixels, out: Buffer): Buffer {
  const bytes = out.subarray(0, pixels.byteLength);
  bytes.set(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength));
  if (pixels.BYTES_PER_ELEMENT === 2) bytes.swap16();
  else if (pixels.BYTES_PER_ELEMENT === 4) bytes.swap32();
  else if (pixels.BYTES_PER_ELEMENT === 8) bytes.swap64();
  return bytes;
}

/** Counts the rows of an image, and refuses those that do not fit. */
export class RowCount {
  readonly #width: number;
  readonly #height: number;
  readonly #bitpix: Bitpix;
  #done = 0;

  constructor(width: number, height: number, bitpix: Bitpix) {
    if (!(Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0)) {
      throw new RangeError(`an image of ${width} × ${height} pixels`);
    }
    this.#width = width;
    this.#height = height;
    this.#bitpix = bitpix;
  }

  /** How many rows these are. */
  add(pixels: Pixels): number {
    if (bitpixOf(pixels) !== this.#bitpix)
      throw new TypeError(`pixels of BITPIX ${bitpixOf(pixels)}, not ${this.#bitpix}`);
    const rows = pixels.length / this.#width;
    if (!Number.isInteger(rows)) throw new RangeError('part of a row');
    this.#done += rows;
    if (this.#done > this.#height) throw new RangeError(`more than ${this.#height} rows`);
    return rows;
  }

  end(): void {
    if (this.#done < this.#height) throw new RangeError(`${this.#done} of ${this.#height} rows`);
  }
}
