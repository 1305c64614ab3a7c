import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cardLength, formatCard, realCard } from './cards.ts';

const format = (keyword: string, value: Parameters<typeof formatCard>[0]['value'], comment = '') =>
  formatCard({ keyword, value, comment });

it.each([
  ['NAXIS1', 10000, 'pixels', 'NAXIS1  =                10000 / pixels'],
  ['SIMPLE', true, '', 'SIMPLE  =                    T'],
  ['GAIN', 0.1, '', 'GAIN    =                  0.1'],
  ['TINY', 1e-10, '', 'TINY    =              1.0E-10'],
  ['HUGE', 1.5e300, '', 'HUGE    =             1.5E+300'],
  ['MINUS', -0, '', 'MINUS   =                 -0.0'],
  ['BIG', 12345678901234567890n, '', 'BIG     = 12345678901234567890'],
  ['OBJECT', "O'Neill", 'who', "OBJECT  = 'O''Neill'           / who"],
  ['BUNIT', 'Jy', '', "BUNIT   = 'Jy      '"],
  ['UNKNOWN', undefined, 'why', 'UNKNOWN =                      / why'],
  ['ESO DET GAIN', 2.5, 'e/ADU', 'HIERARCH ESO DET GAIN = 2.5 / e/ADU'],
  ['OBSERVATORY', 'CTIO', '', "HIERARCH OBSERVATORY = 'CTIO'"],
  ['HISTORY', undefined, 'as it was', 'HISTORY as it was'],
  ['', undefined, 'loose words', '        loose words'],
  ['AUTHOR', 'Ångström', '', "AUTHOR  = '?ngstr?m'"],
])('writes %s = %s / %s', (keyword, value, comment, text) => {
  expect(format(keyword, value, comment)).toBe(text.padEnd(cardLength));
});

it('writes a whole number as a floating-point one where it is asked for', () => {
  expect(realCard('CRPIX1', 5000, 'reference').raw?.trimEnd()).toBe(
    'CRPIX1  =               5000.0 / reference',
  );
});

it('goes on in CONTINUE cards, and parts no doubled quote', () => {
  const text = `${'x'.repeat(66)}''${'y'.repeat(80)}`;
  const cards = format('LONG', text, 'note').match(/.{80}/g)!;
  expect(cards.map((card) => card.slice(0, 10))).toEqual(['LONG    = ', 'CONTINUE  ', 'CONTINUE  ']);
  const parts = cards.map((card) => /'((?:[^']|'')*)'/.exec(card)![1]!);
  expect(parts.slice(0, -1).every((part) => part.endsWith('&'))).toBe(true);
  expect(parts.map((part) => part.replace(/&$/, '').replaceAll("''", "'")).join('')).toBe(text);
  expect(cards.at(-1)).toMatch(/ \/ note *$/);
});

it('breaks commentary at words', () => {
  const cards = format('COMMENT', undefined, 'word '.repeat(30).trim());
  expect(cards.length).toBe(3 * cardLength);
  expect(cards.slice(0, 80).trimEnd()).toBe(`COMMENT ${'word '.repeat(14).trim()}`);
});

it('cuts a comment that finds no room, and copies a card that was read as it is', () => {
  expect(format('A', 1, 'c'.repeat(100))).toHaveLength(cardLength);
  const raw = 'A       = 1.00000000000000E+00'.padEnd(80);
  expect(formatCard({ keyword: 'A', value: 1, comment: '', raw })).toBe(raw);
});

it.each([
  'KEY.DOT =                    1',
  'BAD KEY =                    1',
  "HALF    = 'no end",
  'WORDS   = no quotes',
  "CONTINUE  'of nothing'",
  'END of it= 5',
])('makes a comment of what was read and is no card: %s', (text) => {
  const written = formatCard({ keyword: 'ANY', value: 1, comment: '', raw: text.padEnd(80) });
  expect(written).toBe(`COMMENT ${text}`.padEnd(80));
});

it.each([
  ['lower   =                    1 / one', 'LOWER   =                    1 / one'],
  ["STRING  = 'it''s / so'         / yes", undefined],
  ['COMPLEX =           (1.0, -2E5) / two', undefined],
  ['EXPONENT=               1.5D-03', undefined],
  ['NOTHING =                      / yet', undefined],
  ['HISTORY = no value', undefined],
  ['HIERARCH ESO a.b = 5', undefined],
  ['WORDS   without a value', undefined],
])('copies %s', (text, wanted) => {
  const written = formatCard({ keyword: 'ANY', value: 1, comment: '', raw: text.padEnd(80) });
  expect(written).toBe((wanted ?? text).padEnd(80));
});

it('refuses what a header cannot hold', () => {
  const refusal = expect.objectContaining({ code: 'invalid_fits' });
  expect(() => format('A', Number.NaN)).toThrow(refusal);
  expect(() => realCard('A', Number.POSITIVE_INFINITY)).toThrow(refusal);
  expect(() => format('A=B', 1)).toThrow(refusal);
  expect(() => format('A'.repeat(90), 1)).toThrow(refusal);
});

it('writes any number so that it reads back as the same', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = format('A', value).slice(10).trim();
      expect(text).toMatch(/^-?\d+(\.\d+(E[+-]\d+)?)?$/);
      expect(Object.is(Number(text), value)).toBe(true);
    }),
  );
});
