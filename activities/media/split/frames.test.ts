/** Real films with the number of each frame in its pixels: what is delivered is the frame that it says it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type VideoOptions, videoOptions } from '@darkroom/contract';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { openVideo } from '../decode/reader.ts';
import { fileSource } from '../testing/file-source.ts';
import { readBars } from '../testing/film/bars.ts';
import { type Film, type FilmOptions, makeFilm, type Shot } from '../testing/film/film.ts';
import { random } from '../testing/film/pictures.ts';
import type { SplitCursor } from './cursor.ts';
import { type SplitEvent, split } from './split.ts';

const folder = mkdtempSync(join(tmpdir(), 'frames-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const room = { width: 640, height: 640, fit: 'letterbox' } as const;

function pass(film: Film, options: Partial<VideoOptions> = {}, cursor?: SplitCursor): SplitEvent[] {
  using source = fileSource(film.path);
  const reader = openVideo(source, { pixels: 1e7, seconds: 1e4 });
  try {
    const request = { options: { ...videoOptions.parse({}), ...options }, room, candidateBytes: 8e6 };
    return [...split(reader, request, cursor)].filter(({ type }) => type !== 'progress');
  } finally {
    reader.close();
  }
}
const scenes = (all: readonly SplitEvent[]) =>
  all.flatMap((event) => (event.type === 'scene' ? [event] : []));

async function numberIn(picture: Buffer): Promise<number | undefined> {
  const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
  return readBars({ ...info, data });
}

/** Every picture shows the frame whose time is the one told, and that lies by the middle of its scene: a frame or a hundredth off. */
async function expectTrue(film: Film, events: readonly SplitEvent[], mode: 'exact' | 'fast'): Promise<void> {
  const times = film.times.map((at) => at - film.times[0]!);
  for (const { scene, image, input } of scenes(events)) {
    const number = await numberIn(image);
    expect(number, 'a number in the picture').toBeDefined();
    expect(await numberIn(input)).toBe(number);
    expect(Math.abs(times[number!]! - scene.frame.at)).toBeLessThan(rounding);
    if (mode === 'fast') continue;
    const middle = (scene.start + scene.end) / 2;
    const after = times.findIndex((at) => at > middle);
    const step = times[after]! - times[after - 1]!;
    expect(Math.abs(scene.frame.offset)).toBeLessThan(
      Math.max(step, (scene.end - scene.start) / 100) + rounding,
    );
  }
}
/** Seconds that a container may move a frame. */
const rounding = 0.0015;

const samples = join(import.meta.dirname, '../../../apps/local/_samples');
const photos = ['astronaut.jpg', 'cat.jpg', 'espresso.jpg', 'rocket.jpg'];
const cuts = (lengths: readonly number[]): Shot[] =>
  lengths.map((frames, n) => ({
    picture: { image: join(samples, photos[n % photos.length]!) },
    frames,
    from: { x: 0.1, y: 0.1, size: 0.5 },
    to: { x: 0.13, y: 0.12, size: 0.5 },
  }));

const table: [string, string, FilmOptions][] = [
  ['H.264', 'mp4', { codec: 'libx264' }],
  ['H.264', 'mov', { codec: 'libx264', bFrames: 0 }],
  ['H.264', 'mkv', { codec: 'libx264', bFrames: 3 }],
  ['H.264', 'ts', { codec: 'libx264' }],
  ['H.264', 'avi', { codec: 'libx264', bFrames: 0 }],
  ['H.264 with open groups', 'mp4', { codec: 'libx264', bFrames: 3, openGop: true, gop: 12 }],
  ['H.264 of 10 bits', 'mkv', { codec: 'libx264', pixelFormat: 'yuv420p10le' }],
  ['H.264 at 29.97', 'mp4', { codec: 'libx264', rate: { num: 30_000, den: 1001 } }],
  ['HEVC', 'mp4', { codec: 'libx265' }],
  ['HEVC of 10 bits', 'ts', { codec: 'libx265', pixelFormat: 'yuv420p10le' }],
  ['VP9', 'webm', { codec: 'libvpx-vp9' }],
  ['AV1', 'mp4', { codec: 'libsvtav1' }],
  ['AV1', 'webm', { codec: 'libsvtav1' }],
  ['MPEG-4', 'avi', { codec: 'mpeg4', bFrames: 0 }],
  ['MPEG-4 with B-frames', 'mp4', { codec: 'mpeg4' }],
  ['MPEG-2', 'ts', { codec: 'mpeg2video' }],
  ['ProRes', 'mov', { codec: 'prores_ks', pixelFormat: 'yuv422p10le' }],
  ['Motion JPEG', 'avi', { codec: 'mjpeg', pixelFormat: 'yuvj420p' }],
];

