/** Pictures of large areas: scaled down by exact area average, from strips of rows, so that only what comes out is held in memory. */
import { SkyError } from '../errors.ts';
import type { Plane } from '../image/plane.ts';
import type { FloatPlane } from './raster.ts';

export interface Size {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** The size at which the longer side has no more than `maxPixels`; never larger than it is, never without a pixel. */
export function sizeWithin({ width, height }: Size, maxPixels: number): Size {
  if (!(maxPixels >= 1))
    throw new SkyError('invalid_cutout', `A picture has at least one pixel, not ${maxPixels}.`);
  const longer = Math.max(width, height);
  const limit = Math.floor(maxPixels);
  if (longer <= limit) return { width, height };
  const side = (of: number) => Math.max(1, Math.round((of * limit) / longer));
  return { width: side(width), height: side(height) };
}

/**
 * Takes an image in strips of whole rows, in order, and averages it over the pixels of a smaller one; each counts by the area that it has there, those
 * without a value (NaN, infinities) not at all: fluxes a pixel are means of what is there. NaN where nothing is.
 */
export class AreaAverage {
  readonly #from: Size;
  readonly #to: Size;
  readonly #data: Float32Array;
  /** Of each column: the column it begins in, and its share there. What is left of it is in the next. */
  readonly #column: Int32Array;
  readonly #share: Float64Array;
  /** Of one row, and of the row that is being made: sums of values and of their areas, in units of 1 / (columns from × rows from). */
  readonly #row: { sums: Float64Array; areas: Float64Array };
  readonly #made: { sums: Float64Array; areas: Float64Array };
  #taken = 0;

  /** @throws SkyError `invalid_cutout`: `to` is larger than `from`, or empty. */
  constructor(from: Size, to: Size) {
    if (!(to.width >= 1 && to.height >= 1 && to.width <= from.width && to.height <= from.height))
      throw new SkyError(
        'invalid_cutout',
        `An image of ${from.width} × ${from.height} pixels cannot be scaled down to ${to.width} × ${to.height}.`,
      );
    this.#from = from;
    this.#to = to;
    this.#data = new Float32Array(to.width * to.height);
    this.#column = new Int32Array(from.width);
    this.#share = new Float64Array(from.width);
    for (let x = 0; x < from.width; x++) {
      const column = Math.floor((x * to.width) / from.width);
      this.#column[x] = column;
      this.#share[x] = Math.min(to.width, (column + 1) * from.width - x * to.width);
    }
    // One more than there are: the share of the last column's end, always 0.
    const sums = () => ({ sums: new Float64Array(to.width + 1), areas: new Float64Array(to.width + 1) });
    this.#row = sums();
    this.#made = sums();
  }

  /** The next rows: a whole number of them, in the order of the file. */
  add(rows: Float32Array | Float64Array): void {
    const { width, height } = this.#from;
    const count = rows.length / width;
    if (!Number.isInteger(count) || this.#taken + count > height)
      throw new RangeError(`${rows.length} pixels are not the next rows of ${width}.`);
    for (let row = 0; row < count; row++) {
      this.#sumRow(rows, row * width);
      const { height: made } = this.#to;
      const y = Math.floor((this.#taken * made) / height);
      const share = Math.min(made, (y + 1) * height - this.#taken * made);
      this.#addRow(share);
      this.#taken++;
      if (this.#taken * made >= (y + 1) * height) {
        this.#finishRow(y);
        if (share < made) this.#addRow(made - share);
      }
    }
  }

  /** What came out, once all rows are in. */
  plane(): Plane<Float32Array> {
    if (this.#taken !== this.#from.height)
      throw new RangeError(`${this.#taken} of ${this.#from.height} rows are there.`);
    return { ...this.#to, data: this.#data };
  }

  #sumRow(rows: Float32Array | Float64Array, start: number): void {
    const { sums, areas } = this.#row;
    sums.fill(0);
    areas.fill(0);
    const whole = this.#to.width;
    const columns = this.#column;
    const shares = this.#share;
    for (let x = 0; x < columns.length; x++) {
      const value = rows[start + x]!;
      if (value - value !== 0) continue;
      const column = columns[x]!;
      const share = shares[x]!;
      sums[column]! += value * share;
      areas[column]! += share;
      if (share !== whole) {
        sums[column + 1]! += value * (whole - share);
        areas[column + 1]! += whole - share;
      }
    }
  }

  #addRow(share: number): void {
    const { sums, areas } = this.#row;
    const made = this.#made;
    for (let x = 0; x < this.#to.width; x++) {
      made.sums[x]! += sums[x]! * share;
      made.areas[x]! += areas[x]! * share;
    }
  }

  #finishRow(y: number): void {
    const { sums, areas } = this.#made;
    const start = y * this.#to.width;
    for (let x = 0; x < this.#to.width; x++)
      this.#data[start + x] = areas[x]! > 0 ? sums[x]! / areas[x]! : Number.NaN;
    sums.fill(0);
    areas.fill(0);
  }
}

/** An image that is in memory; as it is if it is small enough. */
export function scaledWithin(plane: FloatPlane, maxPixels: number): FloatPlane {
  const to = sizeWithin(plane, maxPixels);
  if (to.width === plane.width && to.height === plane.height) return plane;
  const average = new AreaAverage(plane, to);
  average.add(plane.data);
  return average.plane();
}
