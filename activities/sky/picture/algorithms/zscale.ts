/** IRAF's zscale, as astropy's `ZScaleInterval` computes it: a line through the sorted values says where the sky is and how far it spreads. */

import type { FloatPlane } from '../raster.ts';
import { finiteSample } from './levels.ts';

export interface ZscaleOptions {
  /** The slope is divided by it; smaller shows a wider range. 0.25. */
  readonly contrast?: number | undefined;
  /** So many values are looked at, evenly spread over the file. 1000. */
  readonly samples?: number | undefined;
  /** Where more than this part is rejected, the range is the sample's whole one. 0.5. */
  readonly maximumRejected?: number;
  /** And where fewer are left than this. 5. */
  readonly minimumPixels?: number;
  /** Values further than so many standard deviations from the line are rejected. 2.5. */
  readonly rejection?: number | undefined;
  readonly iterations?: number;
}

/** Black and white; 0, 0 of a plane without any finite value. */
export function zscale(plane: FloatPlane, options: ZscaleOptions = {}): [minimum: number, maximum: number] {
  const { contrast = 0.25, samples: limit = 1000, maximumRejected = 0.5, minimumPixels = 5 } = options;
  const { rejection = 2.5, iterations = 5 } = options;
  const samples = evenSample(plane, limit).sort();
  const n = samples.length;
  if (n === 0) return [0, 0];
  let minimum = samples[0]!;
  let maximum = samples[n - 1]!;
  const least = Math.max(minimumPixels, Math.trunc(n * maximumRejected));
  let bad: Uint8Array<ArrayBuffer> = new Uint8Array(n);
  const grow = Math.max(1, Math.trunc(n * 0.01));
  let good = n;
  let before = n + 1;
  let slope = 0;
  for (let turn = 0; turn < iterations && good < before && good >= least; turn++) {
    const line = fitted(samples, bad, good);
    slope = line.slope;
    const threshold = rejection * line.deviation;
    for (let i = 0; i < n; i++) {
      const off = samples[i]! - (line.slope * i + line.intercept);
      if (off < -threshold || off > threshold) bad[i] = 1;
    }
    bad = grown(bad, grow);
    before = good;
    good = n;
    for (let i = 0; i < n; i++) good -= bad[i]!;
  }
  if (good < least) return [minimum, maximum];
  if (contrast > 0) slope /= contrast;
  const centre = (n - 1) >> 1;
  const median = medianOfSorted(samples);
  minimum = Math.max(minimum, median - (centre - 1) * slope);
  maximum = Math.min(maximum, median + (n - centre) * slope);
  return [minimum, maximum];
}

/** Every nth finite value from the first on, n rounded down, and no more than `limit` of them: the far end of a file may not be in it. */
function evenSample(plane: FloatPlane, limit: number): Float32Array | Float64Array {
  const all = finiteSample(plane, Number.POSITIVE_INFINITY);
  const step = Math.trunc(Math.max(1, all.length / limit));
  const sample = all.slice(0, Math.min(limit, Math.ceil(all.length / step)));
  for (let i = 0; i < sample.length; i++) sample[i] = all[i * step]!;
  return sample;
}

/** Least squares over the good values, and the standard deviation of these from the line, about their mean. */
function fitted(samples: Float32Array | Float64Array, bad: Uint8Array, good: number) {
  let meanX = 0;
  let meanY = 0;
  for (let i = 0; i < samples.length; i++) {
    if (bad[i]) continue;
    meanX += i;
    meanY += samples[i]!;
  }
  meanX /= good;
  meanY /= good;
  let xx = 0;
  let xy = 0;
  for (let i = 0; i < samples.length; i++) {
    if (bad[i]) continue;
    xx += (i - meanX) * (i - meanX);
    xy += (i - meanX) * (samples[i]! - meanY);
  }
  const slope = xx === 0 ? 0 : xy / xx;
  const intercept = meanY - slope * meanX;
  let mean = 0;
  for (let i = 0; i < samples.length; i++) if (!bad[i]) mean += samples[i]! - (slope * i + intercept);
  mean /= good;
  let squares = 0;
  for (let i = 0; i < samples.length; i++) {
    if (bad[i]) continue;
    const off = samples[i]! - (slope * i + intercept) - mean;
    squares += off * off;
  }
  return { slope, intercept, deviation: Math.sqrt(squares / good) };
}

/** What is within reach of something bad is bad: numpy's `convolve(bad, ones(width), 'same')`. */
function grown(bad: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bad.length);
  const before = width >> 1;
  for (let i = 0; i < bad.length; i++)
    if (bad[i]) out.fill(1, Math.max(0, i - (width - 1 - before)), Math.min(bad.length, i + before + 1));
  return out;
}

function medianOfSorted(sorted: Float32Array | Float64Array): number {
  const half = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[half]!;
  const sum = sorted[half - 1]! + sorted[half]!;
  // numpy's mean of two single-precision values is one too.
  return sorted instanceof Float32Array ? Math.fround(Math.fround(sum) / 2) : sum / 2;
}
