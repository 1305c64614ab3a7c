import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { positionName, RowNames, safeName } from './names.ts';

describe('a name', () => {
  it.each([
    ['NGC 1365', 'NGC_1365'],
    ['J0100-12.5+3', 'J0100-12.5+3'],
    ['../../etc/passwd', 'etc_passwd'],
    ['/abs', 'abs'],
    ['C:\\x', 'C_x'],
    ['α Cen', 'Cen'],
    ['Ångström', 'Angstrom'],
    ['.hidden', 'hidden'],
    ['con', '_con'],
    ['NUL.fits', '_NUL.fits'],
    ['console', 'console'],
    ['…', 'cutout'],
    ['a.', 'a'],
    ['星', 'cutout'],
  ])('%s is %s', (id, name) => expect(safeName(id)).toBe(name));

  it('is safe whatever an id is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 130 }), (id) => {
        const name = safeName(id);
        expect(name).toMatch(/^[A-Za-z0-9+\-_][A-Za-z0-9+\-._]{0,100}$/);
        expect(name).not.toMatch(/\.$/);
      }),
    );
  });

  it('of a position sorts and reads as one', () => {
    expect(positionName(1.5, -2.25)).toBe('001.500000-02.250000');
    expect(positionName(359.9999999, 0)).toBe('360.000000+00.000000');
  });
});

describe('names of rows', () => {
  it('stay as they are where no other row has them, and have the number of their row where one does', () => {
    const names = new RowNames();
    for (const name of ['a', 'A', 'b', 'a_1']) names.note(name);
    expect([names.of('b', 3), names.of('a', 1), names.of('A', 2), names.of('a_1', 4)]).toEqual([
      'b',
      'a_1_',
      'A_2',
      'a_1',
    ]);
  });

  it('are distinct on every disk, whichever row is asked for first', () => {
    const name = fc.stringMatching(/^[abAB](_[123]{1,2}){0,2}_{0,2}$/);
    fc.assert(
      fc.property(fc.array(name, { maxLength: 40 }), (all) => {
        const names = new RowNames();
        for (const one of all) names.note(one);
        const named = all.map((one, i) => names.of(one, i + 1).toLowerCase());
        expect(new Set(named).size).toBe(all.length);
        expect(all.toReversed().map((one, i) => names.of(one, all.length - i).toLowerCase())).toEqual(
          named.toReversed(),
        );
      }),
    );
  });
});
