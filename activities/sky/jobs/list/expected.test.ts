import { type CutoutsOptions, cutoutsOptions, ProblemError } from '@darkroom/contract';
import { RowFault } from '@darkroom/frame/plan/rows.ts';
import { describe, expect, it } from 'vitest';
import { smallSurvey } from '../../survey/testing.ts';
import { expectedOf, expectingBySize } from './expected.ts';
import { ListOutlook } from './outlook.ts';
import { resolveSets } from './sets.ts';

const setOf = (changes: Partial<CutoutsOptions>) => {
  const [set] = resolveSets(cutoutsOptions.parse({ survey: 'small', ...changes }), () => smallSurvey);
  return set!;
};
const scale = 1 / 3600;

describe('what a cutout is expected to come to', () => {
  it('goes by its pixels, of all bands', () => {
    const one = expectedOf(setOf({ size: '60arcsec', bands: 'r' }), { scale });
    expect(one.pixels).toBe(3600);
    expect(one.bytes).toBeGreaterThan(4 * 3600);
    const two = expectedOf(setOf({ size: '60arcsec x 30arcsec' }), { scale });
    expect(two.pixels).toBe(1800 * smallSurvey.bands.length);
    expect(expectedOf(setOf({ size: '60arcsec', bands: 'r' }), { scale: scale / 2 }).pixels).toBe(4 * 3600);
    const own = setOf({ size: '60arcsec', bands: 'r', pixscale: '2arcsec' });
    expect(expectedOf(own, { scale }).pixels).toBe(900);
  });

  it('goes by what is known of its kind, where that is asked', () => {
    const set = setOf({ size: '10px', bands: 'r', format: 'png' });
    const seen: unknown[] = [];
    expect(
      expectedOf(set, { scale, tiles: 2 }, (of) => {
        seen.push(of);
        return 77.4;
      }),
    ).toEqual({ pixels: 100, bytes: 77 });
    expect(seen).toEqual([
      { kind: 'cutout', key: 'png mosaic', features: { pixels: 100, source: 0, files: 2 } },
    ]);
  });

  it('is that of the row’s own size, thousands of them alike', () => {
    const expecting = expectingBySize(setOf({ size: '10px', bands: 'r' }), { scale });
    expect([expecting(null).pixels, expecting('4px').pixels, expecting('4px').pixels]).toEqual([100, 16, 16]);
    for (let side = 1; side <= 2000; side++) expect(expecting(`${side}px`).pixels).toBe(side * side);
    expect(expecting(null).pixels).toBe(100);
  });

  it('asks what was learnt of a thousand sizes at most', () => {
    let asked = 0;
    const expecting = expectingBySize(setOf({ size: '10px', bands: 'r' }), { scale }, () => ++asked);
    for (const _ of [1, 2])
      for (let side = 1; side <= 2000; side++) expect(expecting(`${side}px`).bytes).toBeGreaterThan(0);
    expect(asked).toBe(1000);
  });
});

describe('the outlook of a list', () => {
  const outlookOf = (rows: readonly unknown[], sets = 2) => {
    const outlook = new ListOutlook(
      Array.from({ length: sets }, () => (size: string | null) => ({
        pixels: size === null ? 1 : 10,
        bytes: 5,
      })),
    );
    for (const [i, row] of rows.entries()) outlook.add(i + 1, row);
    return outlook;
  };
  const refusal = (outlook: ListOutlook, options: Parameters<ListOutlook['requireReadable']>[0]) => {
    try {
      outlook.requireReadable(options);
      return undefined;
    } catch (error) {
      if (error instanceof ProblemError) return error;
      throw error;
    }
  };
  const good = { ra: '1', dec: '2' };

  it('adds up its rows for each parameter set, broken ones aside', () => {
    const outlook = outlookOf([good, { ...good, size: '5px' }, {}, new RowFault('it is not UTF-8')]);
    expect([outlook.rows, outlook.broken]).toEqual([4, 2]);
    expect(outlook.size).toEqual({ cutouts: 4, pixels: 22, bytes: 20 });
    expect(refusal(outlook, { onError: 'skip' })).toBeUndefined();
    expect(refusal(outlook, { onError: 'fail' })).toMatchObject({
      code: 'invalid_row',
      message: expect.stringMatching(/^Row 3: ra: is missing.* Broken as well: 4\./),
      errors: [{ pointer: '/rows/3' }, { pointer: '/rows/4', detail: 'it is not UTF-8' }],
    });
  });

  it('names the first of many broken rows, and how many more there are', () => {
    const problem = refusal(outlookOf([good, ...Array.from({ length: 50 }, () => ({}))]), {
      onError: 'fail',
      pointer: '/positions',
    });
    expect(problem?.errors).toHaveLength(10);
    expect(problem?.errors?.[0]?.pointer).toBe('/positions/1');
    expect(problem?.message).toContain('3, 4, 5, 6, 7, 8, 9, 10, 11, 40 more.');
    expect(refusal(outlookOf([good, {}]), { onError: 'fail' })?.message).not.toContain('as well');
  });

  it('tells swapped columns rather than all the rows that break of them', () => {
    const outlook = outlookOf([
      { ra: '2', dec: '150' },
      { ra: '3', dec: '151' },
    ]);
    for (const onError of ['fail', 'skip'] as const)
      expect(refusal(outlook, { onError })?.code).toBe('swapped_columns');
  });
});
