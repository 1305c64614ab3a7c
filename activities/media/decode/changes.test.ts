import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../testing/bytes-source.ts';
import { readBars } from '../testing/film/bars.ts';
import { type FilmOptions, makeFilm } from '../testing/film/film.ts';
import { remux } from '../testing/film/remux.ts';
import { openVideo } from './reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'changes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const limits = { pixels: 4e6, seconds: 3600 };
const FRAMES = 6;

/** Transport streams of some frames each, one after the other in one file, on one clock. */
function joined(...parts: readonly FilmOptions[]): Buffer {
  return Buffer.concat(
    parts.map((options, n) => {
      const path = join(folder, `${n}.ts`);
      const muxer = { output_ts_offset: `${(n * FRAMES) / 25}` };
      makeFilm(path, [{ picture: { seed: n }, frames: FRAMES }], {
        numbered: true,
        bFrames: 0,
        muxer,
        ...options,
      });
      return readFileSync(path);
    }),
  );
}

/** Of each frame: its number, read in the small picture and in the saved one, and the size of that. */
async function shown(file: Buffer) {
  const reader = openVideo(bytesSource(file), limits);
  const found: { width: number; height: number; jpeg: Buffer; small: number | undefined }[] = [];
  for (const frame of reader.frames(0)) {
    const { width, height, y } = frame.small();
    const kept = frame.keep();
    const small = readBars({ width, height, channels: 1, data: y });
    found.push({ width: kept.width, height: kept.height, jpeg: kept.jpeg(), small });
    kept.release();
  }
  reader.close();
  return Promise.all(
    found.map(async ({ jpeg, ...rest }) => {
      const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
      expect(info).toMatchObject({ width: rest.width, height: rest.height });
      return { ...rest, number: readBars({ ...info, data }) };
    }),
  );
}

const numbers = Array.from({ length: FRAMES }, (_, n) => n);
const part = (width: number, height: number) => numbers.map((n) => ({ width, height, small: n, number: n }));

describe('in the middle of a stream', () => {
  it.each([
    [
      'the shape of its pixels',
      { sampleAspect: { num: 16, den: 11 } },
      { sampleAspect: { num: 64, den: 45 } },
      [465, 180],
      [455, 180],
    ],
    [
      'that it is wide',
      { sampleAspect: { num: 1, den: 1 } },
      { sampleAspect: { num: 4, den: 3 } },
      [320, 180],
      [427, 180],
    ],
    ['its size', {}, { width: 480, height: 360 }, [320, 180], [480, 360]],
    ['its format', {}, { pixelFormat: 'yuv422p10le' }, [320, 180], [320, 180]],
    ['its scanning', {}, { interlaced: true }, [320, 180], [320, 180]],
  ] satisfies [string, FilmOptions, FilmOptions, [number, number], [number, number]][])(
    '%s may change: each part is saved as shown',
    async (_, first, second, one, two) => {
      expect(await shown(joined(first, second))).toEqual([...part(...one), ...part(...two)]);
    },
  );

  it('how it lies may change', async () => {
    const lying = (rotate: number) => {
      const [from, to] = [join(folder, 'upright.ts'), join(folder, `turned-${rotate}.ts`)];
      writeFileSync(from, joined({}));
      // Counted against the clock.
      const options = { display_orientation: 'insert', rotate: `${rotate}` };
      remux(to, [{ file: from, filter: { name: 'h264_metadata', options } }]);
      return readFileSync(to);
    };
    const found = await shown(Buffer.concat([lying(180), lying(90)]));
    expect(found.map(({ width, height }) => [width, height])).toEqual([
      ...numbers.map(() => [320, 180]),
      ...numbers.map(() => [180, 320]),
    ]);
  });

  it('the shape of its pixels may change although the container tells that of the first part', async () => {
    const both = join(folder, 'both.ts');
    const sampleAspects = [
      { num: 16, den: 11 },
      { num: 64, den: 45 },
    ] as const;
    writeFileSync(both, joined(...sampleAspects.map((sampleAspect) => ({ sampleAspect }))));
    const path = join(folder, 'both.mkv');
    remux(path, [{ file: both }]);
    expect(await shown(readFileSync(path))).toEqual([...part(465, 180), ...part(455, 180)]);
  });
});
