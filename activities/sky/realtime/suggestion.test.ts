import { type CutoutQuery, cutoutQuery, cutoutsRequest, ProblemError } from '@darkroom/contract';
import type { Estimate } from '@darkroom/estimates';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { rowFrom } from '../jobs/list/rows.ts';
import { requestAt, resolveSets } from '../jobs/list/sets.ts';
import { smallSurvey } from '../survey/testing.ts';
import { type Limits, requireWithinLimits } from './plan.ts';
import { resolveRequest } from './request.ts';

/** What a request is told that is too large for its answer: the same as a job, which is taken as it stands. */

const nothing: Limits = { degrees: 10, pixels: 0, allPixels: 0, bytes: 0, seconds: 0, memoryBytes: 2 ** 30 };
const estimate = (): Estimate => ({ seconds: { p50: 0, p90: 0 }, bytes: null, runs: 0, error: null });
const refusalOf = (work: () => unknown): ProblemError => {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
};
const asynchronous = z.object({
  asynchronous: z.object({ method: z.string(), path: z.string(), body: z.unknown() }),
});

it.each([
  {},
  { bands: 'r', size: '3arcmin', compress: 'rice', planes: 'image,weight', mode: 'clip' },
  { pixscale: '0.3arcsec', rotation: 30, mode: 'primary', resampling: 'flux', size: '2000px x 1000px' },
  { format: 'png', bands: 'r,g,r2', depth: 16, minimum: [0, 1, 2], maxPixels: 700, label: 'M 1' },
  { format: 'jpeg', bands: 'g', algorithm: 'asinh', quantiles: [0.1, 0.9], scaleBar: true },
] satisfies Partial<CutoutQuery>[])('the job that is suggested for %j is taken as it stands', (query) => {
  const survey = {
    ...smallSurvey,
    bands: ['g', 'r', 'r2'].map((name) => ({ name, wavelength: 500 })),
    planes: { ...smallSurvey.planes, weight: { path: '{tile}-w.fits' } },
  };
  const place = { survey: survey.name, ra: '10:00:24.1', dec: '-2.2' };
  const of = resolveRequest(cutoutQuery.parse({ ...place, ...query }), survey);
  const refused = refusalOf(() => requireWithinLimits(of, { scale: 1 / 3600, tiles: 1 }, nothing, estimate));
  const { method, path, body } = asynchronous.parse(refused.suggestion).asynchronous;
  expect([method, path]).toEqual(['POST', '/v1/cutouts']);
  // As it is sent.
  const { positions, source, upload, ...options } = cutoutsRequest.parse(JSON.parse(JSON.stringify(body)));
  expect([source, upload]).toEqual([undefined, undefined]);
  const read = rowFrom(positions?.[0]);
  if ('fault' in read) throw new Error(read.fault);
  const [set] = resolveSets(options, () => survey);
  expect(requestAt(set!, read.row)).toEqual(of);
});
