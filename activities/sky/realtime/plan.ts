/** From a request to the work: the tiles it needs, whether it may be the answer to one request, and the digest of what comes out. */
import { createHash } from 'node:crypto';
import { type CutoutRequest, ProblemError, type Suggestion } from '@darkroom/contract';
import type { Asked, Estimate } from '@darkroom/estimates';
import type { CutSize, Length } from '../cut/request.ts';
import { type CutoutCall, cutterVersion } from '../make/call.ts';
import { drawingBytes, drawnSize, largestOf, planMemory } from '../make/memory.ts';
import { nearestSize, writeSize } from './fitting.ts';

/** SHA-256, hex: of the request, the survey's definition and the files as they are. */
export function digestOf(call: CutoutCall): string {
  return createHash('sha256')
    .update(JSON.stringify([cutterVersion, call]))
    .digest('hex');
}

/** What the seconds and the bytes of a cutout go by, and which it is compared with. */
export function asked(
  { format, mode, planes, bands, compress, grid, picture }: Omit<CutoutRequest, 'ra' | 'dec'>,
  { pixels, source, tiles }: Pick<Extent, 'pixels' | 'source'> & { readonly tiles: number },
): Asked & { readonly features: { readonly pixels: number; readonly source: number } } {
  const kinds = [
    compress === 'rice' ? 'rice' : '',
    picture?.depth === 16 ? '16' : '',
    mode === 'mosaic' && tiles > 1 ? 'mosaic' : '',
    grid === null ? '' : 'resampled',
  ];
  const planesOfAll = bands.length * planes.length;
  return {
    kind: 'cutout',
    key: [format, ...kinds.filter((kind) => kind !== '')].join(' '),
    features: { pixels: pixels * planesOfAll, source: source * planesOfAll, files: tiles * planesOfAll },
  };
}

/**
 * Before anything has run: a quarter of a microsecond a pixel, as much again for a pixel of a tile that is resampled, and what a file costs to
 * open.
 */
export const assumedOfCutouts = {
  seconds: { base: 0.03, per: { pixels: 2.5e-7, source: 2.5e-7, files: 0.01 }, spread: 3 },
  bytes: { base: 6000, per: { pixels: 4, source: 0, files: 0 } },
};

/** What nine in ten are assumed to stay within. */
function assumedSeconds({ pixels = 0, source = 0, files = 0 }: Asked['features']): number {
  const { base, per, spread } = assumedOfCutouts.seconds;
  return spread * (base + per.pixels * pixels + per.source * source + per.files * files);
}

export interface Limits {
  /** Longest side, degrees. */
  readonly degrees: number;
  /** Of one plane of one band. */
  readonly pixels: number;
  /** Of all planes together. */
  readonly allPixels: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Of a worker, for all cutouts that it makes at once. */
  readonly memoryBytes: number;
}

/** Pixels of a side that the formats have room for. */
const longestSides = { png: Number.POSITIVE_INFINITY, jpeg: 65_535, webp: 16_383 };

/** Of one plane of one band. */
export interface Extent {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly pixels: number;
  /** Pixels of the tiles that are resampled for it; 0 where none are, on the tile's own grid. */
  readonly source: number;
  /** Degrees a pixel. */
  readonly scale: number;
}

/** What a request of that size comes to where the tile's pixels have `tileScale` degrees. */
export function extentOf({ grid }: Pick<CutoutRequest, 'grid'>, size: CutSize, tileScale: number): Extent {
  const scale = grid?.pixelScale ?? tileScale;
  const side = ({ value, unit }: Length): number =>
    Math.max(1, Math.round(unit === 'px' ? value : value / scale));
  const [width, height] = [side(size.width), side(size.height)];
  const pixels = width * height;
  const source = grid === null ? 0 : Math.ceil(pixels * (scale / tileScale) ** 2);
  return { width, height, pixels, source, scale };
}

/** Pixels that are asked for may be so many times finer or coarser than the tile's. */
const mostApart = 32;

/** Throws `validation_failed` for a pixel scale that has nothing to do with the tile's. */
export function requireScale({ grid }: Pick<CutoutRequest, 'grid'>, tileScale: number): void {
  const scale = grid?.pixelScale ?? tileScale;
  if (scale * mostApart >= tileScale && scale <= tileScale * mostApart) return;
  const inArcsec = (degrees: number): string => `${Number((degrees * 3600).toPrecision(4))}arcsec`;
  const detail = `the survey’s pixels are ${inArcsec(tileScale)} there; give ${inArcsec(tileScale / mostApart)} to ${inArcsec(tileScale * mostApart)}`;
  throw new ProblemError('validation_failed', `pixscale: ${detail}.`, {
    errors: [{ pointer: '/query/pixscale', detail }],
  });
}

interface Of {
  /** Degrees a pixel of the tile. */
  readonly scale: number;
  /** How many files of one band and plane the cutout as asked for needs. */
  readonly tiles: number;
}

const degreesOf = ({ value, unit }: Length, scale: number): number =>
  unit === 'px' ? Math.round(value) * scale : value;

/**
 * Throws `cutout_too_large` with the largest size that would be taken and the request as a job: what limits there are alone, before the tiles of
 * a large area are looked for. Nothing is estimated of what is within them.
 */
export function requireWithinLimits(
  request: CutoutRequest,
  of: Of,
  limits: Limits,
  estimate: (of: Asked) => Estimate,
): void {
  const why = beyondLimits(request, request.size, of, limits);
  if (why !== undefined) throw tooLarge(request, of, limits, estimate, why);
}

