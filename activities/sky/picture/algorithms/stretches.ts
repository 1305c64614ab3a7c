/** Bands each for itself between two levels, as astropy's `make_rgb` does it: linear, or by an inverse hyperbolic sine. In double precision. */

import { type Depth, emptyRaster, type FloatPlane, type Raster, whiteOf } from '../raster.ts';
import type { Clipped } from './lupton.ts';

export interface StretchOptions {
  /** Black and white of each band, in its unit; maximum > minimum. */
  readonly minimum: readonly number[];
  readonly maximum: readonly number[];
  /** Where asinh turns from linear to logarithmic, as a part of the range (astropy's `a`); undefined is linear throughout. */
  readonly softening: number | undefined;
  readonly depth: Depth;
}

/** One band gives grey, three give red, green and blue; counts are cut off, not rounded. A missing value counts as the band's minimum. */
export function stretchedPicture(
  planes: readonly FloatPlane[],
  options: StretchOptions,
): { raster: Raster; clipped: Clipped } {
  const { width, height } = planes[0]!;
  const channels = planes.length === 3 ? 3 : 1;
  const raster = emptyRaster(width, height, channels, options.depth);
  const below: [number, number, number] = [0, 0, 0];
  const above: [number, number, number] = [0, 0, 0];
  for (let band = 0; band < planes.length; band++)
    stretchBand(planes[band]!, band, options, raster, below, above);
  return { raster, clipped: { below, above } };
}

function stretchBand(
  plane: FloatPlane,
  band: number,
  options: StretchOptions,
  raster: Raster,
  below: number[],
  above: number[],
): void {
  const { data } = plane;
  const { data: out, channels } = raster;
  const white = whiteOf(options.depth);
  const minimum = options.minimum[band]!;
  const range = options.maximum[band]! - minimum;
  const { softening } = options;
  const whole = softening === undefined ? 1 : Math.asinh(1 / softening);
  for (let i = 0, at = band; i < data.length; i++, at += channels) {
    let value = (data[i]! - minimum) / range;
    if (value - value !== 0) continue;
    if (value < 0) {
      below[band]!++;
      continue;
    }
    if (value > 1) {
      above[band]!++;
      value = 1;
    }
    if (softening !== undefined) value = Math.asinh(value / softening) / whole;
    out[at] = value * white;
  }
}
