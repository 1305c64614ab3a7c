import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coalesce } from './ranges.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('ranges', () => {
  it.each([
    [
      'that touch or overlap are one',
      [
        [0, 10],
        [10, 20],
        [15, 18],
      ],
      [[0, 20]],
    ],
    [
      'with a small gap are one',
      [
        [0, 10],
        [10 + 64 * KIB, 80 * KIB],
      ],
      [[0, 80 * KIB]],
    ],
    [
      'with a larger gap are two',
      [
        [0, 10],
        [11 + 64 * KIB, 80 * KIB],
      ],
      [
        [0, 10],
        [11 + 64 * KIB, 80 * KIB],
      ],
    ],
    [
      'beyond two are made two over their smallest gaps',
      [
        [0, 10],
        [200 * KIB, 210 * KIB],
        [500 * KIB, 501 * KIB],
      ],
      [
        [0, 210 * KIB],
        [500 * KIB, 501 * KIB],
      ],
    ],
    [
      'stay apart where gaps are large',
      [
        [0, 10],
        [4 * MIB, 4 * MIB + 1],
        [8 * MIB, 9 * MIB],
      ],
      [
        [0, 10],
        [4 * MIB, 4 * MIB + 1],
        [8 * MIB, 9 * MIB],
      ],
    ],
    [
      'are no longer than 8 MiB together',
      [
        [0, 5 * MIB],
        [5 * MIB, 9 * MIB],
      ],
      [
        [0, 5 * MIB],
        [5 * MIB, 9 * MIB],
      ],
    ],
  ])('%s', (_, pieces, wanted) => {
    expect(coalesce(pieces.map(([start = 0, end = 0]) => ({ start, end })))).toEqual(
      wanted.map(([start, end]) => ({ start, end })),
    );
  });

  it('hold every piece whole, in order, and no more than what is between pieces', () => {
    const piece = fc.tuple(fc.nat(20 * MIB), fc.integer({ min: 1, max: 3 * MIB }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (list) => {
        const pieces = list
          .map(([start, length]) => ({ start, end: start + length }))
          .sort((a, b) => a.start - b.start);
        const ranges = coalesce(pieces);
        let at = 0;
        for (const { start, end } of pieces) {
          while (at < ranges.length && !(ranges[at]!.start <= start && end <= ranges[at]!.end)) at++;
          expect(at).toBeLessThan(ranges.length);
        }
        for (const { start, end } of ranges) {
          expect(pieces.some((p) => p.start === start) && pieces.some((p) => p.end === end)).toBe(true);
          expect(end - start).toBeLessThanOrEqual(8 * MIB);
        }
      }),
    );
  });
});
