/** From bands to counts: which levels are used, which algorithm, and where there is nothing to see. */
import { SkyError } from '../errors.ts';
import { type Level, resolveLevels } from './algorithms/levels.ts';
import { type Clipped, luptonRgb, usedQ } from './algorithms/lupton.ts';
import { greyLevelMinimum, stiffPicture } from './algorithms/stiff.ts';
import { stretchedPicture } from './algorithms/stretches.ts';
import { zscale } from './algorithms/zscale.ts';
import type { GreyLevel, Look, PerBand, PictureBand, PictureLevels } from './look.ts';
import { type Depth, type FloatPlane, type Raster, whiteOf } from './raster.ts';

interface Drawn {
  readonly raster: Raster;
  readonly clipped: Clipped;
  readonly minimum: readonly number[];
  readonly maximum?: readonly number[];
  readonly settings: Readonly<Record<string, number>>;
}

/**
 * A picture whose rows are in the order of the file, with an alpha only if there are pixels without a value in any band. A value that is missing in
 * one band alone counts as that band's minimum there.
 *
 * @throws SkyError `invalid_cutout`: not one to three bands of one size, or settings out of their range.
 */
export function drawPicture(
  bands: readonly PictureBand[],
  look: Look,
  depth: Depth = 8,
): { raster: Raster; levels: PictureLevels } {
  requireTogether(bands);
  const drawn = drawBands(
    bands.map(({ plane }) => plane),
    look,
    depth,
  );
  const names = bands.map(({ name }) => name);
  if (names.length === 2) names.splice(1, 0, 'mean');
  const { raster, noData } = withTransparency(bands, drawn.raster, depth);
  return {
    raster,
    levels: {
      algorithm: look.algorithm,
      bands: names.map((band, n) => ({
        band,
        minimum: drawn.minimum[n]!,
        ...(drawn.maximum && { maximum: drawn.maximum[n]! }),
        below: drawn.clipped.below[n]!,
        above: drawn.clipped.above[n]!,
      })),
      settings: drawn.settings,
      noData,
    },
  };
}

/** @throws SkyError `invalid_cutout`: not one to three bands, or not of one size. */
export function requireTogether(bands: readonly PictureBand[]): void {
  const [first] = bands;
  if (!first || bands.length > 3)
    throw new SkyError('invalid_cutout', `A picture is made of one to three bands, not of ${bands.length}.`);
  for (const { name, plane } of bands)
    if (plane.width !== first.plane.width || plane.height !== first.plane.height)
      throw new SkyError(
        'invalid_cutout',
        `The bands of a picture are of one size; ${name} is ${plane.width} × ${plane.height} pixels, ${first.name} ${first.plane.width} × ${first.plane.height}.`,
      );
}

function drawBands(given: readonly FloatPlane[], look: Look, depth: Depth): Drawn {
  const planes = given.length === 2 ? [given[0]!, meanPlane(given[0]!, given[1]!), given[1]!] : given;
  switch (look.algorithm) {
    case 'lupton':
    case 'lupton-paper': {
      const { stretch = 5, q = 8 } = look;
      inRange('stretch', stretch, stretch > 0);
      inRange('Q', q, q >= 0);
      const minimum = withMean(
        each(given, look.minimum ?? manual(0)).map(([p, level]) => resolved(p, level)),
      );
      const variant = look.algorithm === 'lupton' ? 'astropy' : 'paper';
      const options = { variant, stretch, q, depth } as const;
      const settings = { stretch, q: usedQ(q) };
      if (planes.length === 1) {
        const [grey] = planes as [FloatPlane];
        const { raster, clipped } = luptonRgb([grey, grey, grey], {
          ...options,
          minimum: [minimum[0]!, minimum[0]!, minimum[0]!],
        });
        return { raster: onlyRed(raster, depth), clipped, minimum, settings };
      }
      const rgb = planes as [FloatPlane, FloatPlane, FloatPlane];
      return {
        ...luptonRgb(rgb, { ...options, minimum: minimum as [number, number, number] }),
        minimum,
        settings,
      };
    }
    case 'stiff': {
      const { gamma = 2.2, gammaFactor = 1, saturation = 1 } = look;
      inRange('gamma', gamma, gamma > 0);
      inRange('gammaFactor', gammaFactor, gammaFactor > 0);
      inRange('saturation', saturation, saturation >= 0);
      const skies = each(given, look.sky ?? quantile(0.5));
      const whites = each(given, look.maximum ?? quantile(0.999));
      const levels = each(given, look.minimum ?? greyLevel(0.001)).map(([plane, black], n) => {
        const [, white] = whites[n]!;
        if (black.type !== 'greylevel') return resolveLevels(plane, [black, white]);
        inRange('grey', black.grey, black.grey > 0 && black.grey < 1);
        const [sky, maximum] = resolveLevels(plane, [skies[n]![1], white]) as [number, number];
        return [greyLevelMinimum(black.grey, sky, maximum, gammaFactor), maximum];
      });
      const range = rangeOf(levels);
      return {
        ...stiffPicture(planes, { ...range, gamma, gammaFactor, saturation, depth }),
        ...range,
        settings: { gamma, gammaFactor, saturation },
      };
    }
    case 'zscale': {
      const { contrast = 0.25 } = look;
      inRange('contrast', contrast, contrast > 0);
      const levels = given.map((plane) => zscale(plane, { contrast }));
      const range = rangeOf(levels);
      return {
        ...stretchedPicture(planes, { ...range, softening: undefined, depth }),
        ...range,
        settings: { contrast },
      };
    }
    case 'asinh': {
      const { softening = 0.1 } = look;
      inRange('softening', softening, softening > 0);
      const levels = each(given, look.minimum ?? quantile(0.0025)).map(([plane, low], n) =>
        resolveLevels(plane, [low, each(given, look.maximum ?? quantile(0.9975))[n]![1]]),
      );
      const range = rangeOf(levels);
      return {
        ...stretchedPicture(planes, { ...range, softening, depth }),
        ...range,
        settings: { softening },
      };
    }
  }
}

