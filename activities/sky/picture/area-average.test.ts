import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AreaAverage, scaledWithin, sizeWithin } from './area-average.ts';
import { inSinglePrecision, scene } from './testing/scene.ts';

/** By the definition: every pixel's overlap with every other. */
function byDefinition(plane: ReturnType<typeof inSinglePrecision>, width: number, height: number): number[] {
  const overlap = (at: number, from: number, k: number, to: number) =>
    Math.max(0, Math.min((at + 1) * to, (k + 1) * from) - Math.max(at * to, k * from));
  const out: number[] = [];
  for (let Y = 0; Y < height; Y++)
    for (let X = 0; X < width; X++) {
      let sum = 0;
      let area = 0;
      for (let y = 0; y < plane.height; y++)
        for (let x = 0; x < plane.width; x++) {
          const part = overlap(x, plane.width, X, width) * overlap(y, plane.height, Y, height);
          const value = plane.data[y * plane.width + x]!;
          if (part === 0 || !Number.isFinite(value)) continue;
          sum += value * part;
          area += part;
        }
      out.push(area > 0 ? Math.fround(sum / area) : Number.NaN);
    }
  return out;
}

const sizes = fc.record({
  width: fc.integer({ min: 1, max: 17 }),
  height: fc.integer({ min: 1, max: 13 }),
  limit: fc.integer({ min: 1, max: 17 }),
  seed: fc.integer({ min: 1, max: 1000 }),
  strip: fc.integer({ min: 1, max: 5 }),
});

describe('scaling down by area', () => {
  it('is the mean over each pixel, of what is there, whatever strips the rows come in', () => {
    fc.assert(
      fc.property(sizes, ({ width, height, limit, seed, strip }) => {
        const plane = inSinglePrecision(scene({ width, height, seed, peak: 20, sky: 1, noise: 3 }));
        for (let i = seed % 3; i < plane.data.length; i += 4) plane.data[i] = Number.NaN;
        const to = sizeWithin(plane, limit);
        const average = new AreaAverage(plane, to);
        for (let y = 0; y < height; y += strip)
          average.add(plane.data.subarray(y * width, Math.min(height, y + strip) * width));
        const expected = byDefinition(plane, to.width, to.height);
        const made = average.plane();
        expect(made).toMatchObject(to);
        made.data.forEach((value, i) => {
          if (Number.isNaN(expected[i])) expect(value).toBeNaN();
          else
            expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-6 * Math.abs(expected[i]!) + 1e-6);
        });
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the mean of the image, and one value one value', () => {
    fc.assert(
      fc.property(sizes, ({ width, height, limit, seed }) => {
        const mean = (data: Iterable<number>) => {
          const values = [...data];
          return values.reduce((sum, v) => sum + v, 0) / values.length;
        };
        const plane = scene({ width, height, seed, peak: 20, sky: 1, noise: 3 });
        expect(mean(scaledWithin(plane, limit).data)).toBeCloseTo(mean(plane.data), 5);
        const flat = { width, height, data: new Float32Array(width * height).fill(0.1) };
        expect(new Set(scaledWithin(flat, limit).data)).toEqual(new Set([Math.fround(0.1)]));
      }),
    );
  });

  it('never scales up, and keeps the shape', () => {
    expect(sizeWithin({ width: 30, height: 20 }, 30)).toEqual({ width: 30, height: 20 });
    expect(sizeWithin({ width: 30, height: 20 }, 900)).toEqual({ width: 30, height: 20 });
    expect(sizeWithin({ width: 20_000, height: 10_000 }, 1024)).toEqual({ width: 1024, height: 512 });
    expect(sizeWithin({ width: 10_000, height: 3 }, 100)).toEqual({ width: 100, height: 1 });
    const plane = { width: 4, height: 4, data: new Float32Array(16) };
    expect(scaledWithin(plane, 4)).toBe(plane);
    const refused = expect.objectContaining({ code: 'invalid_cutout' });
    expect(() => sizeWithin(plane, 0)).toThrow(refused);
    expect(() => sizeWithin(plane, Number.NaN)).toThrow(refused);
    expect(() => new AreaAverage(plane, { width: 5, height: 4 })).toThrow(refused);
  });

  it('takes no more rows than there are, and gives nothing before all are in', () => {
    const average = new AreaAverage({ width: 3, height: 2 }, { width: 1, height: 1 });
    average.add(new Float32Array(3));
    expect(() => average.plane()).toThrow(RangeError);
    expect(() => average.add(new Float32Array(2))).toThrow(RangeError);
    expect(() => average.add(new Float32Array(6))).toThrow(RangeError);
  });
});
