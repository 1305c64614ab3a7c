import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AV_DISPOSITION_ATTACHED_PIC, AV_DISPOSITION_DEFAULT } from 'node-av/constants';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../testing/bytes-source.ts';
import { readBars } from '../testing/film/bars.ts';
import { type FilmOptions, makeFilm } from '../testing/film/film.ts';
import { remux } from '../testing/film/remux.ts';
import { openVideo, type VideoFrame, type VideoLimits, type VideoReader } from './reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'reader-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const bytesOf = (path: string) => bytesSource(readFileSync(path));
const limits: VideoLimits = { pixels: 4e6, seconds: 3600 };
const coded = (code: string) => expect.objectContaining({ name: 'ProblemError', code });

function film(name: string, frames: number, options: FilmOptions = {}) {
  const pan = { from: { x: 0, y: 0, size: 0.5 }, to: { x: 0.4, y: 0.2, size: 0.5 } };
  const path = join(folder, name);
  return makeFilm(path, [{ picture: { seed: 3 }, frames, ...pan }], { numbered: true, gop: 20, ...options });
}

function reading<T>(path: string, work: (reader: VideoReader) => T): T {
  const reader = openVideo(bytesOf(path), limits);
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

/** Time, number in the pixels, and the pixels themselves. */
function seen(frame: VideoFrame) {
  const { width, height, y, u, v } = frame.small();
  return {
    at: frame.at,
    pts: frame.pts,
    number: readBars({ width, height, channels: 1, data: y }),
    pixels: Buffer.concat([y, u, v]).toString('base64'),
  };
}

function take<T>(frames: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const frame of frames) {
    taken.push(frame);
    if (taken.length === count) break;
  }
  return taken;
}
function* map<A, B>(items: Iterable<A>, change: (item: A) => B): Generator<B> {
  for (const item of items) yield change(item);
}

const FRAMES = 75;
const uneven = Array.from({ length: FRAMES + 1 }, (_, n) => n * 0.04 + (n % 3) * 0.01);
const kinds: readonly [string, FilmOptions][] = [
  ['h264.mp4', {}],
  ['h264-open.mov', { openGop: true, bFrames: 3 }],
  ['h264-open.ts', { openGop: true, bFrames: 3 }],
  ['h264.avi', {}],
  ['h264-fragments.mp4', { muxer: { movflags: 'frag_keyframe+empty_moov' } }],
  ['h264-no-index.mkv', { muxer: { live: '1' } }],
  ['h264-uneven.mkv', { times: uneven }],
  ['h264-uneven.mp4', { times: uneven }],
  ['hevc.mp4', { codec: 'libx265' }],
  ['hevc-open.mkv', { codec: 'libx265', openGop: true }],
  ['vp9.webm', { codec: 'libvpx-vp9' }],
  ['av1.mp4', { codec: 'libsvtav1' }],
  ['mpeg4.avi', { codec: 'mpeg4' }],
  ['mpeg4.mp4', { codec: 'mpeg4' }],
  ['mpeg2.ts', { codec: 'mpeg2video' }],
  ['mjpeg.avi', { codec: 'mjpeg' }],
  ['prores.mov', { codec: 'prores_ks', pixelFormat: 'yuv422p10le' }],
];

describe('frames', () => {
  it.each(kinds)('of %s come in order, at their times, the same from every place', (name, options) => {
    const { path, times } = film(name, FRAMES, options);
    reading(path, (reader) => {
      const all = [...map(reader.frames(0), seen)];
      expect(all.map(({ number }) => number)).toEqual(times.map((_, n) => n));
      for (const [n, { at }] of all.entries()) expect(at - all[0]!.at).toBeCloseTo(times[n]! - times[0]!, 2);
      expect(all[0]!.at).toBeCloseTo(0, 5);
      expect([reader.lost, reader.cutOff]).toEqual([0, undefined]);
      for (const from of [0.3, 1.2, 1.61, 2.9, 99]) {
        const some = take(map(reader.frames(from), seen), 25);
        const first = all.findIndex(({ pts }) => pts === some[0]?.pts);
        expect(all[first]!.at).toBeLessThanOrEqual(from);
        expect(some).toEqual(all.slice(first, first + some.length));
      }
    });
  });

  it('that are key frames are found alone, and are the same', () => {
    const { path } = film('keys.ts', FRAMES, { openGop: true, bFrames: 3 });
    reading(path, (reader) => {
      const all = [...map(reader.frames(0), seen)];
      const keys = [...map(reader.keyFrames(0), seen)];
      expect(keys.map(({ number }) => number)).toEqual([0, 20, 40, 60]);
      expect(keys).toEqual(all.filter((_, n) => n % 20 === 0));
      expect(take(map(reader.keyFrames(1.7), seen), 1)).toEqual([all[40]]);
    });
  });

  it('can be one alone', () => {
    const { path } = film('one.mp4', 1);
    reading(path, (reader) => {
      expect([...map(reader.frames(0), seen)].map(({ number }) => number)).toEqual([0]);
      expect(reader.info.seconds).toBeCloseTo(0.04, 3);
    });
  });

  it('of the default stream are read, not those of covers and of others', () => {
    const wanted = film('wanted.mp4', 10, { width: 160, height: 120 }).path;
    const other = film('other.mp4', 10, { width: 640, height: 360 }).path;
    const cover = film('cover.mkv', 1, { codec: 'mjpeg' }).path;
    const path = join(folder, 'many.mov');
    remux(path, [
      { file: cover, disposition: AV_DISPOSITION_ATTACHED_PIC },
      { silence: 1 },
      { file: other },
      { file: wanted, disposition: AV_DISPOSITION_DEFAULT },
    ]);
    reading(path, (reader) => {
      expect(reader.info).toMatchObject({ width: 160, height: 120, videoStreams: 2 });
      expect([...reader.frames(0)].length).toBe(10);
    });
  });
});

