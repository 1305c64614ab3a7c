/**
 * Colours of Lupton et al. 2004 (PASP 116, 133): the mean of the bands is stretched, and each band follows it by the same factor, so that hues
 * are kept from the faintest to the brightest pixel.
 */
import { type Depth, emptyRaster, type FloatPlane, type Raster, whiteOf } from '../raster.ts';

/**
 * - `astropy`: F(I) = asinh(Q I / stretch) × 0.1 / asinh(0.1 Q), as astropy 8's `make_lupton_rgb` computes it.
 * - `paper`: f(I) = asinh(Q I / stretch) / Q, as it is printed.
 */
export type LuptonVariant = 'astropy' | 'paper';

export interface LuptonOptions {
  readonly variant: LuptonVariant;
  /** Black of red, green and blue, in the planes' unit. */
  readonly minimum: readonly [number, number, number];
  /** The range that is shown linearly, in the planes' unit; > 0. */
  readonly stretch: number;
  /** How soon bright values are compressed; ≥ 0. Below 2⁻²³ it is 0.1, beyond 10¹⁰ it is that, as astropy has it. */
  readonly q: number;
  readonly depth: Depth;
}

/** Per channel: pixels below the minimum, and those brighter than white before their hue was kept. */
export interface Clipped {
  readonly below: [number, number, number];
  readonly above: [number, number, number];
}

export const usedQ = (q: number): number => (Math.abs(q) < 1 / 2 ** 23 ? 0.1 : Math.min(q, 1e10));

/**
 * Red, green, blue of the same size. Where the brightest band is over white, all are divided by it. Counts are cut off, not rounded, as astropy's
 * are; a missing value counts as the band's minimum.
 */
export function luptonRgb(
  planes: readonly [FloatPlane, FloatPlane, FloatPlane],
  options: LuptonOptions,
): { raster: Raster; clipped: Clipped } {
  const raster = emptyRaster(planes[0].width, planes[0].height, 3, options.depth);
  const clipped: Clipped = { below: [0, 0, 0], above: [0, 0, 0] };
  if (planes.every(({ data }) => data instanceof Float32Array))
    fill(planes, options, raster, clipped, Math.fround);
  else fill(planes, options, raster, clipped, (value) => value);
  return { raster, clipped };
}

/** `f` rounds where numpy's arrays of that precision round, so that counts come out equal, not just near. */
function fill(
  [red, green, blue]: readonly [FloatPlane, FloatPlane, FloatPlane],
  options: LuptonOptions,
  { data: out }: Raster,
  { below, above }: Clipped,
  f: (value: number) => number,
): void {
  const white = whiteOf(options.depth);
  const q = usedQ(options.q);
  const soften = f(q / options.stretch);
  const slope = options.variant === 'astropy' ? 0.1 / Math.asinh(0.1 * q) : 1 / q;
  const [minimumR, minimumG, minimumB] = [
    f(options.minimum[0]),
    f(options.minimum[1]),
    f(options.minimum[2]),
  ];
  const [dataR, dataG, dataB] = [red.data, green.data, blue.data];
  for (let i = 0, at = 0; i < dataR.length; i++, at += 3) {
    let r = f(dataR[i]! - minimumR);
    let g = f(dataG[i]! - minimumG);
    let b = f(dataB[i]! - minimumB);
    // NaN and infinities are no values: their difference to themselves is NaN.
    if (r - r !== 0) r = 0;
    if (g - g !== 0) g = 0;
    if (b - b !== 0) b = 0;
    // No branches on noise, which processors cannot predict.
    below[0] += Number(r < 0);
    below[1] += Number(g < 0);
    below[2] += Number(b < 0);
    const intensity = f(f(f(r + g) + b) / 3);
    if (!(intensity > 0)) continue;
    const factor = f(f(f(Math.asinh(f(intensity * soften))) * slope) / intensity);
    r = f(Math.max(r, 0) * factor);
    g = f(Math.max(g, 0) * factor);
    b = f(Math.max(b, 0) * factor);
    const most = Math.max(r, g, b);
    if (most > 1) {
      if (r > 1) above[0]++;
      if (g > 1) above[1]++;
      if (b > 1) above[2]++;
      r = f(r / most);
      g = f(g / most);
      b = f(b / most);
    }
    out[at] = f(r * white);
    out[at + 1] = f(g * white);
    out[at + 2] = f(b * white);
  }
}
