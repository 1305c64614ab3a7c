import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AVCOL_PRI_BT2020,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_SMPTE170M,
  AVCOL_TRC_ARIB_STD_B67,
  AVCOL_TRC_SMPTE2084,
} from 'node-av/constants';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../testing/bytes-source.ts';
import { readBars } from '../testing/film/bars.ts';
import { type Encoding, openEncoder } from '../testing/film/encode.ts';
import { type FilmOptions, makeFilm } from '../testing/film/film.ts';
import { type Planes, paint, planes } from '../testing/film/planes.ts';
import { type KeptFrame, openVideo } from './reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'kept-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const bytesOf = (path: string) => bytesSource(readFileSync(path));
const limits = { pixels: 4e6, seconds: 3600 };
const room = { width: 96, height: 96, fit: 'letterbox' } as const;

/** The frame number `nth`, made into pictures by `work`. */
function kept<T>(path: string, nth: number, work: (frame: KeptFrame) => T): T {
  const reader = openVideo(bytesOf(path), limits);
  try {
    let count = 0;
    for (const frame of reader.frames(0)) {
      if (count++ < nth) continue;
      const held = frame.keep();
      try {
        return work(held);
      } finally {
        held.release();
      }
    }
    throw new Error('The video is shorter.');
  } finally {
    reader.close();
  }
}

const pixels = async (picture: Buffer) => {
  const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
  return { data, ...info };
};
const shot = [{ picture: { seed: 5 }, frames: 8 }] as const;
const film = (name: string, options: FilmOptions = {}) =>
  makeFilm(join(folder, name), shot, { numbered: true, ...options }).path;

/** A video of two frames, drawn by `draw` as limited-range 4:2:0. */
function drawn(
  name: string,
  options: Encoding & { width: number; height: number },
  draw: (to: Planes) => void,
): string {
  const path = join(folder, name);
  const encoder = openEncoder(path, options, 2);
  for (let n = 0; n < 2; n++) {
    const picture = planes(options.width, options.height);
    draw(picture);
    encoder.add(picture);
  }
  encoder.finish();
  return path;
}

describe('a kept frame', () => {
  it('is the one that was passed, also when the reader has gone on', async () => {
    const path = film('kept.mp4');
    const reader = openVideo(bytesOf(path), limits);
    const frames = [...reader.frames(0)].length;
    const all: KeptFrame[] = [];
    for (const frame of reader.frames(0)) all.push(frame.keep());
    expect(all.length).toBe(frames);
    for (const [n, frame] of all.entries()) {
      expect(readBars(await pixels(frame.jpeg()))).toBe(n);
      expect(frame.bytes).toBeGreaterThan(320 * 180 * 1.4);
      frame.release();
    }
    reader.close();
  });

  it('gives the same bytes each time', () => {
    const path = film('same.mp4');
    const pictures = () => kept(path, 5, (frame) => [frame.jpeg(), frame.input(room), frame.jpeg()]);
    const [one, two] = [pictures(), pictures()];
    expect(one[0]).toEqual(one[2]);
    expect(one).toEqual(two);
  });

  it('is placed into the room of the model, PNG without padding', async () => {
    const path = film('placed.mp4');
    const sizes = kept(path, 3, (frame) =>
      (['letterbox', 'letterbox-topleft', 'stretch'] as const).map((fit) => frame.input({ ...room, fit })),
    );
    const [letterbox, corner, stretch] = await Promise.all(sizes.map(pixels));
    expect(letterbox).toMatchObject({ width: 96, height: 54, channels: 3 });
    expect(corner).toMatchObject({ width: 96, height: 54 });
    expect(stretch).toMatchObject({ width: 96, height: 96 });
    const large = kept(path, 3, (frame) => frame.input({ width: 640, height: 640, fit: 'letterbox' }));
    expect(readBars(await pixels(large))).toBe(3);
  });
});

describe('the picture as shown', () => {
  it.each([0, 90, 180, 270] as const)('is turned upright by %i°', async (rotation) => {
    const path = film(`turned-${rotation}.mp4`, { rotation });
    const reader = openVideo(bytesOf(path), limits);
    const size = rotation % 180 === 0 ? { width: 320, height: 180 } : { width: 180, height: 320 };
    expect(reader.info).toMatchObject({ ...size, rotation });
    reader.close();
    const { jpeg, width, height } = kept(path, 2, (frame) => ({ ...frame, jpeg: frame.jpeg() }));
    expect({ width, height }).toEqual(size);
    const turnedBack = await sharp(jpeg)
      .rotate(360 - rotation)
      .toBuffer();
    expect(await pixels(jpeg)).toMatchObject(size);
    expect(readBars(await pixels(turnedBack))).toBe(2);
  });

  it.each([
    ['wide', { num: 16, den: 11 }, 465, 180],
    ['high', { num: 8, den: 9 }, 320, 203],
    ['absurd', { num: 1, den: 4000 }, 320, 180],
  ] as const)('has square pixels: %s', async (name, sampleAspect, width, height) => {
    const path = film(`${name}.mkv`, { sampleAspect });
    const jpeg = kept(path, 1, (frame) => frame.jpeg());
    expect(await pixels(jpeg)).toMatchObject({ width, height });
    expect(readBars(await pixels(jpeg))).toBe(1);
  });

  it('may have odd sizes', async () => {
    const path = film('odd.mp4', { width: 321, height: 181, pixelFormat: 'yuv444p', rotation: 90 });
    expect(await pixels(kept(path, 0, (frame) => frame.jpeg()))).toMatchObject({ width: 181, height: 321 });
  });

  it('shows one moment of interlaced video, without combs', async () => {
    const stripe = (to: Planes, x: number, rows: 0 | 1) => {
      for (let y = rows; y < to.height; y += 2) paint(to, { x, y, width: 40, height: 1 }, [235, 128, 128]);
    };
    const path = drawn(
      'interlaced.ts',
      { width: 320, height: 180, codec: 'mpeg2video', interlaced: true },
      (to) => {
        to.y.fill(16);
        stripe(to, 60, 0);
        stripe(to, 200, 1);
      },
    );
    const reader = openVideo(bytesOf(path), limits);
    expect(reader.info.interlaced).toBe(true);
    reader.close();
    const { data, width, height, channels } = await pixels(kept(path, 0, (frame) => frame.jpeg()));
    const at = (x: number, y: number) => data[(y * width + x) * channels]!;
    for (let y = 10; y < height - 10; y++) {
      expect(at(80, y)).toBeGreaterThan(200);
      expect(at(220, y)).toBeLessThan(55);
    }
  });
});

