import { type CutoutRequest, ProblemError } from '@darkroom/contract';
import type { Asked, Estimate } from '@darkroom/estimates';
import { describe, expect, it } from 'vitest';
import { parseSize } from '../cut/request.ts';
import { asked, extentOf, type Limits, requireFitting, requireScale, requireWithinLimits } from './plan.ts';

const request: CutoutRequest = {
  survey: 'small',
  ra: 150,
  dec: 2,
  size: { width: { value: 1000, unit: 'px' }, height: { value: 500, unit: 'px' } },
  grid: null,
  format: 'fits',
  bands: ['g', 'r'],
  planes: ['image'],
  mode: 'mosaic',
  resampling: 'flux',
  compress: 'none',
  picture: null,
};
const of = { scale: 1 / 3600, tiles: 1 };
const limits: Limits = {
  degrees: 1,
  pixels: 1e6,
  allPixels: 2e6,
  bytes: 1e9,
  seconds: 10,
  memoryBytes: 2 ** 30,
};

/** A microsecond a pixel; tells what it was asked. */
function estimates() {
  const about: Asked[] = [];
  const estimate = (asked: Asked): Estimate => {
    about.push(asked);
    const seconds = 1e-6 * (asked.features.pixels ?? 0);
    return {
      seconds: { p50: seconds, p90: 2 * seconds },
      bytes: { p50: 1000, p90: 2000 },
      runs: 9,
    } as Estimate;
  };
  return { about, estimate };
}

const refusalOf = (work: () => unknown): ProblemError => {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
};

it('what fits is estimated once', () => {
  const { about, estimate } = estimates();
  requireWithinLimits(request, of, limits, estimate);
  expect(about).toHaveLength(0);
  expect(requireFitting(request, of, limits, estimate)).toMatchObject({ seconds: { p50: 1 } });
  expect(about).toMatchObject([{ features: { pixels: 1_000_000, files: 2 } }]);
});

it.each([
  ['survey’s limit is 100000', { pixels: 100_000 }, '446pxx223px'],
  ['LIMIT_CUTOUT_PIXELS', { allPixels: 500_000 }, '706pxx353px'],
  ['the survey’s limit 6′', { degrees: 0.1 }, '360pxx180px'],
  ['CUTOUT_DEADLINE_SECONDS', { seconds: 0.5 }, '500pxx250px'],
] as const)(
  'what does not is told %s, and the nearest size that is within all limits',
  (words, tighter, size) => {
    const { estimate } = estimates();
    const refused = refusalOf(() => requireFitting(request, of, { ...limits, ...tighter }, estimate));
    expect(refused.message).toContain(words);
    expect(refused.suggestion?.size).toBe(size);
  },
);

it('the size that is suggested before tiles are looked for is one that is expected to be in time', () => {
  const { estimate } = estimates();
  const both = { ...limits, pixels: 400_000, seconds: 0.1 };
  const { suggestion } = refusalOf(() => requireWithinLimits(request, of, both, estimate));
  expect(suggestion?.size).toBe('223pxx111px');
});

it('a size that is suggested is taken when it is asked for as it is written', () => {
  const { estimate } = estimates();
  for (const size of ['7.3arcmin', '20arcminx3arcmin', '1e6deg', '1e300px', '2.5degx900px'])
    for (let pixels = 10_001; pixels < 100_000; pixels += 7919) {
      const tight = { ...limits, pixels, degrees: 61 / 3600 + pixels / 1e6 };
      const { suggestion } = refusalOf(() =>
        requireFitting({ ...request, size: parseSize(size) }, of, tight, estimate),
      );
      const taken = parseSize(String(suggestion?.size));
      expect(() => requireFitting({ ...request, size: taken }, of, tight, estimate)).not.toThrow();
    }
});

it('of what is beyond a limit in degrees the limit itself is suggested, not a second of arc less', () => {
  const { estimate } = estimates();
  const arcsec = 1 / 3600;
  for (const [size, limit] of [
    ['3arcmin', '40arcsec'],
    ['40.5arcsec', '40arcsec'],
    ['3arcminx1.5arcmin', '40arcsecx20arcsec'],
  ] as const) {
    const beyond = { ...request, size: parseSize(size), bands: ['r'] };
    const refused = refusalOf(() =>
      requireFitting(beyond, of, { ...limits, degrees: 40 * arcsec }, estimate),
    );
    expect(refused.suggestion?.size).toBe(limit);
  }
});

it('the limit itself may be asked for, whatever whole pixels it comes to', () => {
  const { estimate } = estimates();
  const grid = { scale: 0.263 / 3600, tiles: 1 };
  const exact = { ...request, size: parseSize('7arcmin'), bands: ['r'] };
  const tight = { ...limits, degrees: 7 / 60, pixels: 1e7, allPixels: 1e7 };
  expect(() => requireFitting(exact, grid, tight, estimate)).not.toThrow();
});

it('the job that is suggested is the same cutout, its picture’s settings and all', () => {
  const { estimate } = estimates();
  const picture: CutoutRequest['picture'] = {
    algorithm: 'lupton',
    settings: { stretch: 3 },
    maxPixels: 512,
    depth: 16,
    orientation: 'pixels',
    scaleBar: true,
    crosshair: false,
    compass: true,
    label: 'M 1',
  };
  const size = parseSize('7.12345678arcmin');
  const refused = refusalOf(() =>
    requireFitting({ ...request, format: 'png', picture, size }, of, { ...limits, pixels: 100 }, estimate),
  );
  const marks = { depth: 16, compass: true, label: 'M 1' };
  const body = { stretch: 3, maxPixels: 512, orientation: 'pixels', resampling: 'flux', ...marks };
  expect(refused.suggestion).toMatchObject({ asynchronous: { body } });
  const [, written = ''] = /"size":"([^"]+)"/.exec(JSON.stringify(refused.suggestion?.asynchronous)) ?? [];
  expect(parseSize(written).width.value).toBeCloseTo(size.width.value, 14);
});

