import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openPicture } from '../testing/film/pictures.ts';
import { planes } from '../testing/film/planes.ts';
import { glance, unlikeness } from './likeness.ts';

const sources = new Map<number, ReturnType<typeof openPicture>>();
/** A drawn picture with the camera so far to the right and down, as shares. */
const seen = (seed: number, x = 0, y = 0) => {
  const source = sources.get(seed) ?? openPicture({ seed, objects: 0 }, 160, 96);
  sources.set(seed, source);
  const target = planes(160, 96);
  source(0, { x: 0.2 + x, y: 0.2 + y, size: 0.5 }, target);
  return glance(target);
};
const seed = fc.integer({ min: 1, max: 12 });
const move = fc.double({ min: -0.1, max: 0.1, noNaN: true });

it('finds a picture like itself, also when the camera has moved', () => {
  fc.assert(
    fc.property(seed, move, move, (number, x, y) => {
      expect(unlikeness(seen(number), seen(number))).toBe(0);
      expect(unlikeness(seen(number), seen(number, x, y))).toBeLessThan(0.4);
    }),
    { numRuns: 30 },
  );
});

it('finds pictures that have nothing to do with each other unlike, whichever comes first', () => {
  fc.assert(
    fc.property(seed, seed, (a, b) => {
      if (a === b) return;
      expect(unlikeness(seen(a), seen(b))).toBeGreaterThan(0.4);
      expect(unlikeness(seen(a), seen(b))).toBeCloseTo(unlikeness(seen(b), seen(a)), 9);
    }),
    { numRuns: 40 },
  );
});
