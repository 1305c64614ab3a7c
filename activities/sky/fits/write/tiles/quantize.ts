/** Floats as integers that RICE can compress, as CFITSIO quantises them (FITS Standard 4.0, section 10.2). */
import { COUNT, RANDOM } from '../../compression/dither.ts';
import { tileStatistics } from './noise.ts';

/** `SUBTRACTIVE_DITHER_2` keeps zeros as exact zeros. */
export type Dither = 'SUBTRACTIVE_DITHER_1' | 'SUBTRACTIVE_DITHER_2';

/** Of what is undefined; the header's ZBLANK. */
export const quantizedBlank = -2147483648;
const quantizedZero = -2147483646;
/** CFITSIO keeps ten values from −2147483647 on free of quantised ones. */
const lowestFree = -2147483647 + 10;

export interface Quantization {
  readonly dither: Dither;
  /** Steps to one standard deviation of the noise. */
  readonly level: number;
  /** ZDITHER0: 1 to 10,000. */
  readonly seed: number;
}

/**
 * Quantises tile number `tile` (from 1) into `out` and returns ZSCALE and ZZERO; undefined where it cannot be done, as without noise, with
 * infinities, or over too great a range: such a tile is kept without loss.
 */
export function quantize(
  pixels: Float32Array | Float64Array,
  width: number,
  height: number,
  { dither, level, seed }: Quantization,
  tile: number,
  out: Int32Array,
): { scale: number; zero: number } | undefined {
  const count = width * height;
  if (count <= 1) return undefined;
  const { good, min, max, noise } = withDefaults(tileStatistics(pixels, width, height));
  const scale = noise / level;
  if (scale === 0) return undefined;
  const single = pixels instanceof Float32Array;
  const range = (single ? Math.fround(max - min) : max - min) / scale;
  // Also where infinities make it none at all.
  if (!(range <= 2 * 2147483647 - 10)) return undefined;

  let zero: number;
  if (good < count || dither === 'SUBTRACTIVE_DITHER_2') {
    zero = min - scale * lowestFree;
  } else if (range < 2147483647 - 10) {
    // A whole multiple of the step, so that packing again what was unpacked gives the same scale.
    zero = Math.trunc(min / scale + 0.5) * scale;
  } else {
    zero = (single ? Math.fround(min + max) : min + max) / 2;
  }

  const keepZeros = dither === 'SUBTRACTIVE_DITHER_2';
  let start = (tile + seed - 2) % COUNT;
  let next = Math.trunc(RANDOM[start]! * 500);
  for (let i = 0; i < count; i++) {
    const value = pixels[i]!;
    if (Number.isNaN(value)) out[i] = quantizedBlank;
    else if (keepZeros && value === 0) out[i] = quantizedZero;
    else {
      const level = (value - zero) / scale + RANDOM[next]! - 0.5;
      // Halves away from zero; the conversion to Int32 cuts the rest.
      out[i] = level >= 0 ? level + 0.5 : level - 0.5;
    }
    if (++next === COUNT) {
      start = start + 1 === COUNT ? 0 : start + 1;
      next = Math.trunc(RANDOM[start]! * 500);
    }
  }
  return { scale, zero };
}

/** A tile of blanks alone is quantised as one of noise 1 would be. */
function withDefaults(statistics: ReturnType<typeof tileStatistics>): ReturnType<typeof tileStatistics> {
  return statistics.good === 0 ? { good: 0, min: 0, max: 1, noise: 1 } : statistics;
}

/**
 * ZDITHER0 from the bytes of the first tile, so that the same pixels always become the same file: the sum of them modulo 10,000, as CFITSIO's
 * option of that kind has it.
 */
export function ditherSeed(pixels: Float32Array | Float64Array): number {
  const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i]!;
  return (sum % COUNT) + 1;
}
