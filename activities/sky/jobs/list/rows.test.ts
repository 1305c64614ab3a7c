import { describe, expect, it } from 'vitest';
import { cutoutRow, rowFrom, SwappedColumns, writtenRow } from './rows.ts';

const rowOf = (value: unknown) => {
  const read = rowFrom(value);
  return 'row' in read ? read.row : read.fault;
};

describe('a row', () => {
  it('has its columns by the names that catalogues use, in any case, and others are let alone', () => {
    const expected = { id: '7', ra: 150.1, dec: 2.2, size: null };
    for (const row of [
      { id: '7', ra: '150.1', dec: '2.2' },
      { ID: 7, RA: 150.1, DEC: 2.2, mag: 21.4 },
      { objID: '7', RAJ2000: ' 150.1 ', DEJ2000: '2.2' },
      { COADD_OBJECT_ID: '7', ALPHA: '150.1', Delta: '+2.2' },
      { '# Name': '7', ra_deg: '150.1', de: '2.2' },
      { source_id: 7, ra: '', ra_icrs: '150.1', dec: null, dec_icrs: '2.2' },
    ])
      expect(rowOf(row)).toEqual(expected);
    // The plainest name goes first.
    expect(rowOf({ name: 'M31', id: '7', ra_deg: '1', ra: '150.1', dec: '2.2' })).toEqual(expected);
  });

  it('has hours and degrees as well, a size of its own, and no id where none is told', () => {
    expect(rowOf({ ra: '10:00:24', dec: '-02:12:00', size: '30arcsec' })).toEqual({
      id: null,
      ra: 150.1,
      dec: -2.2,
      size: '30arcsec',
    });
    expect(rowOf({ ra: 1e-7, dec: -1e-7, id: ' ' })).toEqual({ id: null, ra: 1e-7, dec: -1e-7, size: null });
  });

  it.each([
    [{ ra: '1' }, /^dec: is missing; its column is named one of dec, de, /],
    [{ dec: '1', x: '2' }, /^ra: is missing/],
    [{ ra: '361', dec: '1' }, /^The right ascension "361" is none/],
    [{ ra: '1', dec: '91' }, /^The declination "91" is none/],
    [{ ra: '1', dec: 'NaN' }, /^The declination/],
    [{ ra: Number.NaN, dec: 1 }, /^The right ascension/],
    [{ ra: '1', dec: '1', size: '5' }, /^The size "5" is none/],
    [{ ra: '1', dec: '1', id: 'x'.repeat(201) }, /^id: is longer than 200 characters/],
    [{ ra: '1', dec: '1', id: 'a\0b' }, /^id: has NUL/],
    [
      JSON.parse('{"ra": 1, "dec": 1, "id": 3439139134137451521}'),
      /^id: is a number above 2\^53, of which JSON loses/,
    ],
    [{ ra: [1], dec: '1' }, /^ra: is missing/],
    [[1, 2], /^it is no object/],
    [null, /^it is no object/],
    ['1,2', /^it is no object/],
  ])('%j is refused in words', (row, words) => {
    expect(rowOf(row)).toMatch(words);
    expect(cutoutRow.safeParse(row).error?.issues[0]?.message).toMatch(words);
  });

  it('has an id of as many digits as it was written with', () => {
    const id = '3439139134137451521';
    expect(rowOf({ source_id: id, ra: '1', dec: '2' })).toMatchObject({ id });
    expect(rowOf({ id: Number.MAX_SAFE_INTEGER, ra: 1, dec: 2 })).toMatchObject({ id: '9007199254740991' });
  });

  it('that cannot be read is told by what stands in it', () => {
    expect(writtenRow({ ID: 'a'.repeat(300), RA: 'x', other: 1 })).toEqual({
      id: 'a'.repeat(200),
      ra: 'x',
      dec: null,
      size: null,
    });
    expect(writtenRow({ id: 'a\0\ud800', dec: 95 })).toEqual({ id: 'a�', ra: null, dec: '95', size: null });
    expect(writtenRow(7)).toEqual({ id: null, ra: null, dec: null, size: null });
  });
});

describe('swapped columns', () => {
  const problemOf = (rows: readonly unknown[]) => {
    const columns = new SwappedColumns();
    for (const row of rows) columns.add(row);
    return columns.problem;
  };

  it('are told where every declination lies beyond a pole, and the other column would do', () => {
    expect(problemOf([{ ra: '2.2', dec: '150.1' }, { ra: '-5', dec: '359' }, {}])).toEqual({
      code: 'swapped_columns',
      detail: expect.stringMatching(/^All 2 declinations lie beyond ±90°.*ra and dec seem to be swapped/),
    });
    expect(problemOf([{ RA: 2.2, DEC: 150.1 }])?.detail).toMatch(/^The declination lies/);
  });

  it.each([
    [[]],
    [[{}]],
    [[{ ra: '150.1', dec: '2.2' }]],
    // One that is as it should be.
    [
      [
        { ra: '2.2', dec: '150.1' },
        { ra: '2.2', dec: '15' },
      ],
    ],
    // Wrong, but not in that way.
    [[{ ra: '200', dec: '150.1' }]],
    [[{ ra: '2.2', dec: 'x' }]],
    [[{ dec: '150' }]],
  ])('are not %j', (rows) => expect(problemOf(rows)).toBeUndefined());
});