describe('on a grid of its own', () => {
  const arcsec = 1 / 3600;
  const own = (pixelScale: number | null, rotation = 0): CutoutRequest => ({
    ...request,
    grid: { pixelScale, rotation },
  });

  it('pixels are those of the grid, and what they are made of counts too', () => {
    expect(extentOf(own(2 * arcsec), request.size, arcsec)).toMatchObject({
      ...{ width: 1000, height: 500, pixels: 500_000, source: 2_000_000, scale: 2 * arcsec },
    });
    expect(extentOf(own(null), request.size, arcsec)).toMatchObject({ pixels: 500_000, source: 500_000 });
    expect(extentOf(request, request.size, arcsec)).toMatchObject({ pixels: 500_000, source: 0 });
    const degree = { value: 0.1, unit: 'deg' } as const;
    expect(extentOf(own(0.5 * arcsec), { width: degree, height: degree }, arcsec)).toMatchObject({
      ...{ width: 720, height: 720, source: 129_600 },
    });
    const { key, features } = asked(own(2 * arcsec), { pixels: 10, source: 40, tiles: 2 });
    expect(key).toBe('fits mosaic resampled');
    expect(features).toEqual({ pixels: 20, source: 80, files: 4 });
  });

  it.each([
    [2 * arcsec, 'made of 2000000 pixels of the survey', '706pxx353px'],
    [arcsec / 4, 'has 4000 × 2000 pixels', '1414pxx707px'],
  ] as const)(
    'too many pixels of %s degrees, or of the survey for them, are refused',
    (scale, words, size) => {
      const { estimate } = estimates();
      const sized = {
        ...own(scale),
        ...(scale < arcsec && {
          size: { width: { value: 4000, unit: 'px' }, height: { value: 2000, unit: 'px' } },
        }),
      } as CutoutRequest;
      const refused = refusalOf(() => requireWithinLimits(sized, of, limits, estimate));
      expect(refused.message).toContain(words);
      expect(refused.suggestion?.size).toBe(size);
      expect(refused.suggestion?.asynchronous).toMatchObject({
        body: { pixscale: `${scale}deg`, rotation: 0 },
      });
    },
  );

  it('a scale that has nothing to do with the survey’s is refused, with what may be', () => {
    for (const scale of [32 * arcsec, arcsec / 32, arcsec]) requireScale(own(scale), arcsec);
    requireScale(own(null), arcsec);
    for (const scale of [33 * arcsec, arcsec / 33, 40, 1e-300])
      expect(refusalOf(() => requireScale(own(scale), arcsec))).toMatchObject({
        code: 'validation_failed',
        message: 'pixscale: the survey’s pixels are 1arcsec there; give 0.03125arcsec to 32arcsec.',
      });
  });
});

it('a few slow runs, as the first ones are, refuse nothing; many do', () => {
  const slow = (runs: number) => (): Estimate => ({
    ...estimates().estimate({ kind: 'cutout', key: '', features: {} }),
    seconds: { p50: 50, p90: 100 },
    runs,
  });
  expect(requireFitting(request, of, limits, slow(3))).toMatchObject({ runs: 3 });
  expect(refusalOf(() => requireFitting(request, of, limits, slow(30))).message).toContain('30 runs');
  // Without any run it would take too long.
  const quick = { ...limits, seconds: 0.1 };
  expect(refusalOf(() => requireFitting(request, of, quick, slow(3))).message).toContain('3 runs');
});

it('a picture is as large as there is memory to draw it in, and as its format has room for; averaged, it may be of any area', () => {
  const { estimate } = estimates();
  const wide = { degrees: 10, pixels: 1e9, allPixels: 3e9, bytes: 1e9, seconds: 1e9, memoryBytes: 2 ** 30 };
  const picture: CutoutRequest = {
    ...request,
    format: 'png',
    bands: ['i', 'r', 'g'],
    size: { width: { value: 20_000, unit: 'px' }, height: { value: 20_000, unit: 'px' } },
    picture: {
      algorithm: 'lupton',
      settings: {},
      maxPixels: null,
      depth: 8,
      orientation: 'north',
      scaleBar: false,
      crosshair: false,
      compass: false,
      label: null,
    },
  };
  const with_ = (maxPixels: number | null, format: 'png' | 'webp' = 'png'): CutoutRequest => ({
    ...picture,
    format,
    picture: { ...picture.picture!, maxPixels },
  });
  const refused = refusalOf(() => requireFitting(with_(null), of, wide, estimate));
  expect(refused.message).toContain('CUTOUT_MEMORY_BYTES');
  const width = Number.parseInt(String(refused.suggestion?.size), 10);
  expect(width).toBeGreaterThan(4000);
  expect(width).toBeLessThan(4300);
  expect(requireFitting(with_(2000), of, wide, estimate)).toBeDefined();
  const long = refusalOf(() =>
    requireFitting(with_(17_000, 'webp'), of, { ...wide, memoryBytes: 2 ** 40 }, estimate),
  );
  expect(long.message).toContain('16383 a side');
});
