import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../../testing/bytes-source.ts';
import { readBars } from '../../testing/film/bars.ts';
import { type Encoding, openEncoder } from '../../testing/film/encode.ts';
import { makeFilm } from '../../testing/film/film.ts';
import { type Planes, paint, planes } from '../../testing/film/planes.ts';
import { openVideo, type VideoReader } from '../reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'interlaced-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const limits = { pixels: 4e6, seconds: 3600 };
const size = { width: 320, height: 180 };
const FRAMES = 6;

function reading<T>(path: string, work: (reader: VideoReader) => T): T {
  const reader = openVideo(bytesSource(readFileSync(path)), limits);
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

/** The saved frame number `nth`, as pixels. */
async function saved(path: string, nth: number) {
  const jpeg = reading(path, (reader) => {
    let count = 0;
    for (const frame of reader.frames(0)) {
      if (count++ < nth) continue;
      const kept = frame.keep();
      const bytes = kept.jpeg();
      kept.release();
      return bytes;
    }
    throw new Error('The video is shorter.');
  });
  const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  return { data, ...info, at: (x: number, y: number) => data[(y * info.width + x) * info.channels]! };
}

/** Numbers read in the small pictures, one after the other. */
const numbersOf = (reader: VideoReader) =>
  Array.from(reader.frames(0), (frame) => {
    const { width, height, y } = frame.small();
    return readBars({ width, height, channels: 1, data: y });
  });

function drawn(
  name: string,
  options: Encoding,
  frames: number,
  draw: (to: Planes, n: number) => void,
): string {
  const path = join(folder, name);
  const whole = { ...size, ...options };
  const encoder = openEncoder(path, whole, frames);
  for (let n = 0; n < frames; n++) {
    const picture = planes(whole.width, whole.height);
    draw(picture, n);
    encoder.add(picture);
  }
  encoder.finish();
  return path;
}

/** A white bar that is at 60 in the field above and at 200 in the one below. */
function stripes(to: Planes): void {
  to.y.fill(16);
  for (let y = 0; y < to.height; y++)
    paint(to, { x: y % 2 === 0 ? 60 : 200, y, width: 40, height: 1 }, [235, 128, 128]);
}

const kinds: readonly [string, Encoding][] = [
  ['mpeg2.ts', { codec: 'mpeg2video' }],
  ['mpeg2.mpg', { codec: 'mpeg2video' }],
  ['mbaff.mp4', {}],
  ['mbaff.ts', {}],
  ['ten-bits.mkv', { pixelFormat: 'yuv422p10le' }],
  ['prores.mov', { codec: 'prores_ks', pixelFormat: 'yuv422p10le' }],
  ['mpeg4.avi', { codec: 'mpeg4' }],
];

describe('interlaced video', () => {
  it.each(kinds)('in %s is analysed, and its frames show one moment without combs', async (name, options) => {
    const film = join(folder, name);
    makeFilm(film, [{ picture: { seed: 2 }, frames: FRAMES }], {
      numbered: true,
      interlaced: true,
      ...options,
    });
    reading(film, (reader) => {
      expect(reader.info.interlaced).toBe(true);
      expect(numbersOf(reader)).toEqual(Array.from({ length: FRAMES }, (_, n) => n));
    });
    const picture = await saved(
      drawn(`stripes-${name}`, { interlaced: true, ...options }, FRAMES, stripes),
      0,
    );
    for (let y = 10; y < size.height - 10; y++) {
      expect(picture.at(80, y)).toBeGreaterThan(200);
      expect(picture.at(220, y)).toBeLessThan(55);
    }
  });

  it('that shows one moment in both fields keeps every row', async () => {
    const detail = (to: Planes) => {
      to.y.fill(60);
      // Lines of two rows: made up from every other row they would be of one, or of three.
      for (let y = 0; y < to.height; y += 4) paint(to, { x: 20, y, width: 200, height: 2 }, [200, 128, 128]);
    };
    const options = { codec: 'prores_ks', pixelFormat: 'yuv422p10le' } as const;
    const flagged = await saved(drawn('flagged.mov', { ...options, interlaced: true }, 2, detail), 0);
    const plain = await saved(drawn('plain.mov', options, 2, detail), 0);
    const off = flagged.data.reduce((sum, value, n) => sum + Math.abs(value - plain.data[n]!), 0);
    expect(off / plain.data.length).toBeLessThan(1);
  });

  it('of telecined film: whole pictures stay whole, woven ones are taken apart', async () => {
    // Of five frames the third and fourth hold two pictures; each picture is a bar at a place of its own.
    const woven = [
      [0, 0],
      [1, 1],
      [1, 2],
      [2, 3],
      [3, 3],
    ] as const;
    const path = drawn('telecine.ts', { codec: 'mpeg2video', interlaced: true }, 5, (to, n) => {
      to.y.fill(16);
      for (let y = 0; y < to.height; y++)
        paint(to, { x: 60 * woven[n]![y % 2]! + 20, y, width: 40, height: 1 }, [235, 128, 128]);
    });
    for (const [n, [above]] of woven.entries()) {
      const picture = await saved(path, n);
      const bars = [40, 100, 160, 220].map((x) => picture.at(x, 90) > 128);
      expect(bars).toEqual([0, 1, 2, 3].map((place) => place === above));
    }
  });

  it('whose fields are pictures of their own (HEVC) is shown in its full height', async () => {
    const options = {
      ...size,
      height: 90,
      codec: 'libx265',
      encoder: { 'x265-params': 'interlace=tff:log-level=none' },
    } as const;
    for (const name of ['fields.mp4', 'fields.ts']) {
      const path = drawn(name, options, 4, (to) => to.y.fill(100));
      reading(path, ({ info }) => expect(info).toMatchObject({ ...size, interlaced: true }));
      expect(await saved(path, 1)).toMatchObject(size);
    }
  });
});