const manual = (value: number): Level => ({ type: 'manual', value });
const quantile = (value: number): Level => ({ type: 'quantile', quantile: value });
const greyLevel = (grey: number): GreyLevel => ({ type: 'greylevel', grey });
const resolved = (plane: FloatPlane, level: Level): number => resolveLevels(plane, [level])[0]!;

function inRange(name: string, value: number, fits: boolean): void {
  if (!fits || !Number.isFinite(value))
    throw new SkyError('invalid_cutout', `A picture cannot be made with ${name} ${value}.`);
}

function each<T>(planes: readonly FloatPlane[], given: PerBand<T>): [FloatPlane, T][] {
  const several = (Array.isArray as (value: unknown) => value is readonly T[])(given);
  if (several && given.length !== planes.length)
    throw new SkyError(
      'invalid_cutout',
      `There are ${given.length} levels for ${planes.length} bands: give one for all, or one for each.`,
    );
  return planes.map((plane, n) => [plane, several ? given[n]! : given]);
}

/**
 * Black and white of each band, and of the green between two: the mean of what theirs have. Where they coincide, as in a picture of one value, white is
 * moved: the picture is black.
 */
function rangeOf(levels: readonly (readonly number[])[]): {
  minimum: readonly number[];
  maximum: readonly number[];
} {
  const maximum = levels.map(([low, high]) => {
    if (high! < low!) throw new SkyError('invalid_cutout', `White (${high}) is below black (${low}).`);
    return Math.fround(high!) > Math.fround(low!) ? high! : low! + Math.max(1, Math.abs(low!) * 2 ** -20);
  });
  return { minimum: withMean(levels.map(([low]) => low!)), maximum: withMean(maximum) };
}

const withMean = (values: readonly number[]): readonly number[] =>
  values.length === 2 ? [values[0]!, (values[0]! + values[1]!) / 2, values[1]!] : values;

function meanPlane(one: FloatPlane, other: FloatPlane): FloatPlane {
  const data = one.data.slice();
  for (let i = 0; i < data.length; i++) {
    const a = data[i]!;
    const b = other.data[i]!;
    if (a - a !== 0) data[i] = b;
    else if (b - b === 0) data[i] = (a + b) / 2;
  }
  return { ...one, data };
}

function onlyRed(raster: Raster, depth: Depth): Raster {
  const { width, height } = raster;
  const data = depth === 8 ? new Uint8Array(width * height) : new Uint16Array(width * height);
  for (let i = 0; i < data.length; i++) data[i] = raster.data[i * 3]!;
  return { width, height, channels: 1, data };
}

/** Adds an alpha if no band has a value somewhere. */
function withTransparency(bands: readonly PictureBand[], raster: Raster, depth: Depth) {
  const { width, height, channels } = raster;
  const pixels = width * height;
  const seen = new Uint8Array(pixels);
  for (const { plane } of bands) markFinite(plane.data, seen);
  let noData = pixels;
  for (let i = 0; i < pixels; i++) noData -= seen[i]!;
  if (noData === 0) return { raster, noData };
  const wider = channels === 1 ? 2 : 4;
  const data = depth === 8 ? new Uint8Array(pixels * wider) : new Uint16Array(pixels * wider);
  const white = whiteOf(depth);
  for (let i = 0; i < pixels; i++) {
    if (!seen[i]) continue;
    for (let channel = 0; channel < channels; channel++)
      data[i * wider + channel] = raster.data[i * channels + channel]!;
    data[i * wider + channels] = white;
  }
  return { raster: { width, height, channels: wider, data } satisfies Raster, noData };
}

function markFinite(data: Float32Array | Float64Array, seen: Uint8Array): void {
  for (let i = 0; i < data.length; i++) if (data[i]! - data[i]! === 0) seen[i] = 1;
}
