import { type VideoOptions, videoOptions } from '@darkroom/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { statisticsHeader } from '../scenes/statistics.ts';
import { FakeReader, type FakeVideo, fakeFrames } from '../testing/fake-reader.ts';
import { type SplitCursor, splitCursor } from './cursor.ts';
import { type SplitEvent, type SplitRequest, split } from './split.ts';

const request = (options: Partial<VideoOptions> = {}, candidateBytes = 80_000): SplitRequest => ({
  options: { ...videoOptions.parse({}), ...options },
  room: { width: 640, height: 640, fit: 'letterbox' },
  candidateBytes,
});

/** The events of a pass but for `progress`, by a clock that stands still: a slow machine tells its place more often. Checks that no frame stays behind. */
function events(reader: FakeReader, asked: SplitRequest, cursor?: SplitCursor): SplitEvent[] {
  const all = [...split(reader, asked, cursor, () => 0)].filter(({ type }) => type !== 'progress');
  expect(reader.held).toBe(0);
  return all;
}
const scenes = (all: readonly SplitEvent[]) =>
  all.flatMap((event) => (event.type === 'scene' ? [event] : []));

const shots = (lengths: readonly number[]) => lengths.map((length, look) => ({ length, look }));

describe.each(['exact', 'fast'] as const)('a pass, %s', (mode) => {
  it('gives every scene with the frame in its middle', () => {
    const video: FakeVideo = { shots: shots([41, 61, 101]), steps: [0.04], gop: 50 };
    const all = scenes(events(new FakeReader(video), request({ mode })));
    expect(all.map(({ number, scene: { start, end, begins } }) => [number, start, end, begins])).toEqual([
      [1, 0, expect.closeTo(1.64), 'start'],
      [2, expect.closeTo(1.64), expect.closeTo(4.08), 'cut'],
      [3, expect.closeTo(4.08), expect.closeTo(8.12), 'cut'],
    ]);
    for (const { scene, image, input } of all) {
      const { at, pts, offset } = scene.frame;
      expect(Math.abs(offset)).toBeLessThan(mode === 'fast' ? 1 : 0.04);
      expect(at - (scene.start + scene.end) / 2).toBeCloseTo(offset, 5);
      expect(JSON.stringify(scene)).not.toMatch(/\d\.\d{7}/);
      expect([image.toString(), input.toString()]).toEqual([`jpeg ${pts}`, `input 640 ${pts}`]);
    }
  });

  it('keeps to the range that is asked for', () => {
    const video: FakeVideo = { shots: shots([100, 100, 100]), steps: [0.04], gop: 30 };
    const all = events(new FakeReader(video), request({ mode, from: 2.5, to: 9 }));
    expect(scenes(all).map(({ scene: { start, end } }) => [start, end])).toEqual([
      [expect.closeTo(2.52), expect.closeTo(4)],
      [expect.closeTo(4), expect.closeTo(8)],
      [expect.closeTo(8), 9],
    ]);
    expect(all.at(-1)).toMatchObject({ type: 'end', at: 9 });
  });

  it('takes a video of one frame, and a range without any', () => {
    const video: FakeVideo = { shots: shots([1]), steps: [0.04], gop: 1 };
    const one = scenes(events(new FakeReader(video), request({ mode })));
    expect(one.map(({ scene }) => scene)).toMatchObject([{ start: 0, end: 0.04, frame: { at: 0 } }]);
    expect(events(new FakeReader(video), request({ mode, from: 5 }))).toMatchObject([{ type: 'end' }]);
  });

  it('tells where it stands every 30 s without a cut', () => {
    const video: FakeVideo = { shots: shots([1000]), steps: [0.1], gop: 20 };
    const told = events(new FakeReader(video), request({ mode, longestScene: 600 }));
    const times = told.flatMap((event) => (event.type === 'checkpoint' ? [event.at] : []));
    expect(times.length).toBe(3);
    for (const [n, at] of times.entries()) expect(at - (times[n - 1] ?? 0)).toBeLessThan(32.1);
  });
});

