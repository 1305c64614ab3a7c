import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { finiteSample, quantileOf, resolveLevels } from './levels.ts';

const values = fc.array(
  fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  {
    minLength: 1,
    maxLength: 60,
  },
);

describe('levels', () => {
  it('are linear between the sorted values, however often one is there', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (given, quantile) => {
        const sorted = given.toSorted((a, b) => a - b);
        const at = quantile * (sorted.length - 1);
        const low = sorted[Math.floor(at)]!;
        const high = sorted[Math.ceil(at)]!;
        const expected = low + (high - low) * (at - Math.floor(at));
        expect(quantileOf(Float64Array.from(given), quantile)).toBeCloseTo(expected, 6);
      }),
    );
  });

  it('come from every nth finite value where there are too many, and leave the plane as it is', () => {
    const data = Float32Array.from({ length: 100 }, (_, i) => (i % 4 === 3 ? Number.NaN : i));
    const plane = { width: 10, height: 10, data };
    expect(finiteSample(plane).length).toBe(75);
    // 75 values, at most 20: every fourth of them.
    const sample = finiteSample(plane, 20);
    expect([...sample].slice(0, 4)).toEqual([0, 5, 10, 16]);
    expect(sample.length).toBe(19);
    const whole = { width: 4, height: 1, data: Float32Array.of(4, 1, 3, 2) };
    expect(resolveLevels(whole, [{ type: 'quantile', quantile: 0.5 }])).toEqual([2.5]);
    expect([...whole.data]).toEqual([4, 1, 3, 2]);
  });
});
