/**
 * Lanczos-3 as SWarp has it: the kernel of six pixels a side, normalised to a sum of 1 on each axis; where result pixels are larger than the
 * tile's, the mean of n × n places in each, n the rounded ratio of their sides. Flux: times the area of the result pixel in pixels of the tile
 * (SWarp's FSCALASTRO_TYPE VARIABLE; its default FIXED takes one number for the whole tile).
 */
import type { PixelBox } from '../../image/plane.ts';
import { CornerRows } from './corners.ts';
import type { Quantity, SourcePixels, Sums } from './flux.ts';
import type { PixelMap } from './pixel-map.ts';

const TAPS = 6;
/** Pixels of the tile that a place may ask for beside the one it lies in. */
export const LANCZOS_REACH = 3;
/** Kernels of so many places within a pixel, with straight lines between: 1e-7 of the value. */
const PLACES = 4096;
/** A result stands on at least so much of its kernel: of less, the negative lobes make anything. */
const LEAST_KERNEL = 0.5;

const kernels = kernelTable();

function kernelTable(): Float64Array {
  const table = new Float64Array((PLACES + 1) * TAPS);
  const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  for (let place = 0; place <= PLACES; place++) {
    let sum = 0;
    for (let tap = 0; tap < TAPS; tap++) {
      const x = place / PLACES - (tap - 2);
      const k = Math.abs(x) >= 3 ? 0 : sinc(x) * sinc(x / 3);
      table[place * TAPS + tap] = Math.abs(k) < 1e-16 ? 0 : k;
      sum += table[place * TAPS + tap]!;
    }
    for (let tap = 0; tap < TAPS; tap++) table[place * TAPS + tap]! /= sum;
  }
  return table;
}

function kernelAt(fraction: number, kernel: Float64Array): void {
  const place = fraction * PLACES;
  const low = Math.floor(place);
  const f = place - low;
  const at = low * TAPS;
  for (let tap = 0; tap < TAPS; tap++) {
    const k = kernels[at + tap]!;
    kernel[tap] = f === 0 ? k : k + (kernels[at + TAPS + tap]! - k) * f;
  }
}

/** How many places a side in each result pixel: SWarp's automatic oversampling. */
export function oversampling(resultScale: number, tileScale: number): number {
  return Math.max(1, Math.floor(resultScale / tileScale + 0.5));
}

const kx = new Float64Array(TAPS);
const ky = new Float64Array(TAPS);

/** Of the place last sampled: the first of its pixels within the source's box, and the sum of the kernel over those with a value. */
const last = { left: 0, bottom: 0, whole: true };
/** In an array, as a number of a module would be made anew at each change. */
const kernelSum = new Float64Array(1);

/** The value of a place of the tile; NaN where the pixel it lies in has none, or too few around it have. */
function sample({ box, values }: SourcePixels, px: number, py: number): number {
  const nx = Math.floor(px + 0.5) - box.x0;
  const ny = Math.floor(py + 0.5) - box.y0;
  // NaN lies in no pixel.
  if (!(nx >= 0 && ny >= 0 && nx < box.width && ny < box.height)) return Number.NaN;
  if (Number.isNaN(values[ny * box.width + nx]!)) return Number.NaN;
  const ix = Math.floor(px);
  const iy = Math.floor(py);
  kernelAt(px - ix, kx);
  kernelAt(py - iy, ky);
  const left = ix - 2 - box.x0;
  const bottom = iy - 2 - box.y0;
  last.left = left;
  last.bottom = bottom;
  last.whole = true;
  kernelSum[0] = 1;
  if (left >= 0 && bottom >= 0 && left + TAPS <= box.width && bottom + TAPS <= box.height) {
    let value = 0;
    for (let j = 0, at = bottom * box.width + left; j < TAPS; j++, at += box.width) {
      value +=
        ky[j]! *
        (kx[0]! * values[at]! +
          kx[1]! * values[at + 1]! +
          kx[2]! * values[at + 2]! +
          kx[3]! * values[at + 3]! +
          kx[4]! * values[at + 4]! +
          kx[5]! * values[at + 5]!);
    }
    if (!Number.isNaN(value)) return value;
  }
  return sampleInPart(box, values);
}

/** Some pixels of the kernel are missing: what is there counts, over its own sum. */
function sampleInPart(box: PixelBox, values: Float64Array): number {
  const { left, bottom } = last;
  let kernel = 0;
  let value = 0;
  const [i0, i1] = [Math.max(0, -left), Math.min(TAPS, box.width - left)];
  const [j0, j1] = [Math.max(0, -bottom), Math.min(TAPS, box.height - bottom)];
  for (let j = j0; j < j1; j++) {
    for (let i = i0; i < i1; i++) {
      const pixel = values[(bottom + j) * box.width + left + i]!;
      if (Number.isNaN(pixel)) continue;
      kernel += ky[j]! * kx[i]!;
      value += ky[j]! * kx[i]! * pixel;
    }
  }
  last.whole = false;
  kernelSum[0] = kernel;
  return kernel < LEAST_KERNEL ? Number.NaN : value / kernel;
}

