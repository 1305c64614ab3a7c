import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../../testing/bytes-source.ts';
import { readBars } from '../../testing/film/bars.ts';
import { type FilmOptions, makeFilm } from '../../testing/film/film.ts';
import { kept, pixels } from '../../testing/kept.ts';
import { type KeptFrame, openVideo } from '../reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'kept-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const bytesOf = (path: string) => bytesSource(readFileSync(path));
const limits = { pixels: 4e6, seconds: 3600 };
const room = { width: 96, height: 96, fit: 'letterbox' } as const;

const shot = [{ picture: { seed: 5 }, frames: 8 }] as const;
const film = (name: string, options: FilmOptions = {}) =>
  makeFilm(join(folder, name), shot, { numbered: true, ...options }).path;

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
});
