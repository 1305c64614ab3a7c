/** Which values are black and white: given, or taken from a bounded sample of the pixels. */
import { SkyError } from '../../errors.ts';
import type { FloatPlane } from '../raster.ts';

/** In the plane's unit, or as the fraction of pixels that lie below (linear between neighbours, as numpy's percentile). */
export type Level =
  | { readonly type: 'manual'; readonly value: number }
  | { readonly type: 'quantile'; readonly quantile: number };

/** What black and white of one band were, and what lies beyond them: enough to draw the picture again by hand. */
export interface BandLevels {
  /** As the caller names it; `mean` of the green that two bands make. */
  readonly band: string;
  /** Physical values, in the band's unit. */
  readonly minimum: number;
  /** Undefined where the algorithm has none (Lupton's reaches white by its stretch). */
  readonly maximum?: number;
  /** Pixels with a value below the minimum, and those that would be brighter than white. */
  readonly below: number;
  readonly above: number;
}

/** So many finite values are looked at, of more of them every nth in the order of the file. */
export const maximumSample = 1_048_576;

const finite = (value: number): boolean => value - value === 0;

/** Finite values in the file's order; every nth where there are more than `limit`. A copy, of the plane's own precision. */
export function finiteSample(plane: FloatPlane, limit = maximumSample): Float32Array | Float64Array {
  const { data } = plane;
  let count = 0;
  for (let i = 0; i < data.length; i++) if (finite(data[i]!)) count++;
  const step = Math.max(1, Math.ceil(count / limit));
  if (count === data.length && step === 1) return data.slice();
  const length = Math.ceil(count / step);
  const sample = data instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);
  let seen = 0;
  let kept = 0;
  for (let i = 0; i < data.length && kept < length; i++) {
    const value = data[i]!;
    if (!finite(value)) continue;
    if (seen === kept * step) sample[kept++] = value;
    seen++;
  }
  return sample;
}

/** Hoare's selection: brings what belongs at place `k` of the sorted values there; smaller ones stand before it, larger ones after. */
function select(values: Float32Array | Float64Array, k: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    // Of sorted and of equal values too the middle keeps the partitions even.
    const pivot = values[(low + high) >> 1]!;
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i <= j) {
        const held = values[i]!;
        values[i++] = values[j]!;
        values[j--] = held;
      }
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else break;
  }
  return values[k]!;
}

/** Of finite values, which it reorders. NaN of none. */
export function quantileOf(values: Float32Array | Float64Array, quantile: number): number {
  if (values.length === 0) return Number.NaN;
  const at = quantile * (values.length - 1);
  const k = Math.min(values.length - 1, Math.floor(at));
  const below = select(values, k);
  if (k === at) return below;
  let above = Number.POSITIVE_INFINITY;
  for (let i = k + 1; i < values.length; i++) if (values[i]! < above) above = values[i]!;
  return below + (above - below) * (at - k);
}

/**
 * The levels of one plane as numbers; of a plane without any finite value a quantile is 0.
 *
 * @throws SkyError `invalid_cutout`: a level that is no number, or a quantile outside of 0 to 1.
 */
export function resolveLevels<L extends Level | undefined>(
  plane: FloatPlane,
  levels: readonly L[],
): number[] {
  let sample: Float32Array | Float64Array | undefined;
  return levels.map((level) => {
    if (level === undefined) return Number.NaN;
    if (level.type === 'manual') {
      if (!finite(level.value))
        throw new SkyError('invalid_cutout', `A level of ${level.value} is no number.`);
      return level.value;
    }
    if (!(level.quantile >= 0 && level.quantile <= 1))
      throw new SkyError('invalid_cutout', `A quantile is between 0 and 1, not ${level.quantile}.`);
    sample ??= finiteSample(plane);
    const value = quantileOf(sample, level.quantile);
    return Number.isNaN(value) ? 0 : value;
  });
}