/** Variance of the place last sampled. */
function sampledVariance({ box, values, variances }: SourcePixels): number {
  const { left, bottom, whole } = last;
  let variance = 0;
  if (whole) {
    for (let j = 0, at = bottom * box.width + left; j < TAPS; j++, at += box.width) {
      let row = 0;
      for (let i = 0; i < TAPS; i++) row += kx[i]! * kx[i]! * variances![at + i]!;
      variance += ky[j]! * ky[j]! * row;
    }
    return variance;
  }
  for (let j = 0; j < TAPS; j++) {
    if (bottom + j < 0 || bottom + j >= box.height) continue;
    for (let i = 0; i < TAPS; i++) {
      if (left + i < 0 || left + i >= box.width) continue;
      const at = (bottom + j) * box.width + left + i;
      if (!Number.isNaN(values[at]!)) variance += (ky[j]! * kx[i]!) ** 2 * variances![at]!;
    }
  }
  return variance / kernelSum[0]! ** 2;
}

/** Coefficients by which the pixels of a tile make one result pixel: those of all its places together, as they share pixels. */
class Coefficients {
  #data = new Float64Array(0);
  /** Of the source's box. */
  #x0 = 0;
  #y0 = 0;
  #width = 0;
  #height = 0;

  start(x0: number, y0: number, width: number, height: number): void {
    this.#x0 = x0;
    this.#y0 = y0;
    this.#width = width;
    this.#height = height;
    if (this.#data.length < width * height) this.#data = new Float64Array(2 * width * height);
    else this.#data.fill(0, 0, width * height);
  }

  /** Those of the place last sampled. */
  add({ box, values }: SourcePixels): void {
    const { left, bottom } = last;
    const kernel = kernelSum[0]!;
    const [i0, i1] = [Math.max(0, -left), Math.min(TAPS, box.width - left)];
    const [j0, j1] = [Math.max(0, -bottom), Math.min(TAPS, box.height - bottom)];
    for (let j = j0; j < j1; j++) {
      const from = (bottom + j) * box.width + left;
      const to = (bottom + j - this.#y0) * this.#width + left - this.#x0;
      for (let i = i0; i < i1; i++) {
        if (!Number.isNaN(values[from + i]!)) this.#data[to + i]! += (ky[j]! * kx[i]!) / kernel;
      }
    }
  }

  /** Of the sum of pixels times coefficients. */
  variance({ box, variances }: SourcePixels): number {
    let sum = 0;
    for (let row = 0; row < this.#height; row++) {
      for (let column = 0; column < this.#width; column++) {
        const k = this.#data[row * this.#width + column]!;
        if (k !== 0) sum += k * k * variances![(this.#y0 + row) * box.width + this.#x0 + column]!;
      }
    }
    return sum;
  }
}

const coefficients = new Coefficients();

/** Pixels of the tile around a result pixel with these corners: all that the places in it can ask for. */
function startCoefficients(box: PixelBox, { lowX, lowY, highX, highY }: CornerRows, column: number): void {
  const [ax, bx, cx, dx] = [lowX[column]!, lowX[column + 1]!, highX[column + 1]!, highX[column]!];
  const [ay, by, cy, dy] = [lowY[column]!, lowY[column + 1]!, highY[column + 1]!, highY[column]!];
  const x0 = Math.floor(Math.min(ax, bx, cx, dx)) - LANCZOS_REACH - box.x0;
  const y0 = Math.floor(Math.min(ay, by, cy, dy)) - LANCZOS_REACH - box.y0;
  const x1 = Math.floor(Math.max(ax, bx, cx, dx)) + LANCZOS_REACH - box.x0;
  const y1 = Math.floor(Math.max(ay, by, cy, dy)) + LANCZOS_REACH - box.y0;
  coefficients.start(x0, y0, x1 - x0 + 1, y1 - y0 + 1);
}

/**
 * Adds what the source gives to the sums: a share of 1, or that of the places which have a value. `map` leads from the result to the tile,
 * `places` is their number along a side of each result pixel.
 */
export function addLanczos(
  source: SourcePixels,
  map: PixelMap,
  places: number,
  quantity: Quantity,
  sums: Sums,
): void {
  const { x0, y0, width, height } = sums.box;
  const perPixel = places * places;
  const xs = Array.from({ length: perPixel }, () => new Float64Array(width));
  const ys = Array.from({ length: perPixel }, () => new Float64Array(width));
  const corners = new CornerRows(map, sums.box);
  for (let row = 0; row < height; row++) {
    for (let k = 0; k < perPixel; k++) {
      const [shift, shiftV] = [((k % places) + 0.5) / places, (Math.floor(k / places) + 0.5) / places];
      map.row(x0, y0 + row, shift, shiftV, width, xs[k]!, ys[k]!);
    }
    corners.next();
    for (let column = 0; column < width; column++) {
      const area = corners.area(column);
      if (Number.isNaN(area)) continue;
      const { variance } = sums;
      if (variance && perPixel > 1) startCoefficients(source.box, corners, column);
      let sum = 0;
      let found = 0;
      for (let k = 0; k < perPixel; k++) {
        const value = sample(source, xs[k]![column]! - 0.5, ys[k]![column]! - 0.5);
        if (Number.isNaN(value)) continue;
        sum += value;
        found++;
        if (variance && perPixel > 1) coefficients.add(source);
      }
      if (found === 0) continue;
      const at = row * width + column;
      const factor = (quantity === 'flux' ? area : 1) / perPixel;
      sums.share[at] = found / perPixel;
      sums.value[at] = sum * factor;
      if (!variance) continue;
      variance[at] =
        (perPixel > 1 ? coefficients.variance(source) : sampledVariance(source)) * factor * factor;
    }
  }
}
