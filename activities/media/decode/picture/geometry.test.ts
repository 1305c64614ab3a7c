import { placedSize } from '@darkroom/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orientationOf, shownSize, squareSize, upright } from './geometry.ts';

/** a b u, c d v, x y w as 16.16 and 2.30 fixed point. */
function matrix(a: number, b: number, c: number, d: number): Buffer {
  const bytes = Buffer.alloc(36);
  for (const [n, value] of [a, b, 0, c, d, 0, 0, 0, 1].entries())
    bytes.writeInt32LE(Math.round(value * (n % 3 === 2 ? 2 ** 30 : 65_536)), 4 * n);
  return bytes;
}

describe('a display matrix', () => {
  it('turns by the nearest right angle', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 90, 180, 270),
        fc.double({ min: -40, max: 40, noNaN: true }),
        (right, off) => {
          const angle = ((right + off) * Math.PI) / 180;
          const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
          const found = orientationOf(matrix(cos, sin, -sin, cos));
          expect(found.rotation).toBe(right);
          expect(found.turned).toBe(right % 180 === 90);
        },
      ),
    );
  });

  it('mirrors', () => {
    expect(orientationOf(matrix(-1, 0, 0, 1)).filters).toEqual(['hflip']);
    expect(orientationOf(matrix(0, 1, 1, 0)).filters).toEqual(['transpose=cclock_flip']);
  });

  it('without sense leaves the picture as it is', () => {
    expect(orientationOf(null)).toBe(upright);
    expect(orientationOf(Buffer.alloc(36))).toBe(upright);
    expect(orientationOf(Buffer.alloc(8))).toBe(upright);
  });
});

describe('sizes', () => {
  it('with square pixels lose nothing', () => {
    expect(squareSize({ width: 720, height: 576 }, 64 / 45)).toEqual({ width: 1024, height: 576 });
    expect(squareSize({ width: 720, height: 480 }, 8 / 9)).toEqual({ width: 720, height: 540 });
    for (const aspect of [0, -1, Number.NaN, 1e-6, 1e6, Number.POSITIVE_INFINITY])
      expect(squareSize({ width: 4, height: 3 }, aspect)).toEqual({ width: 4, height: 3 });
    const turned = orientationOf(matrix(0, 1, -1, 0));
    expect(shownSize({ width: 720, height: 576 }, 64 / 45, turned)).toEqual({ width: 576, height: 1024 });
  });

  it('in a model fit its room and touch it', () => {
    const side = fc.integer({ min: 1, max: 9000 });
    fc.assert(
      fc.property(side, side, side, side, (width, height, roomWidth, roomHeight) => {
        const room = { width: roomWidth, height: roomHeight, fit: 'letterbox' } as const;
        const placed = placedSize(room, { width, height });
        expect(Math.min(placed.width, placed.height)).toBeGreaterThanOrEqual(1);
        expect(placed.width <= roomWidth && placed.height <= roomHeight).toBe(true);
        expect(placed.width === roomWidth || placed.height === roomHeight).toBe(true);
      }),
    );
    expect(placedSize({ width: 30, height: 50, fit: 'stretch' }, { width: 9, height: 9 })).toEqual({
      width: 30,
      height: 50,
    });
  });
});
