import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { drawBars, readBars } from './bars.ts';
import { makeFilm } from './film.ts';
import { openPicture } from './pictures.ts';
import { planes } from './planes.ts';

const folder = mkdtempSync(join(tmpdir(), 'film-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const luma = (width: number, height: number, number: number) => {
  const picture = planes(width, height);
  picture.y.fill(100);
  drawBars(picture, number);
  return picture.y;
};

describe('the number in the pixels', () => {
  it('is read back from pictures of any size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 18 - 1 }),
        fc.integer({ min: 120, max: 500 }),
        fc.integer({ min: 100, max: 300 }),
        (number, width, height) => {
          const data = luma(width, height, number);
          expect(readBars({ width, height, channels: 1, data })).toBe(number);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('survives scaling and a poor JPEG', async () => {
    const raw = { width: 320, height: 180, channels: 1 } as const;
    const poor = await sharp(luma(320, 180, 98_765), { raw })
      .resize(213, 120)
      .jpeg({ quality: 20 })
      .toBuffer();
    const { data, info } = await sharp(poor).raw().toBuffer({ resolveWithObject: true });
    expect(readBars({ ...info, data })).toBe(98_765);
  });

  it('is not read where there is none', () => {
    const data = new Uint8Array(320 * 180).fill(90);
    expect(readBars({ width: 320, height: 180, channels: 1, data })).toBeUndefined();
  });

  it('changes two cells from frame to frame', () => {
    const a = luma(380, 200, 511);
    const b = luma(380, 200, 512);
    expect(a.filter((value, n) => value !== b[n]).length).toBe(2 * 20 * 20);
  });
});

describe('a film', () => {
  const shots = [
    { picture: { seed: 1 }, frames: 20, from: { x: 0, y: 0, size: 0.5 }, to: { x: 0.3, y: 0.2, size: 0.6 } },
    { picture: { seed: 2 }, frames: 20, begins: { kind: 'dissolve', frames: 6 } },
    { picture: { filter: 'testsrc2' }, frames: 12, begins: { kind: 'fade', frames: 8 } },
  ] as const;

  it('is the same every time, and says where its shots begin', () => {
    const one = makeFilm(join(folder, 'one.mp4'), shots, { numbered: true, grain: 3 });
    makeFilm(join(folder, 'two.mp4'), shots, { numbered: true, grain: 3 });
    expect(readFileSync(join(folder, 'one.mp4')).equals(readFileSync(join(folder, 'two.mp4')))).toBe(true);
    expect(one.times.length).toBe(52);
    expect(one.changes).toEqual([
      { kind: 'dissolve', frame: 20, at: 0.8, from: 17 / 25, to: 22 / 25 },
      { kind: 'fade', frame: 40, at: 1.6, from: 36 / 25, to: 43 / 25 },
    ]);
  });

  it('can be cut from another film, frame by frame', () => {
    const path = join(folder, 'clip.mkv');
    makeFilm(path, shots, { numbered: true, codec: 'ffv1' });
    const source = openPicture({ clip: path, skip: 7 }, 320, 180);
    const target = planes(320, 180);
    for (const n of [0, 1, 5, 30]) {
      source(n, { x: 0, y: 0, size: 1 }, target);
      expect(readBars({ width: 320, height: 180, channels: 1, data: target.y })).toBe(7 + n);
    }
  });
});
