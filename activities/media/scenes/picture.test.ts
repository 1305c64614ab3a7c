import fc from 'fast-check';
import { expect, it } from 'vitest';
import { smallSize } from './picture.ts';

it('keeps the aspect of usual videos at about the same number of pixels', () => {
  expect(smallSize(1920, 1080)).toEqual({ width: 160, height: 90 });
  expect(smallSize(1080, 1920)).toEqual({ width: 90, height: 160 });
  expect(smallSize(640, 480)).toEqual({ width: 138, height: 104 });
});

it('is even and within bounds for any size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 20_000 }), (width, height) => {
      const small = smallSize(width, height);
      for (const side of [small.width, small.height]) {
        expect(side % 2).toBe(0);
        expect(side).toBeGreaterThanOrEqual(32);
        expect(side).toBeLessThanOrEqual(320);
      }
    }),
  );
});