/** Throws as {@link requireWithinLimits}, also for what is expected to take too long or come to too many bytes; else what is expected. */
export function requireFitting(
  request: CutoutRequest,
  of: Of,
  limits: Limits,
  estimate: (of: Asked) => Estimate,
): Estimate {
  requireWithinLimits(request, of, limits, estimate);
  const about = askedOf(request, request.size, of);
  const expected = estimate(about);
  const why = beyondExpected(expected, about, limits);
  if (why !== undefined) throw tooLarge(request, of, limits, estimate, why);
  return expected;
}

/** Why a cutout of that size is beyond the limits, in words; undefined where it is within them. Nothing is estimated. */
export function beyondLimits(
  request: CutoutRequest,
  size: CutSize,
  of: Of,
  limits: Omit<Limits, 'seconds' | 'bytes'>,
): string | undefined {
  const { width, height, scale, source } = extentOf(request, size, of.scale);
  // Of an angle, as it was asked for: in whole pixels it may be half a one more.
  const degrees = Math.max(...[size.width, size.height].map((side) => degreesOf(side, scale)));
  if (degrees > limits.degrees * (1 + 1e-9))
    return `its longer side is ${inArcmin(degrees)}, the survey’s limit ${inArcmin(limits.degrees)}`;
  if (width * height > limits.pixels)
    return `it has ${width} × ${height} pixels, the survey’s limit is ${limits.pixels}`;
  if (source > limits.pixels)
    return `it is made of ${source} pixels of the survey, whose limit is ${limits.pixels}`;
  const all = askedOf(request, size, of).features;
  const pixels = Math.max(all.pixels, all.source);
  if (pixels > limits.allPixels)
    return `all its bands and planes have ${pixels} pixels, the limit is ${limits.allPixels} (LIMIT_CUTOUT_PIXELS)`;
  return beyondPictures(request, { width, height }, limits);
}

/** A picture is drawn in memory, at the size that it has at last. */
function beyondPictures(
  { format, picture, bands }: CutoutRequest,
  size: { readonly width: number; readonly height: number },
  { memoryBytes }: Pick<Limits, 'memoryBytes'>,
): string | undefined {
  if (picture === null || format === 'fits') return undefined;
  const { width, height } = drawnSize(size, picture);
  if (Math.max(width, height) > longestSides[format])
    return `a picture of ${width} × ${height} pixels is too long for ${format}, which has ${longestSides[format]} a side; ask for a smaller maxPixels`;
  const work = { pixels: size.width * size.height, bands: bands.length, planes: 1, isMosaic: true };
  const bytes = planMemory(work, memoryBytes).bytes + drawingBytes(size, bands.length, picture);
  if (bytes > largestOf(memoryBytes))
    return `a picture of ${width} × ${height} pixels takes ${Math.ceil(bytes / 2 ** 20)} MiB to draw, of which there are ${Math.floor(largestOf(memoryBytes) / 2 ** 20)} (CUTOUT_MEMORY_BYTES); ask for a smaller maxPixels`;
  return undefined;
}

/**
 * So many runs refuse nothing that would not be refused without them: the first ones of a worker, and of a tile, are slow, and what is refused
 * is not learnt from.
 */
const firstRuns = 8;

function beyondExpected(
  { seconds, bytes, runs }: Estimate,
  { features }: Asked,
  limits: Limits,
): string | undefined {
  const most = runs < firstRuns ? Math.min(seconds.p90, assumedSeconds(features)) : seconds.p90;
  if (most > limits.seconds)
    return `it is expected to take up to ${most.toFixed(1)} s (by ${runs} runs), the limit is ${limits.seconds} s (CUTOUT_DEADLINE_SECONDS)`;
  if (bytes !== null && bytes.p50 > limits.bytes)
    return `its file is expected to have ${Math.round(bytes.p50)} bytes, the limit is ${limits.bytes} (LIMIT_CUTOUT_BYTES)`;
  return undefined;
}

function tooLarge(
  request: CutoutRequest,
  of: Of,
  limits: Limits,
  estimate: (of: Asked) => Estimate,
  why: string,
): ProblemError {
  const nearest = nearestSize(request.size, (size) => {
    const about = askedOf(request, size, of);
    return beyondLimits(request, size, of, limits) ?? beyondExpected(estimate(about), about, limits);
  });
  return new ProblemError('cutout_too_large', `The cutout cannot be the answer to one request: ${why}.`, {
    suggestion: {
      ...(nearest !== undefined && { size: writeSize(nearest) }),
      asynchronous: { method: 'POST', path: '/v1/cutouts', body: asJob(request) },
    },
  });
}

function askedOf(request: CutoutRequest, size: CutSize, { scale, tiles }: Of) {
  return asked(request, { ...extentOf(request, size, scale), tiles });
}

/** The same cutout as a job of one position, ready to be sent. */
function asJob(request: CutoutRequest): Suggestion {
  const { survey, ra, dec, size, grid, format, bands, planes, mode, resampling, compress, picture } = request;
  return {
    survey,
    positions: [{ ra, dec }],
    size: writeSize(size),
    ...(grid !== null && {
      ...(grid.pixelScale !== null && { pixscale: `${grid.pixelScale}deg` }),
      rotation: grid.rotation,
    }),
    format,
    bands: bands.join(','),
    planes: planes.join(','),
    mode,
    ...((mode === 'mosaic' || grid !== null) && { resampling }),
    ...(picture === null
      ? { compress }
      : {
          algorithm: picture.algorithm,
          ...picture.settings,
          ...(picture.maxPixels !== null && { maxPixels: picture.maxPixels }),
          ...(picture.depth !== 8 && { depth: picture.depth }),
          orientation: picture.orientation,
          scaleBar: picture.scaleBar,
          crosshair: picture.crosshair,
          compass: picture.compass,
          ...(picture.label !== null && { label: picture.label }),
        }),
  };
}

const inArcmin = (degrees: number): string => `${Number((degrees * 60).toFixed(3))}′`;