/** What every third frame shows, and where it lies. */
async function everyThird(film: Film): Promise<{ number: number | undefined; at: number }[]> {
  using source = fileSource(film.path);
  const reader = openVideo(source, { pixels: 1e7, seconds: 1e4 });
  const seen: { at: number; picture: Buffer }[] = [];
  let n = 0;
  for (const frame of reader.frames(0)) {
    if (n++ % 3 !== 0) continue;
    const kept = frame.keep();
    seen.push({ at: kept.at, picture: kept.jpeg() });
    kept.release();
  }
  reader.close();
  return Promise.all(seen.map(async ({ at, picture }) => ({ at, number: await numberIn(picture) })));
}

describe('delivers the frames it tells of', () => {
  it.each(table)('%s in %s', async (name, container, options) => {
    const path = join(folder, `${name.replaceAll(/\W/g, '-')}.${container}`);
    const film = makeFilm(path, cuts([17, 19, 21]), { gop: 15, ...options, numbered: true });
    const frames = await everyThird(film);
    expect(frames.map(({ number }) => number)).toEqual(Array.from({ length: 19 }, (_, n) => 3 * n));
    for (const { number, at } of frames) expect(Math.abs(film.times[number!]! - at)).toBeLessThan(rounding);
    for (const mode of ['exact', 'fast'] as const) {
      const events = pass(film, { mode });
      expect(scenes(events).length).toBeGreaterThan(0);
      await expectTrue(film, events, mode);
    }
  });
});

/** Steps from 10 to 180 ms. */
function uneven(frames: number): number[] {
  const next = random(5);
  let at = 0;
  return Array.from({ length: frames + 1 }, () => {
    const now = at;
    at += 0.01 + 0.17 * next() ** 2;
    return now;
  });
}
const lengths = [70, 64, 51, 90, 33, 88, 41];
const long = cuts(lengths).map(
  (shot, n): Shot => (n === 3 ? { ...shot, begins: { kind: 'dissolve', frames: 8 } } : shot),
);
const times = uneven(lengths.reduce((a, b) => a + b));
const harder: [string, string, FilmOptions][] = [
  ['with B-frames', 'mp4', { bFrames: 3, gop: 40 }],
  ['in open groups', 'mkv', { bFrames: 3, gop: 40, openGop: true }],
  ['at times of their own', 'mp4', { bFrames: 2, gop: 60, times }],
  ['at times of their own, HEVC', 'mkv', { codec: 'libx265', gop: 60, times }],
];

describe('frames', () => {
  it.each(harder)('%s, in %s, are the same ones after a stop anywhere', async (name, container, options) => {
    const path = join(folder, `${name.replaceAll(/\W/g, '-')}.${container}`);
    const film = makeFilm(path, long, { ...options, numbered: true });
    const whole = pass(film, { longestScene: 7 });
    expect(scenes(whole).length).toBeGreaterThan(3);
    await expectTrue(film, whole, 'exact');
    for (const [n, event] of whole.entries()) {
      if (!('cursor' in event)) continue;
      const cursor: SplitCursor = JSON.parse(JSON.stringify(event.cursor));
      expect(pass(film, { longestScene: 7 }, cursor)).toEqual(whole.slice(n + 1));
    }
  });
});
