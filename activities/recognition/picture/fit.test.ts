import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clip, type FitMode, fit, toInput, toSource } from './fit.ts';

const side = fc.integer({ min: 1, max: 20_000 });
const size = fc.record({ width: side, height: side });
const input = fc.record({
  width: fc.integer({ min: 8, max: 1280 }),
  height: fc.integer({ min: 8, max: 1280 }),
});
const mode = fc.constantFrom<FitMode>('letterbox', 'letterbox-topleft', 'stretch');

describe('fit', () => {
  it('lays the picture inside the input', () => {
    fc.assert(
      fc.property(size, input, mode, (source, target, how) => {
        const { left, top, width, height } = fit(source, target, how);
        expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
        expect(Math.min(width, height)).toBeGreaterThanOrEqual(1);
        expect(left + width).toBeLessThanOrEqual(target.width);
        expect(top + height).toBeLessThanOrEqual(target.height);
        // A letterbox touches two sides; nothing is smaller than it needs to be.
        if (how !== 'stretch') expect(width === target.width || height === target.height).toBe(true);
      }),
    );
  });

  it('is undone exactly', () => {
    fc.assert(
      fc.property(
        size,
        input,
        mode,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }),
        (source, target, how, [a = 0, b = 0, c = 0, d = 0]) => {
          const box = {
            x1: a * source.width,
            y1: b * source.height,
            x2: c * source.width,
            y2: d * source.height,
          };
          const placed = fit(source, target, how);
          const back = toSource(toInput(box, placed, source), placed, source);
          for (const corner of ['x1', 'y1', 'x2', 'y2'] as const)
            expect(back[corner]).toBeCloseTo(box[corner], 6);
        },
      ),
    );
  });

  it('centres, and puts to the corner', () => {
    expect(fit({ width: 400, height: 200 }, { width: 100, height: 100 }, 'letterbox')).toEqual({
      left: 0,
      top: 25,
      width: 100,
      height: 50,
    });
    expect(fit({ width: 400, height: 200 }, { width: 100, height: 100 }, 'letterbox-topleft')).toEqual({
      left: 0,
      top: 0,
      width: 100,
      height: 50,
    });
  });
});

describe('clip', () => {
  it('leaves what lies inside the picture, or nothing', () => {
    const coordinate = fc.double({ min: -500, max: 500, noNaN: true });
    fc.assert(
      fc.property(size, coordinate, coordinate, coordinate, coordinate, (source, x1, y1, x2, y2) => {
        const box = clip({ x1, y1, x2, y2 }, source);
        if (box === undefined) return;
        expect(Math.min(box.x, box.y)).toBeGreaterThanOrEqual(0);
        expect(box.x + box.width).toBeLessThanOrEqual(source.width + 1e-9);
        expect(box.y + box.height).toBeLessThanOrEqual(source.height + 1e-9);
      }),
    );
    expect(clip({ x1: -10, y1: -10, x2: -1, y2: 50 }, { width: 10, height: 10 })).toBeUndefined();
  });
});