describe('a broken file', () => {
  it.each([
    ['cut.mp4', { muxer: { movflags: 'faststart' } }],
    ['cut.mkv', {}],
    ['cut.ts', {}],
  ] as const)('%s gives what is readable, and says that it breaks off', (name, options) => {
    const { path } = film(name, 200, options);
    const whole = readFileSync(path);
    const reader = openVideo(bytesSource(whole.subarray(0, Math.floor(whole.length * 0.5))), limits);
    const numbers = [...map(reader.frames(0), seen)].map(({ number }) => number);
    expect(numbers.length).toBeGreaterThan(60);
    expect(numbers.slice(0, 60)).toEqual(Array.from({ length: 60 }, (_, n) => n));
    if (name !== 'cut.ts') expect(reader.cutOff).toMatch(/breaks off after [2-5]\.\d s of 8\.0 s/);
    reader.close();
  });

  it('with holes in its pictures gives the others, and counts the damaged', () => {
    const { path } = film('holes.mp4', 100);
    const file = readFileSync(path);
    const media = file.indexOf('mdat', 0, 'latin1');
    for (let at = media + 20_000; at < media + 24_000; at++) file[at] = (at * 37) & 0xff;
    const reader = openVideo(bytesSource(file), limits);
    const damaged = [...map(reader.frames(0), (frame) => frame.damaged)];
    expect(damaged.length).toBeGreaterThan(50);
    expect(damaged.reduce((sum, count) => sum + count, reader.lost)).toBeGreaterThan(0);
    reader.close();
  });
});

describe('what is refused', () => {
  it('is an empty file, another kind of file, sound alone', () => {
    expect(() => openVideo(bytesSource(Buffer.alloc(0)), limits)).toThrow(coded('empty_file'));
    expect(() => openVideo(bytesSource(Buffer.from('hello')), limits)).toThrow(coded('unsupported_video'));
    const path = join(folder, 'sound.mkv');
    remux(path, [{ silence: 2 }]);
    expect(() => openVideo(bytesOf(path), limits)).toThrow(coded('no_video_stream'));
  });

  it('is a codec that is not read here, by name of those that are', () => {
    const { path } = film('ffv1.mkv', 3, { codec: 'ffv1' });
    expect(() => openVideo(bytesOf(path), limits)).toThrow(/H\.264/);
    expect(() => openVideo(bytesOf(path), limits)).toThrow(coded('unsupported_video'));
  });

  it('is a header that breaks off', () => {
    const { path } = film('header.mp4', 10, { muxer: { movflags: 'faststart' } });
    const start = readFileSync(path).subarray(0, 200);
    expect(() => openVideo(bytesSource(start), limits)).toThrow(coded('damaged_video'));
  });

  it('is more than the limits: pixels, seconds', () => {
    const source = bytesOf(film('limits.mp4', 30).path);
    expect(() => openVideo(source, { ...limits, pixels: 320 * 180 - 1 })).toThrow(coded('too_many_pixels'));
    expect(() => openVideo(source, { ...limits, seconds: 1 })).toThrow(coded('video_too_long'));
  });

  it('is a picture wider as shown than any JPEG', () => {
    const shape = { width: 8000, height: 16, sampleAspect: { num: 10, den: 1 } };
    const { path } = makeFilm(join(folder, 'wide.mkv'), [{ picture: { seed: 1 }, frames: 2 }], shape);
    expect(() => openVideo(bytesOf(path), limits)).toThrow(coded('too_many_pixels'));
  });

  it('is more than the limits where the header says nothing of it', () => {
    const { path } = film('limits.mkv', 60, { muxer: { live: '1' } });
    const reader = openVideo(bytesOf(path), { ...limits, seconds: 2 });
    expect(reader.info.seconds).toBeNull();
    expect(() => [...reader.frames(0)]).toThrow(coded('video_too_long'));
    reader.close();
  });
});
