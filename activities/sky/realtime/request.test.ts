import { type CutoutQuery, cutoutQuery, ProblemError } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { smallSurvey } from '../survey/testing.ts';
import { resolveRequest } from './request.ts';

const place = { survey: 'small', ra: '10', dec: '20' };
const refusal = (more: Partial<CutoutQuery>): string | undefined => {
  try {
    resolveRequest(cutoutQuery.parse({ ...place, ...more }), smallSurvey);
    return undefined;
  } catch (error) {
    if (error instanceof ProblemError) return error.message;
    throw error;
  }
};

it('what does not go with the rest of the request is refused by its name, not ignored', () => {
  expect(refusal({ orientation: 'north' })).toContain('orientation: is for pictures');
  expect(refusal({ format: 'png', orientation: 'north' })).toBeUndefined();
  expect(refusal({ mode: 'primary', resampling: 'flux' })).toContain('resampling: is of neighbours');
  expect(refusal({ resampling: 'flux' })).toBeUndefined();
});

it('what is left open is as if it had been asked for', () => {
  const of = (more: Partial<CutoutQuery>) =>
    resolveRequest(cutoutQuery.parse({ ...place, format: 'png', ...more }), smallSurvey);
  expect(of({})).toEqual(of({ orientation: 'north', resampling: 'lanczos3', mode: 'mosaic' }));
});
