import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FoundBoundary } from '../scenes/scenes.ts';
import { Candidates } from './candidates.ts';
import { type ClosedScene, Segmenter } from './segmenter.ts';

const full = 1920 * 1080 * 1.5;

interface Film {
  /** Seconds between frames, over and over. */
  readonly steps: readonly number[];
  /** Seconds of the scenes. */
  readonly scenes: readonly number[];
  /** Seconds that the detector is behind, over and over. */
  readonly lags: readonly number[];
}

interface Chosen extends ClosedScene {
  readonly chosen: number | undefined;
  /** Largest step between two frames of the scene, seconds. */
  readonly step: number;
}

/** Runs a made-up film through segmenter and candidates; checks that every frame is released once. */
function run(film: Film, { bytes = full, budget = 256e6, shortest = 0.5, longest = 600 } = {}) {
  const held = new Set<number>();
  let most = 0;
  const candidates = new Candidates<{ release(): void }>(budget);
  const segmenter = new Segmenter({ shortest, longest });
  const results: Chosen[] = [];
  const length = film.scenes.reduce((sum, scene) => sum + scene, 0);
  const edges: number[] = [];
  for (const scene of film.scenes.slice(0, -1)) edges.push((edges.at(-1) ?? 0) + scene);
  const times: number[] = [];
  const close = (scene: ClosedScene) => {
    const chosen = candidates.nearest(scene.at, scene.end)?.at;
    const inside = [...times.filter((at) => at >= scene.at && at < scene.end), scene.end];
    const step = inside.reduce((most, at, n) => (n === 0 ? most : Math.max(most, at - inside[n - 1]!)), 0);
    results.push({ ...scene, chosen, step });
  };
  let waiting: FoundBoundary[] = [];
  let settled = Number.NEGATIVE_INFINITY;
  for (let index = 0, at = 0; at < length; at += film.steps[index % film.steps.length]!, index++) {
    times.push(at);
    while (edges.length > 0 && edges[0]! <= at) {
      edges.shift();
      waiting.push({ at, kind: 'cut', score: 2, transition: { from: at, to: at } });
    }
    settled = Math.max(settled, at - film.lags[index % film.lags.length]!);
    segmenter.pass(at);
    const found = waiting.filter((boundary) => boundary.at < settled);
    waiting = waiting.filter((boundary) => boundary.at >= settled);
    for (const scene of segmenter.advance(found, settled)) close(scene);
    const outlook = segmenter.outlook(settled)!;
    const frame = {
      release() {
        expect(held.delete(index)).toBe(true);
      },
    };
    held.add(index);
    candidates.add({ index, at, frame }, bytes, outlook);
    most = Math.max(most, held.size);
  }
  for (const scene of segmenter.finish(waiting, length)) close(scene);
  candidates.release();
  expect(held.size).toBe(0);
  return { results, most };
}

const offset = ({ at, end, chosen }: Chosen) => Math.abs(chosen! - (at + end) / 2);
const allowed = ({ at, end, step }: Chosen) => Math.max(step, (end - at) / 100) + 1e-9;

const rate = fc.constantFrom(24, 25, 30, 1000 / 33);
const lag = fc.double({ min: 0.05, max: 0.4, noNaN: true });

describe('at 1080p and 256 MB', () => {
  it('the frame is within one frame or a hundredth of the scene of its middle, whatever the scenes', () => {
    fc.assert(
      fc.property(
        rate,
        fc.array(fc.double({ min: 0.04, max: 90, noNaN: true }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.oneof(lag, fc.double({ min: 0.4, max: 2.4, noNaN: true })), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        (fps, scenes, lags, shortest) => {
          const { results, most } = run({ steps: [1 / fps], scenes, lags }, { shortest });
          expect(most).toBeLessThanOrEqual(Math.floor(256e6 / full) + 1);
          for (const scene of results) {
            if (scene.chosen === undefined) expect(scene.end - scene.at).toBeLessThan(4 / fps);
            else expect(offset(scene), JSON.stringify(scene)).toBeLessThanOrEqual(allowed(scene));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('also at 50 and 60 frames a second, while nothing gradual is suspected', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(50, 59.94, 60),
        fc.array(fc.double({ min: 0.5, max: 60, noNaN: true }), { minLength: 1, maxLength: 5 }),
        fc.array(lag, { minLength: 1, maxLength: 4 }),
        (fps, scenes, lags) => {
          for (const scene of run({ steps: [1 / fps], scenes, lags }).results)
            expect(offset(scene), JSON.stringify(scene)).toBeLessThanOrEqual(allowed(scene));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('also with a variable frame rate', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.02, max: 0.5, noNaN: true }), { minLength: 1, maxLength: 30 }),
        fc.array(fc.double({ min: 0.6, max: 90, noNaN: true }), { minLength: 1, maxLength: 5 }),
        lag,
        (steps, scenes, behind) => {
          for (const scene of run({ steps, scenes, lags: [behind] }).results)
            expect(offset(scene), JSON.stringify(scene)).toBeLessThanOrEqual(allowed(scene));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('also in two hours without a cut', () => {
    const { results } = run({ steps: [0.4], scenes: [7200], lags: [0.2, 1.7] }, { longest: 1e9 });
    expect(results.length).toBe(1);
    expect(offset(results[0]!)).toBeLessThanOrEqual(72);
  });
});

it('holds no more than its budget, and ever has a frame of every scene that lasts', () => {
  fc.assert(
    fc.property(
      rate,
      fc.array(fc.double({ min: 1, max: 60, noNaN: true }), { minLength: 1, maxLength: 4 }),
      fc.double({ min: 0.1, max: 2.4, noNaN: true }),
      fc.integer({ min: 1, max: 200 }),
      (fps, scenes, behind, frames) => {
        const { results, most } = run(
          { steps: [1 / fps], scenes, lags: [behind] },
          { bytes: 1, budget: frames },
        );
        expect(most).toBeLessThanOrEqual(Math.min(96, Math.max(6, frames)) + 1);
        const pieces = Math.max(1, Math.floor((3 * Math.min(96, frames)) / 8) - 1);
        for (const scene of results) {
          const length = scene.end - scene.at;
          if (length < 5) continue;
          expect(offset(scene) / length).toBeLessThan(2 ** (1 / pieces) - 1 + 2 / fps);
        }
      },
    ),
    { numRuns: 30 },
  );
});
