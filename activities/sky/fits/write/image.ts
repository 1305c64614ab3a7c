/** What images written as they are and compressed ones have in common. */
import type { Pixels } from '../../image/plane.ts';
import type { Card } from '../card.ts';
import type { Bitpix } from '../read/file.ts';
import { HeaderUnit } from './header.ts';
import type { FitsSink } from './sink.ts';

export interface ImageWriter {
  /** The next rows, whole ones, from the first row of the file on. Throws RangeError for too many, TypeError for pixels of another type. */
  rows(pixels: Pixels): void;
  /**
   * After the last row. `cards` are those of the image as they have turned out, instead of those that it was begun with; they find no more room
   * than these had. Throws RangeError when rows are missing, or cards are too many.
   */
  end(cards?: Iterable<Card>): void;
}

/** Where in the file an HDU begins, and who wants to know its length. */
export interface Place {
  readonly sink: FitsSink;
  readonly position: number;
  /** Whether it is the first of the file. */
  readonly first: boolean;
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

/** Without a BLANK that no pixel can have: of floats, a fraction, beyond what BITPIX holds. Astropy opens no compressed image that has one. */
export function* writable(cards: Iterable<Card>, bitpix: number): Iterable<Card> {
  for (const one of cards) if (one.keyword !== 'BLANK' || isPixel(one.value, bitpix)) yield one;
}

function isPixel(value: Card['value'], bitpix: number): boolean {
  if (bitpix < 0 || (typeof value !== 'bigint' && !Number.isInteger(value))) return false;
  const whole = BigInt(value as number | bigint);
  return whole === (bitpix === 8 ? BigInt.asUintN(8, whole) : BigInt.asIntN(bitpix, whole));
}

/** A header with other cards in the same room. Throws RangeError where they do not fit. */
export function withCards(header: HeaderUnit, structuralCount: number, cards: Iterable<Card>): HeaderUnit {
  const other = new HeaderUnit(structuralCount, cards, header.length);
  if (other.length > header.length)
    throw new RangeError(`cards of ${other.length} bytes in room for ${header.length}`);
  return other;
}
