import { type CutoutsOptions, cutoutQuery, cutoutsOptions, ProblemError } from '@darkroom/contract';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../realtime/plan.ts';
import { resolveRequest } from '../../realtime/request.ts';
import { smallSurvey } from '../../survey/testing.ts';
import { requestAt, resolveSets, surveysOf } from './sets.ts';

const other = { ...smallSurvey, name: 'other' };
const surveyOf = (name: string) => [smallSurvey, other].find((survey) => survey.name === name);
const options = (changes: Partial<CutoutsOptions>): CutoutsOptions =>
  cutoutsOptions.parse({ survey: 'small', ...changes });
const setsOf = (changes: Partial<CutoutsOptions>) => resolveSets(options(changes), surveyOf);

function refusal(changes: Partial<CutoutsOptions>): ProblemError {
  try {
    setsOf(changes);
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error('taken');
}

describe('parameter sets', () => {
  it('are one where none is given', () => {
    const [set, ...more] = setsOf({ size: '2arcmin' });
    expect(more).toEqual([]);
    expect(set).toMatchObject({ survey: 'small', format: 'fits', size: { width: { value: 2 / 60 } } });
  });

  it('have what they change, and else what stands beside them', () => {
    const sets = setsOf({
      size: '64px',
      mode: 'clip',
      sets: [{}, { format: 'png', size: '32px' }, { survey: 'other', mode: 'primary' }],
    });
    expect(sets.map(({ survey, format, mode, size }) => [survey, format, mode, size.width.value])).toEqual([
      ['small', 'fits', 'clip', 64],
      ['small', 'png', 'clip', 32],
      ['other', 'fits', 'primary', 64],
    ]);
    expect(sets.map(({ picture }) => picture === null)).toEqual([true, false, true]);
  });

  it('are refused by their number and field', () => {
    const lupton = refusal({ sets: [{}, { algorithm: 'lupton' }] });
    expect(lupton.code).toBe('validation_failed');
    expect(lupton.message).toMatch(/^Parameter set \/sets\/1: algorithm: is for pictures/);
    expect(lupton.errors).toMatchObject([{ pointer: '/sets/1/algorithm' }]);
    expect(refusal({ size: '5' }).errors).toMatchObject([{ pointer: '/size' }]);
    expect(refusal({ sets: [{ bands: 'nope' }] })).toMatchObject({
      code: 'unknown_band',
      message: expect.stringMatching(/^Parameter set \/sets\/0: .*no band nope/),
    });
    expect(refusal({ sets: [{}, {}, { survey: 'gone' }] })).toMatchObject({
      code: 'unknown_survey',
      message: 'Parameter set /sets/2: There is no survey gone.',
    });
    expect(refusal({ survey: 'gone' }).message).toBe('There is no survey gone.');
  });

  it('name the surveys that a job is of, and no other', () => {
    expect(surveysOf(options({}))).toEqual(['small']);
    expect(surveysOf(options({ sets: [{}, { survey: 'other' }, { survey: 'other' }] }))).toEqual([
      'small',
      'other',
    ]);
    expect(surveysOf(options({ sets: [{ survey: 'other' }] }))).toEqual(['other']);
  });
});

describe('the request of a row', () => {
  const alone = (changes: object) =>
    resolveRequest(cutoutQuery.parse({ survey: 'small', ra: '10', dec: '20', ...changes }), smallSurvey);
  const digest = (request: ReturnType<typeof alone>) =>
    digestOf({ request, survey: { name: 'small', release: '1', bands: [], mask: null }, sources: [] });

  it('is the same as one for a single cutout, its digest too', () => {
    const [set] = setsOf({ format: 'png', size: '1arcmin' });
    const request = requestAt(set!, { ra: 10, dec: 20, size: null });
    expect(digest(request)).toBe(digest(alone({ format: 'png', size: '1arcmin' })));
  });

  it('has the size of the row', () => {
    const [set] = setsOf({ size: '1arcmin' });
    const request = requestAt(set!, { ra: 10, dec: 20, size: '30px x 20px' });
    expect(digest(request)).toBe(digest(alone({ size: '30px x 20px' })));
  });
});
