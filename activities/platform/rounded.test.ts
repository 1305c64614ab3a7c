import { expect, it } from 'vitest';
import { rounded, roundedSeconds } from './rounded.ts';

it('leaves out what is noise, and the sign of nothing', () => {
  expect(rounded(60.23110992711411, 2)).toBe(60.23);
  expect(roundedSeconds(-0.020000000000000018)).toBe(-0.02);
  expect(roundedSeconds(1001 / 24_000)).toBe(0.041_708);
  expect(Object.is(rounded(-0.0001, 2), 0)).toBe(true);
  expect(rounded(1e21, 2)).toBe(1e21);
});
