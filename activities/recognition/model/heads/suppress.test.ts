import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Candidate } from '../detection.ts';
import { intersectionOverUnion, MAX_DETECTIONS, suppress } from './suppress.ts';

const candidate: fc.Arbitrary<Candidate> = fc
  .record({
    classId: fc.integer({ min: 0, max: 2 }),
    score: fc.double({ min: 0, max: 1, noNaN: true }),
    x: fc.integer({ min: 0, max: 50 }),
    y: fc.integer({ min: 0, max: 50 }),
    width: fc.integer({ min: 1, max: 50 }),
    height: fc.integer({ min: 1, max: 50 }),
  })
  .map(({ classId, score, x, y, width, height }) => ({
    classId,
    score,
    x1: x,
    y1: y,
    x2: x + width,
    y2: y + height,
  }));
const candidates = fc.array(candidate, { maxLength: 40 });
const iou = fc.double({ min: 0.05, max: 0.95, noNaN: true });

it('keeps no two boxes of one class over the threshold, and drops none without a better rival', () => {
  fc.assert(
    fc.property(candidates, iou, (all, threshold) => {
      const kept = suppress(all, { iou: threshold, iouAcrossClasses: 1 });
      const rivals = (a: Candidate, b: Candidate) =>
        a.classId === b.classId && intersectionOverUnion(a, b) > threshold;
      for (const [i, a] of kept.entries())
        for (const b of kept.slice(i + 1)) expect(rivals(a, b)).toBe(false);
      for (const dropped of all.filter((c) => !kept.includes(c)))
        expect(kept.some((better) => better.score >= dropped.score && rivals(better, dropped))).toBe(true);
    }),
  );
});

it('keeps no two boxes over the threshold across classes', () => {
  fc.assert(
    fc.property(candidates, iou, (all, threshold) => {
      const kept = suppress(all, { iou: 0.5, iouAcrossClasses: threshold });
      for (const [i, a] of kept.entries())
        for (const b of kept.slice(i + 1)) expect(intersectionOverUnion(a, b)).toBeLessThanOrEqual(threshold);
    }),
  );
});

it('does not depend on the order of the candidates', () => {
  fc.assert(
    fc.property(candidates, (all) => {
      const options = { iou: 0.5, iouAcrossClasses: 0.6 };
      expect(suppress(all.toReversed(), options)).toEqual(suppress(all, options));
    }),
  );
});

it('is bounded when nothing has been sorted out', () => {
  const many = Array.from({ length: 20_000 }, (_, n) => ({
    classId: n % 90,
    score: n / 20_000,
    x1: n,
    y1: 0,
    x2: n + 1,
    y2: 1,
  }));
  const kept = suppress(many, { iou: 0.6, iouAcrossClasses: 0.6 });
  expect(kept).toHaveLength(MAX_DETECTIONS);
  expect(kept[0]?.score).toBe(19_999 / 20_000);
});

it('measures overlap', () => {
  const box = (x1: number, x2: number) => ({ classId: 0, score: 1, x1, y1: 0, x2, y2: 10 });
  expect(intersectionOverUnion(box(0, 10), box(5, 15))).toBeCloseTo(1 / 3);
  expect(intersectionOverUnion(box(0, 10), box(10, 20))).toBe(0);
});