describe('with a sample every two seconds, a pass', () => {
  const asked = (more: Partial<VideoOptions> = {}) => request({ sampleEvery: 2, ...more }, 96_000);
  const times = (all: readonly SplitEvent[]) =>
    scenes(all).map(({ number, scene }) => [number, scene.number, scene.start, scene.end, scene.begins]);

  it('gives several frames of a long scene, one of a short one, each with its own time', () => {
    const video: FakeVideo = { shots: shots([40, 170, 61]), steps: [0.04], gop: 50 };
    const all = events(new FakeReader(video), asked());
    const near = (seconds: number) => expect.closeTo(seconds, 5);
    expect(times(all)).toEqual([
      [1, 1, 0, near(1.6), 'start'],
      [2, 2, near(1.6), near(3.6), 'cut'],
      [3, 2, near(3.6), near(5.6), 'sample'],
      // What is left, 0.8 s, is longer than the shortest scene.
      [4, 2, near(5.6), near(7.6), 'sample'],
      [5, 2, near(7.6), near(8.4), 'sample'],
      // What is left, 0.44 s, is not.
      [6, 3, near(8.4), near(10.84), 'cut'],
    ]);
    for (const { scene } of scenes(all)) expect(Math.abs(scene.frame.offset)).toBeLessThan(0.0401);
  });

  it('finds the scenes that it finds without', () => {
    const video: FakeVideo = { shots: shots([400, 61, 1900, 30, 90]), steps: [0.04], gop: 50 };
    const frames = fakeFrames(video);
    const whole = scenes(events(new FakeReader(video, frames), request({}, 96_000)));
    const parts = scenes(events(new FakeReader(video, frames), asked()));
    const byScene = [...Map.groupBy(parts, ({ scene }) => scene.number).values()];
    expect(byScene.map((of) => [of[0]!.scene.start, of.at(-1)!.scene.end, of[0]!.scene.begins])).toEqual(
      whole.map(({ scene }) => [scene.start, scene.end, scene.begins]),
    );
    expect(parts.map(({ number }) => number)).toEqual(parts.map((_, n) => n + 1));
    for (const [n, { scene }] of parts.entries()) {
      expect(scene.start).toBe(n === 0 ? 0 : parts[n - 1]!.scene.end);
      expect(scene.end - scene.start).toBeLessThanOrEqual(2.5 + 1e-9);
    }
  });

  it('takes no frame twice where a picture is held, nor where there are few', () => {
    const video: FakeVideo = { shots: shots([30, 30]), steps: [0.5, 0.5, 7, 0.5, 0.5], gop: 5 };
    for (const sampleEvery of [0.1, 1, 2, 3])
      for (const mode of ['exact', 'fast'] as const) {
        const all = scenes(events(new FakeReader(video), asked({ sampleEvery, mode })));
        const at = all.map(({ scene }) => scene.frame.at);
        expect(at).toEqual([...new Set(at)].sort((a, b) => a - b));
        for (const { scene } of all) {
          expect(scene.frame.at).toBeGreaterThanOrEqual(scene.start);
          expect(scene.frame.at).toBeLessThan(scene.end);
        }
      }
  });
});

