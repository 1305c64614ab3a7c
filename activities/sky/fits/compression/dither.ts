/** Quantised floats back to floats, to the last bit as CFITSIO has them (FITS Standard 4.0, section 10.2 and appendix I). */

/** Random numbers that there are. */
export const COUNT = 10_000;
/** What stands for 0.0 exactly under SUBTRACTIVE_DITHER_2. */
const ZERO = -2147483646;

export type Dither = 'NO_DITHER' | 'SUBTRACTIVE_DITHER_1' | 'SUBTRACTIVE_DITHER_2';

/** Park and Miller's generator from 1; numbers of single precision, as CFITSIO's table has them, kept as doubles for speed. */
export const RANDOM: Readonly<Float64Array> = makeRandom();

function makeRandom(): Float64Array {
  const numbers = new Float64Array(COUNT);
  let seed = 1;
  for (let i = 0; i < COUNT; i++) {
    seed = (seed * 16807) % 2147483647;
    numbers[i] = Math.fround(seed / 2147483647);
  }
  return numbers;
}

export interface Quantisation {
  readonly scale: number;
  readonly zero: number;
  /** Stands for NaN; NaN where nothing does. */
  readonly blank: number;
  readonly dither: Dither;
}

/** Where the random numbers of a tile are. */
interface Walk {
  seed: number;
  next: number;
}

function begin(seed: number): Walk {
  return { seed, next: Math.trunc(RANDOM[seed]! * 500) };
}

/** Over `pixels` pixels. */
function skip(walk: Walk, pixels: number): void {
  let left = pixels;
  while (left >= COUNT - walk.next) {
    left -= COUNT - walk.next;
    walk.seed = walk.seed + 1 === COUNT ? 0 : walk.seed + 1;
    walk.next = Math.trunc(RANDOM[walk.seed]! * 500);
  }
  walk.next += left;
}

/** A rectangle of a tile, and where its first pixel goes. */
export interface Placement {
  /** Pixels of a row of the tile, and of a row of what is made. */
  readonly tileWidth: number;
  readonly outWidth: number;
  /** In the tile. */
  readonly x0: number;
  readonly y0: number;
  readonly width: number;
  readonly height: number;
  /** Of the first pixel, in what is made. */
  readonly outStart: number;
}

/**
 * Dequantises a rectangle of a tile's integers.
 *
 * @param row of the table, from 0, with ZDITHER0 - 1 added: where the tile's random numbers begin
 */
export function dequantise(
  tile: Int32Array,
  place: Placement,
  quantisation: Quantisation,
  row: number,
  out: Float32Array | Float64Array,
): void {
  const { dither } = quantisation;
  const seed = ((row % COUNT) + COUNT) % COUNT;
  const walk = begin(seed);
  // In a tile of one row, or where the whole tile is wanted, nothing is walked twice.
  let walked = 0;
  for (let y = 0; y < place.height; y++) {
    const from = (place.y0 + y) * place.tileWidth + place.x0;
    const to = place.outStart + y * place.outWidth;
    if (dither === 'NO_DITHER') plainRow(tile, from, place.width, quantisation, out, to);
    else {
      skip(walk, from - walked);
      ditheredRow(tile, from, place.width, quantisation, walk, out, to);
      walked = from + place.width;
    }
  }
}

function plainRow(
  tile: Int32Array,
  from: number,
  count: number,
  { scale, zero, blank }: Quantisation,
  out: Float32Array | Float64Array,
  to: number,
): void {
  for (let i = 0; i < count; i++) {
    const value = tile[from + i]!;
    out[to + i] = value === blank ? Number.NaN : value * scale + zero;
  }
}

const LEAST = -2147483648;

function ditheredRow(
  tile: Int32Array,
  from: number,
  count: number,
  quantisation: Quantisation,
  walk: Walk,
  out: Float32Array | Float64Array,
  to: number,
): void {
  for (let done = 0; done < count; ) {
    const some = Math.min(count - done, COUNT - walk.next);
    ditheredRun(tile, from + done, some, quantisation, walk.next, out, to + done);
    skip(walk, some);
    done += some;
  }
}

/** Pixels whose random numbers follow one another. */
function ditheredRun(
  tile: Int32Array,
  from: number,
  count: number,
  { scale, zero, blank, dither }: Quantisation,
  next: number,
  out: Float32Array | Float64Array,
  to: number,
): void {
  const zeros = dither === 'SUBTRACTIVE_DITHER_2' ? ZERO : Number.NaN;
  // What stands for something else is among the smallest integers: one comparison keeps all others apart.
  const special = Math.max(
    dither === 'SUBTRACTIVE_DITHER_2' ? ZERO + 1 : LEAST,
    Number.isNaN(blank) ? LEAST : blank + 1,
  );
  for (let i = 0; i < count; i++) {
    const value = tile[from + i]!;
    if (value < special) {
      if (value === blank) {
        out[to + i] = Number.NaN;
        continue;
      }
      if (value === zeros) {
        out[to + i] = 0;
        continue;
      }
    }
    out[to + i] = (value - RANDOM[next + i]! + 0.5) * scale + zero;
  }
}
