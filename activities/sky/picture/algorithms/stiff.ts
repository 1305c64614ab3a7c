/**
 * Colours as STIFF 2.4 makes them: each band linear between its levels, the mean as luminance with a gamma of its own, colours as differences from
 * it that can be saturated, and the gamma of the screen last. In single precision, as STIFF computes.
 */

import { type Depth, emptyRaster, type FloatPlane, type Raster, whiteOf } from '../raster.ts';
import type { Clipped } from './lupton.ts';

export interface StiffOptions {
  /** Black and white of each band, in its unit; maximum > minimum. */
  readonly minimum: readonly number[];
  readonly maximum: readonly number[];
  /** Of the screen (GAMMA): 2.2. */
  readonly gamma: number;
  /** Of the luminance (GAMMA_FAC): 1; more lifts faint light and leaves colours as they are. */
  readonly gammaFactor: number;
  /** Of colours (COLOUR_SAT): 1; 0 is grey. */
  readonly saturation: number;
  readonly depth: Depth;
}

/** STIFF's GREYLEVEL: the minimum at which a sky of this level is shown as that part of white, before the gamma of the screen. */
export function greyLevelMinimum(grey: number, sky: number, maximum: number, gammaFactor: number): number {
  const g = Math.fround(grey ** gammaFactor);
  return Math.fround((Math.fround(maximum) * g - Math.fround(sky)) / (g - 1));
}

const { fround } = Math;

/** One band gives grey, three give red, green and blue. A missing value counts as the band's minimum. */
export function stiffPicture(
  planes: readonly FloatPlane[],
  options: StiffOptions,
): { raster: Raster; clipped: Clipped } {
  const { width, height } = planes[0]!;
  const colour = planes.length === 3;
  const raster = emptyRaster(width, height, colour ? 3 : 1, options.depth);
  const out = raster.data;
  const white = whiteOf(options.depth);
  const count = countsOfGamma(fround(1 / options.gamma), white);
  const luminance = fround(1 / options.gammaFactor);
  const plain = luminance === 1;
  const third = fround(options.saturation / 3);
  const share = fround(1 / 3);
  const below: [number, number, number] = [0, 0, 0];
  const above: [number, number, number] = [0, 0, 0];
  const rows = planes.map(() => new Float32Array(width));
  for (let y = 0; y < height; y++) {
    for (let band = 0; band < planes.length; band++)
      below[band]! += scaled(planes[band]!, y, options.minimum[band]!, options.maximum[band]!, rows[band]!);
    if (!colour) {
      const [grey] = rows as [Float32Array];
      for (let x = 0; x < width; x++) {
        const level = Math.max(grey[x]!, 0);
        if (level > 1) above[0]++;
        out[y * width + x] = count(plain ? level : fround(level ** luminance));
      }
      continue;
    }
    const [red, green, blue] = rows as [Float32Array, Float32Array, Float32Array];
    let at = y * width * 3;
    for (let x = 0; x < width; x++) {
      let r = red[x]!;
      let g = green[x]!;
      let b = blue[x]!;
      let mean = fround(Math.max(r, 0) * share);
      mean = fround(mean + fround(Math.max(g, 0) * share));
      mean = fround(mean + fround(Math.max(b, 0) * share));
      // Bands over white are cut off before their differences are taken.
      const most = plain ? 1 : fround(mean ** fround(1 - luminance));
      above[0] += Number(r > 1);
      above[1] += Number(g > 1);
      above[2] += Number(b > 1);
      r = Math.min(r, most);
      g = Math.min(g, most);
      b = Math.min(b, most);
      const level = plain ? mean : fround(mean ** luminance);
      if (mean > 1e-15) {
        out[at] = count(fround(fround(Math.max(fround(mean + third * (2 * r - g - b)), 0) / mean) * level));
        out[at + 1] = count(
          fround(fround(Math.max(fround(mean + third * (2 * g - b - r)), 0) / mean) * level),
        );
        out[at + 2] = count(
          fround(fround(Math.max(fround(mean + third * (2 * b - r - g)), 0) / mean) * level),
        );
      }
      at += 3;
    }
  }
  return { raster, clipped: { below, above } };
}

/** One row, 0 at the minimum and 1 at the maximum; 0 where there is no value. How many were below. */
function scaled(plane: FloatPlane, y: number, minimum: number, maximum: number, row: Float32Array): number {
  const { width, data } = plane;
  const black = fround(minimum);
  const scale = fround(1 / fround(fround(maximum) - black));
  const start = y * width;
  let below = 0;
  for (let x = 0; x < width; x++) {
    const value = fround(fround(data[start + x]!) - black);
    if (value - value !== 0) row[x] = 0;
    else {
      row[x] = scale * value;
      below += Number(value < 0);
    }
  }
  return below;
}

/** Light of 0 to 1 and beyond as counts: ⌊white × light^(1/γ) + ½⌋. */
function countsOfGamma(exponent: number, white: number): (light: number) => number {
  return (light) => {
    const count = fround(fround(white * fround(light ** exponent)) + 0.5);
    return count >= white ? white : Math.floor(count);
  };
}
