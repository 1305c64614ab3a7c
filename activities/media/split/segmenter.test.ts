import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FoundBoundary } from '../scenes/scenes.ts';
import { type ClosedScene, Segmenter, type SegmenterState } from './segmenter.ts';

const cut = (at: number, score = 1): FoundBoundary => ({
  at,
  kind: 'cut',
  score,
  transition: { from: at, to: at },
});

/** A video of frames every tenth of a second, as a detector that is `lag` frames behind tells it. */
interface Told {
  readonly frames: number;
  readonly lag: number;
  readonly cuts: ReadonlyMap<number, number>;
}
const second = (frame: number) => frame / 10;

function* tell({ frames, lag, cuts }: Told, segmenter: Segmenter, from = 0): Generator<ClosedScene> {
  const told = (n: number) => (cuts.has(n) ? [cut(second(n), cuts.get(n)!)] : []);
  for (let n = from; n < frames; n++) {
    segmenter.pass(second(n));
    yield* segmenter.advance(told(n - lag), second(n - lag + 1));
  }
  const rest = Array.from({ length: lag }, (_, n) => told(frames - lag + n)).flat();
  yield* segmenter.finish(rest, second(frames));
}
const scenesOf = (told: Told, shortest = 0.5, longest = 60) => [
  ...tell(told, new Segmenter({ shortest, longest })),
];
const starts = (scenes: readonly ClosedScene[]) => scenes.map(({ at }) => at);

describe('scenes', () => {
  it('are what lies between boundaries', () => {
    const scenes = scenesOf({
      frames: 100,
      lag: 3,
      cuts: new Map([
        [20, 4],
        [50, 2],
      ]),
    });
    expect(scenes.map(({ number, at, end, begins, score }) => [number, at, end, begins, score])).toEqual([
      [1, 0, 2, 'start', null],
      [2, 2, 5, 'cut', 4],
      [3, 5, 10, 'cut', 2],
    ]);
  });

  it('begin at the stronger of two boundaries that are too close', () => {
    expect(
      starts(
        scenesOf({
          frames: 100,
          lag: 3,
          cuts: new Map([
            [20, 2],
            [23, 5],
          ]),
        }),
      ),
    ).toEqual([0, 2.3]);
    expect(
      starts(
        scenesOf({
          frames: 100,
          lag: 3,
          cuts: new Map([
            [20, 5],
            [23, 2],
          ]),
        }),
      ),
    ).toEqual([0, 2]);
  });

  it('have none too close to the start or the end of the video', () => {
    expect(
      starts(
        scenesOf({
          frames: 100,
          lag: 3,
          cuts: new Map([
            [4, 9],
            [97, 9],
          ]),
        }),
      ),
    ).toEqual([0]);
  });

  it('begin with a boundary where they would be divided at the same time', () => {
    const divided = scenesOf({ frames: 100, lag: 3, cuts: new Map([[60, 1]]) }, 0, 6);
    expect(divided.map(({ at, begins }) => [at, begins])).toEqual([
      [0, 'start'],
      [6, 'cut'],
    ]);
  });

  it('are divided where they have run too long, unless a boundary follows soon', () => {
    const divided = scenesOf({ frames: 180, lag: 3, cuts: new Map([[121, 1]]) }, 0.5, 6);
    expect(divided.map(({ at, begins }) => [at, begins])).toEqual([
      [0, 'start'],
      [6, 'divided'],
      [12.1, 'cut'],
    ]);
  });
});

const video: fc.Arbitrary<Told> = fc.record({
  frames: fc.integer({ min: 1, max: 400 }),
  lag: fc.integer({ min: 1, max: 20 }),
  cuts: fc
    .array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.double({ min: 1, max: 9, noNaN: true })), {
      maxLength: 40,
    })
    .map((cuts) => new Map(cuts)),
});
const lengths = fc.record({
  shortest: fc.double({ min: 0, max: 8, noNaN: true }),
  longest: fc.double({ min: 5, max: 30, noNaN: true }),
});

it('lays scenes end to end over the video, none shorter or longer than allowed', () => {
  fc.assert(
    fc.property(video, lengths, (told, { shortest, longest }) => {
      const scenes = scenesOf(told, shortest, longest);
      const least = Math.min(shortest, longest / 2);
      expect(scenes[0]!.at).toBe(0);
      expect(scenes.at(-1)!.end).toBe(second(told.frames));
      for (const [n, { number, at, end }] of scenes.entries()) {
        expect(number).toBe(n + 1);
        if (n > 0) expect(at).toBe(scenes[n - 1]!.end);
        expect(end).toBeGreaterThan(at);
        if (scenes.length > 1) expect(end - at).toBeGreaterThanOrEqual(least - 1e-9);
        // Each boundary that gives way to a stronger one lets it go on for `least`, and so does the end; times are those of frames.
        const within = [...told.cuts.keys()].filter((cut) => second(cut) > at && second(cut) <= end).length;
        expect(end - at).toBeLessThan(longest + (1 + within) * (least + 0.1) + 0.1 + 1e-9);
      }
      for (const at of told.cuts.keys())
        if (shortest === 0 && at < told.frames) expect(starts(scenes)).toContain(second(at));
    }),
  );
});

it('drops a boundary only next to one at least as strong, the start or the end', () => {
  fc.assert(
    fc.property(video, lengths, (told, { shortest, longest }) => {
      const scenes = scenesOf(told, shortest, longest);
      const least = Math.min(shortest, longest / 2);
      for (const [frame, score] of told.cuts) {
        const at = second(frame);
        if (frame >= told.frames || starts(scenes).includes(at)) continue;
        const rivals = [...told.cuts].some(
          ([other, strength]) =>
            other !== frame && Math.abs(second(other) - at) <= least && strength >= score,
        );
        expect(rivals || at < least || second(told.frames) - at < least).toBe(true);
      }
    }),
  );
});

it('goes on from the state behind any scene with the scenes that were to come', () => {
  fc.assert(
    fc.property(video, lengths, fc.nat(), (told, { shortest, longest }, pick) => {
      const whole = scenesOf(told, shortest, longest);
      const first = new Segmenter({ shortest, longest });
      let passed = -1;
      let state: SegmenterState | undefined;
      const stop = pick % whole.length;
      let count = 0;
      const pass = first.pass.bind(first);
      first.pass = (at) => {
        passed = Math.round(at * 10);
        pass(at);
      };
      for (const _scene of tell(told, first)) {
        if (count++ < stop) continue;
        state = first.state;
        break;
      }
      // The frame with which the scene became certain is told again.
      const ended = stop === whole.length - 1;
      const again = new Segmenter({ shortest, longest }, JSON.parse(JSON.stringify(state)));
      const rest = ended ? [] : [...tell(told, again, passed)];
      expect(rest).toEqual(whole.slice(stop + 1));
    }),
  );
});