/** Luma and chroma of an RGB colour, by the matrix' weights (ITU-R BT.601, BT.709), limited or full range. */
function coded(
  [r, g, b]: readonly [number, number, number],
  [kr, kb]: readonly [number, number],
  full: boolean,
) {
  const y = kr * r + (1 - kr - kb) * g + kb * b;
  const [cb, cr] = [(b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))];
  const [luma, chroma, black] = full ? [1, 1, 0] : [219 / 255, 224 / 255, 16];
  return [black + y * luma, 128 + cb * chroma, 128 + cr * chroma].map(Math.round) as [number, number, number];
}

describe('colours', () => {
  const orange = [230, 120, 40] as const;
  const bt601 = [0.299, 0.114] as const;
  const bt709 = [0.2126, 0.0722] as const;
  const sd = { width: 320, height: 180 };
  const hd = { width: 1280, height: 720 };
  it.each([
    ['BT.709', sd, bt709, false, { colour: { space: AVCOL_SPC_BT709, range: AVCOL_RANGE_MPEG } }],
    ['BT.601', hd, bt601, false, { colour: { space: AVCOL_SPC_SMPTE170M, range: AVCOL_RANGE_MPEG } }],
    ['full range', sd, bt709, true, { colour: { space: AVCOL_SPC_BT709, range: AVCOL_RANGE_JPEG } }],
    ['unmarked, small', sd, bt601, false, {}],
    ['unmarked, large', hd, bt709, false, {}],
    ['ten bits', sd, bt709, false, { pixelFormat: 'yuv420p10le', colour: { space: AVCOL_SPC_BT709 } }],
    ['4:4:4', sd, bt709, false, { pixelFormat: 'yuv444p', colour: { space: AVCOL_SPC_BT709 } }],
    [
      'ProRes',
      sd,
      bt709,
      false,
      { codec: 'prores_ks', pixelFormat: 'yuv422p10le', colour: { space: AVCOL_SPC_BT709 } },
    ],
  ] as const)('are right: %s', async (name, size, weights, full, options) => {
    const path = drawn(`${name}.mov`, { ...size, ...options }, (to) => {
      paint(to, { x: 0, y: 0, width: to.width, height: to.height }, coded(orange, weights, full));
    });
    for (const picture of kept(path, 0, (frame) => [frame.jpeg(), frame.input(room)])) {
      const { data, width, height, channels } = await pixels(picture);
      const middle = ((height >> 1) * width + (width >> 1)) * channels;
      const found = [...data.subarray(middle, middle + 3)];
      for (const [n, value] of found.entries()) expect(Math.abs(value - orange[n]!)).toBeLessThanOrEqual(6);
    }
  });

  it.each([
    // Code values of 10, 203 (diffuse white) and 1000 nits, of 8 bits limited (ITU-R BT.2100; HLG of 1000 nits at its peak).
    ['PQ', AVCOL_TRC_SMPTE2084, [83, 143, 181]],
    ['HLG', AVCOL_TRC_ARIB_STD_B67, [65, 180, 235]],
  ] as const)('of HDR are mapped: %s', async (name, transfer, codes) => {
    const colour = {
      primaries: AVCOL_PRI_BT2020,
      transfer,
      space: AVCOL_SPC_BT2020_NCL,
      range: AVCOL_RANGE_MPEG,
    };
    const path = drawn(
      `${name}.mkv`,
      { width: 300, height: 180, codec: 'libx265', bFrames: 0, pixelFormat: 'yuv420p10le', colour },
      (to) => {
        for (const [n, code] of codes.entries())
          paint(to, { x: n * 100, y: 0, width: 100, height: 180 }, [code, 128, 128]);
      },
    );
    const reader = openVideo(bytesOf(path), limits);
    expect(reader.info).toMatchObject({ hdr: true, pixelFormat: 'yuv420p10le' });
    reader.close();
    const { data, width, channels } = await pixels(kept(path, 0, (frame) => frame.jpeg()));
    const grey = [50, 150, 250].map((x) => [
      ...data.subarray((90 * width + x) * channels, (90 * width + x) * channels + 3),
    ]);
    for (const [r, g, b] of grey as [number, number, number][]) {
      expect(Math.abs(r - g)).toBeLessThan(6);
      expect(Math.abs(b - g)).toBeLessThan(6);
    }
    const [dark, white, peak] = grey.map(([, g]) => g!) as [number, number, number];
    expect(dark).toBeGreaterThan(50);
    expect(dark).toBeLessThan(110);
    expect(white).toBeGreaterThan(195);
    expect(white).toBeLessThan(240);
    expect(peak).toBeGreaterThan(245);
  });
});