const anyVideo: fc.Arbitrary<FakeVideo> = fc.record({
  shots: fc.array(
    fc.record({
      length: fc.integer({ min: 1, max: 250 }),
      look: fc.integer({ min: 0, max: 4 }),
      dissolve: fc.constantFrom(0, 0, 8, 16),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  steps: fc.oneof(
    fc.constantFrom([0.04], [0.1], [1001 / 30_000]),
    fc.array(fc.double({ min: 0.02, max: 1.5, noNaN: true }), { minLength: 1, maxLength: 9 }),
  ),
  gop: fc.integer({ min: 1, max: 120 }),
  damaged: fc.uniqueArray(fc.nat(600), { maxLength: 9 }),
});
const anyOptions = fc.record({
  mode: fc.constantFrom('exact' as const, 'fast' as const),
  from: fc.constantFrom(0, 0, 3.3),
  to: fc.constantFrom(null, null, 17.7),
  shortestScene: fc.constantFrom(0, 0.5, 0.5, 4),
  longestScene: fc.constantFrom(5, 12.5, 60),
  sampleEvery: fc.constantFrom(null, null, 0.3, 1, 2.5, 30),
  gradual: fc.boolean(),
  statistics: fc.boolean(),
});

it('goes on behind any of its events as if it had not been stopped', () => {
  fc.assert(
    fc.property(
      anyVideo,
      anyOptions,
      fc.integer({ min: 6, max: 96 }),
      fc.nat(),
      (video, options, budget, pick) => {
        const frames = fakeFrames(video);
        const asked = request(options, budget * 1000);
        const whole = events(new FakeReader(video, frames), asked);
        const places = whole.flatMap((event, n) => ('cursor' in event ? [{ n, event }] : []));
        for (const { n, event } of places.filter(
          (_, n) => n === places.length - 1 || n === pick % places.length,
        )) {
          const text = JSON.stringify(event.cursor);
          expect(text.length).toBeLessThan(16_000);
          const rest = events(new FakeReader(video, frames), asked, splitCursor.parse(JSON.parse(text)));
          expect(rest).toEqual(whole.slice(n + 1));
        }
      },
    ),
    { numRuns: 25 },
  );
});

it('has a line of statistics for each picture, in order, and what begins where', () => {
  const video: FakeVideo = { shots: shots([100, 900, 50]), steps: [0.04], gop: 50 };
  const all = events(new FakeReader(video), request({ statistics: true }));
  const text = all.flatMap((event) => ('statistics' in event ? [event.statistics] : [])).join('');
  const lines = text.split('\r\n').slice(0, -1);
  const cells = lines.map((line) => line.split(','));
  const names = statisticsHeader.trim().split(',');
  const column = (name: string) => cells.map((line) => line[names.indexOf(name)]);
  expect(column('time')).toEqual(fakeFrames(video).map(({ at }) => String(Number(at.toFixed(6)))));
  expect(column('begins').flatMap((kind, n) => (kind === '' ? [] : [[n, kind]]))).toEqual([
    [100, 'cut'],
    [1000, 'cut'],
  ]);
  expect(Number(column('score')[100])).toBeGreaterThan(1);
  expect(Number(column('ratio')[100])).toBeGreaterThan(5);
  for (const n of [50, 500, 1020]) expect(Number(column('score')[n])).toBeLessThan(1);
  expect(events(new FakeReader(video), request()).some((event) => 'statistics' in event)).toBe(false);
});

it('counts the damaged pictures of the whole video, those before a stop too', () => {
  const video: FakeVideo = { shots: shots([100, 100]), steps: [0.04], gop: 50, damaged: [7, 8, 120, 199] };
  const whole = events(new FakeReader(video), request());
  expect(whole.at(-1)).toMatchObject({ type: 'end', warnings: ['4 pictures are damaged.'] });
  const [scene] = scenes(whole);
  expect(events(new FakeReader(video), request(), scene?.cursor).at(-1)).toEqual(whole.at(-1));
});

it('stopped again and again decodes little twice', () => {
  const video: FakeVideo = {
    shots: shots(Array.from({ length: 12 }, (_, n) => 200 + n)),
    steps: [0.04],
    gop: 50,
  };
  const frames = fakeFrames(video);
  const whole = events(new FakeReader(video, frames), request());
  const got: SplitEvent[] = [];
  let decoded = 0;
  for (let cursor: SplitCursor | undefined, over = false; !over; ) {
    const reader = new FakeReader(video, frames);
    over = true;
    for (const event of split(reader, request(), cursor)) {
      if (event.type === 'progress') continue;
      got.push(event);
      if (!('cursor' in event)) break;
      cursor = event.cursor;
      over = false;
      break;
    }
    expect(reader.held).toBe(0);
    decoded += reader.decoded;
  }
  expect(got).toEqual(whole);
  // 9 s before the place, and two groups of pictures for the frame of the scene.
  expect(decoded - frames.length).toBeLessThan(12 * (9 * 25 + 2 * 50 + 60));
});

it('fast decodes little, and finds what exact finds', () => {
  const lengths = [350, 390, 371, 402, 377];
  const changes = lengths.map((length, look) => ({ length, look, dissolve: look === 3 ? 16 : 0 }));
  const video: FakeVideo = { shots: changes, steps: [0.04], gop: 50 };
  const frames = fakeFrames(video);
  const exact = scenes(events(new FakeReader(video, frames), request()));
  const reader = new FakeReader(video, frames);
  const fast = scenes(events(reader, request({ mode: 'fast' })));
  const edges = (all: typeof fast) => all.map(({ scene: { start, end, begins } }) => [start, end, begins]);
  expect(edges(fast)).toEqual(edges(exact));
  expect(fast.length).toBe(lengths.length);
  expect(reader.decoded).toBeLessThan(frames.length / 4);
});

it('holds no more frames than its budget', () => {
  const video: FakeVideo = { shots: shots([300, 900, 150, 1000]), steps: [0.04], gop: 50 };
  const reader = new FakeReader(video);
  events(reader, request({}, 40_000));
  expect(reader.most).toBeLessThanOrEqual(42);
});
