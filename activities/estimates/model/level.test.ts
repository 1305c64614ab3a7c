import fc from 'fast-check';
import { expect, test } from 'vitest';
import { levelled } from './level.ts';

const errors = (values: readonly number[]) => values.map((value) => ({ value, weight: 1 }));
/** Errors of a spread of 0.2, by turns on both sides. */
const chance = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => 0.2 * Math.sin(12.9898 * (i + 1) ** 2));

test('errors that chance alone moves have no level, and stay as they are', () => {
  const { level, errors: off } = levelled(errors(chance(100)));
  expect(level).toBe(0);
  expect(off.map(({ value }) => value)).toEqual(chance(100));
  expect(levelled([])).toMatchObject({ level: 0, errors: [] });
});

test('what has been slower for a while is the level, and does not count as a spread', () => {
  const slower = [...chance(80), ...chance(40).map((value) => value + 0.6)];
  const { level, errors: off } = levelled(errors(slower));
  expect(level).toBeGreaterThan(0.4);
  expect(level).toBeLessThan(0.8);
  const late = off.slice(-20).map(({ value }) => value);
  expect(Math.abs(late.reduce((sum, value) => sum + value, 0) / 20)).toBeLessThan(0.15);
});

test('one that lies far off moves the level by little, however far', () => {
  const before = [...chance(80), ...chance(40).map((value) => value + 0.6)];
  const { level } = levelled(errors(before));
  for (const far of [7, 700]) {
    const { level: since } = levelled(errors([...before, far]));
    expect(Math.abs(since - level)).toBeLessThan(0.25);
  }
});

test('the level lies among the errors, and there is one of each', () => {
  const values = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(values, (all) => {
      const { level, errors: off } = levelled(errors(all));
      expect(off).toHaveLength(all.length);
      expect(level).toBeGreaterThanOrEqual(Math.min(0, ...all));
      expect(level).toBeLessThanOrEqual(Math.max(0, ...all));
    }),
  );
});
