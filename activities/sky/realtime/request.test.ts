import { type CutoutQuery, cutoutQuery, ProblemError } from '@darkroom/contract';
import { describe, expect, it } from 'vitest';
import { smallSurvey } from '../survey/testing.ts';
import { resolveRequest } from './request.ts';

const query = (changes: Partial<CutoutQuery>): CutoutQuery =>
  cutoutQuery.parse({ survey: 'small', ra: '10', dec: '20', ...changes });
const resolve = (changes: Partial<CutoutQuery>) => resolveRequest(query(changes), smallSurvey);

/** The field that was refused, and why. */
function refusal(changes: Partial<CutoutQuery>): string {
  try {
    resolve(changes);
  } catch (error) {
    if (error instanceof ProblemError) return error.message;
    throw error;
  }
  return 'taken';
}

it('what does not go with the rest of the request is refused by its name, not ignored', () => {
  expect(refusal({ orientation: 'north' })).toContain('orientation: is for pictures');
  expect(refusal({ format: 'png', orientation: 'north' })).toBe('taken');
  expect(refusal({ mode: 'primary', resampling: 'flux' })).toContain('resampling: is of neighbours');
  expect(refusal({ mode: 'primary', resampling: 'flux', rotation: 5 })).toBe('taken');
  expect(refusal({ resampling: 'flux' })).toBe('taken');
});

it('what is left open is as if it had been asked for', () => {
  const of = (changes: Partial<CutoutQuery>) => resolve({ format: 'png', ...changes });
  expect(of({})).toEqual(of({ orientation: 'north', resampling: 'lanczos3', mode: 'mosaic', depth: 8 }));
});

describe('a grid of its own', () => {
  it('is none, or has a scale and a rotation, equal ones alike', () => {
    expect(resolve({}).grid).toBeNull();
    expect(resolve({ pixscale: '0.5arcsec' }).grid).toEqual({ pixelScale: 0.5 / 3600, rotation: 0 });
    expect(resolve({ pixscale: ' 1 ARCMIN ' }).grid).toEqual({ pixelScale: 1 / 60, rotation: 0 });
    expect(resolve({ rotation: 30 }).grid).toEqual({ pixelScale: null, rotation: 30 });
    for (const rotation of [-330, 30])
      expect(resolve({ rotation }).grid).toEqual(resolve({ rotation: 30 }).grid);
    for (const rotation of [-0, 0, 360, -360, -1e-20])
      expect(resolve({ rotation }).grid).toEqual({ pixelScale: null, rotation: 0 });
  });

  it.each(['0.5', '256px', '0arcsec', '-1arcsec', 'NaNarcsec', '1e999arcsec', '1arcsecx2arcsec', 'fine'])(
    'is not of pixels of %s',
    (pixscale) => expect(refusal({ pixscale })).toMatch(/^pixscale: .* write an angle above 0 with its unit/),
  );

  it('has no part of a tile that it could be as large as, and its rotation is an angle', () => {
    expect(refusal({ rotation: 5, mode: 'clip' })).toMatch(/^mode: clip is of the tile’s own grid/);
    for (const rotation of [Number.NaN, 361, Number.POSITIVE_INFINITY])
      expect(() => query({ rotation })).toThrow();
  });

  it('is shown as it lies, others north up', () => {
    const of = (changes: Partial<CutoutQuery>) => resolve({ format: 'png', ...changes }).picture?.orientation;
    expect(of({})).toBe('north');
    expect(of({ rotation: 90 })).toBe('pixels');
    expect(of({ rotation: 90, orientation: 'north' })).toBe('north');
    expect(of({ orientation: 'pixels' })).toBe('pixels');
  });
});

describe('pictures', () => {
  it('have 16 bits as PNG alone, and marks as pictures alone', () => {
    expect(resolve({ format: 'png', depth: 16 }).picture?.depth).toBe(16);
    expect(resolve({ format: 'png' }).picture).toMatchObject({ depth: 8, compass: false, label: null });
    expect(refusal({ format: 'jpeg', depth: 16 })).toBe('depth: jpeg has 8 bits; take png for 16.');
    for (const changes of [
      { depth: 16 },
      { compass: true },
      { label: 'M 1' },
      { orientation: 'north' },
    ] as const)
      expect(refusal(changes)).toContain('is for pictures, not for format=fits');
  });

  it('have labels of what there are letters for', () => {
    const printable = String.fromCharCode(...Array.from({ length: 0x7f - 0x20 }, (_, i) => 0x20 + i));
    const labelled = (label: string) => resolve({ format: 'png', label }).picture?.label;
    expect(labelled(printable.slice(0, 80))).toBe(printable.slice(0, 80).trim());
    expect(labelled(` ${printable.slice(80)}″′° `)).toBe(`${printable.slice(80)}″′°`);
    for (const [label, named] of [
      ['caf\u00e9', '"\u00e9"'],
      ['\u202eabc', '"\u202e"'],
      ['\u{1f52d}', '"\u{1f52d}"'],
      ['\ud800', '"\\ud800"'],
    ] as const)
      expect(refusal({ format: 'png', label })).toBe(
        `label: there is no letter for ${named}; there are ASCII, ′, ″ and °.`,
      );
    expect(refusal({ format: 'png', label: '   ' })).toBe('label: is empty.');
    for (const label of ['x'.repeat(81), 'a\nb', 'a\0', '']) expect(() => query({ label })).toThrow();
  });
});
