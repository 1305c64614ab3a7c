import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { remainingOfEstimate, remainingSeconds } from './remaining.ts';

const seconds = fc.double({ min: 0.001, max: 1e6, noNaN: true });
const estimate = fc
  .tuple(seconds, fc.double({ min: 1, max: 20, noNaN: true }))
  .map(([p50, spread]) => ({ p50, p90: p50 * spread }));
const elapsed = fc.double({ min: 0, max: 1e7, noNaN: true });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('remainingSeconds', () => {
  it('is above 0 and finite, whatever a run has done and however long it is at work', () => {
    fc.assert(
      fc.property(elapsed, share, fc.option(estimate, { nil: undefined }), (worked, done, prior) => {
        const left = remainingSeconds({ elapsed: worked, done, prior });
        if (prior === undefined && (done < 1e-6 || worked === 0)) expect(left).toBeNull();
        else expect(left !== null && left > 0 && Number.isFinite(left)).toBe(true);
      }),
    );
  });

  it('is the estimate where nothing is done, and the rate of the run where all but everything is', () => {
    fc.assert(
      fc.property(estimate, elapsed, (prior, worked) => {
        const begun = remainingSeconds({ elapsed: 0, done: 0, prior });
        expect(begun).toBeCloseTo(Math.max(0.5, prior.p50), 6);
        const unmoved = remainingSeconds({ elapsed: worked, done: 0, prior })!;
        expect(unmoved).toBeCloseTo(Math.max(0.5, remainingOfEstimate(prior, worked)), 6);
        const done = 0.9999;
        const own = Math.max(0.5, (worked * (1 - done)) / done);
        const almost = remainingSeconds({ elapsed: worked, done, prior })!;
        if (worked > 0) expect(Math.abs(Math.log(almost / own))).toBeLessThan(0.4);
      }),
    );
  });

  it('lies between what the estimate says and what the rate says', () => {
    fc.assert(
      fc.property(estimate, elapsed, share, (prior, worked, done) => {
        fc.pre(worked > 0 && done >= 1e-6);
        const expected = Math.max(0.5, remainingOfEstimate(prior, worked));
        const own = Math.max(0.5, (worked * (1 - done)) / done);
        const left = remainingSeconds({ elapsed: worked, done, prior })!;
        expect(left).toBeGreaterThanOrEqual(Math.min(expected, own) * 0.999);
        expect(left).toBeLessThanOrEqual(Math.max(expected, own) * 1.001);
      }),
    );
  });

  it('goes the more by the rate, the more is done and the less sure the estimate was', () => {
    const at = (done: number, p90: number) =>
      remainingSeconds({ elapsed: 300 * done, done, prior: { p50: 100, p90 } })! / (300 * (1 - done));
    // A job that takes three times its estimate: the share of what it still takes that is told.
    const told = [0.2, 0.5, 0.8, 0.98].map((done) => at(done, 150));
    for (let i = 1; i < told.length; i++) expect(told[i]!).toBeGreaterThan(told[i - 1]!);
    expect(told.at(-1)!).toBeGreaterThan(0.85);
    expect(at(0.2, 400)).toBeGreaterThan(at(0.2, 120));
  });
});

describe('remainingOfEstimate', () => {
  it('of a job beyond its p90 is no less than a part of what it has worked', () => {
    const prior = { p50: 60, p90: 90 };
    expect(remainingOfEstimate(prior, 30)).toBeLessThan(40);
    expect(remainingOfEstimate(prior, 91)).toBeGreaterThan(5);
    expect(remainingOfEstimate(prior, 900)).toBeGreaterThan(90);
  });

  it('ends no job earlier that has worked longer', () => {
    fc.assert(
      fc.property(estimate, elapsed, elapsed, (prior, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const ends = (worked: number) => worked + remainingOfEstimate(prior, worked);
        expect(ends(more)).toBeGreaterThanOrEqual(ends(less) * (1 - 1e-9));
      }),
    );
  });
});
