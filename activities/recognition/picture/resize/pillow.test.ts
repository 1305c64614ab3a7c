import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { preprocess as card, type Preprocess } from '../../model/card/preprocess.ts';
import { limits } from '../../testing/models.ts';
import { noise } from '../../testing/noise.ts';
import { decode, toTensor } from '../prepare.ts';
import { resample } from './pillow.ts';
import { resizeForModel } from './preprocess.ts';

const sha256 = (data: Uint8Array | Uint8ClampedArray) => createHash('sha256').update(data).digest('hex');
const channels = z.union([z.literal(1), z.literal(3), z.literal(4)]);
const recorded = z
  .object({
    tool: z.literal('Pillow'),
    version: z.string(),
    values: z.array(
      z.object({
        alpha: card.shape.alpha,
        resize: card.shape.resize,
        crop: card.shape.crop,
        picture: z.object({ width: z.int(), height: z.int(), channels, seed: z.int() }),
        sha256OfInput: z.string(),
        width: z.int(),
        height: z.int(),
        sha256: z.string(),
        every: z.int(),
        values: z.array(z.int()),
      }),
    ),
  })
  .parse(JSON.parse(await readFile(new URL('../../../../test/oracle/pillow.json', import.meta.url), 'utf8')));
const plain: Omit<Preprocess, 'alpha' | 'resize' | 'crop'> = {
  colour: 'rgb',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  layout: 'nchw',
  dtype: 'uint8',
};

describe(`what Pillow ${recorded.version} makes of a PNG`, () => {
  it.each(
    recorded.values.map((value) => {
      const { picture, resize, crop, alpha } = value;
      const of = `${picture.width} × ${picture.height} × ${picture.channels}`;
      return [`${of}, ${JSON.stringify({ resize, crop, alpha })}`, value] as const;
    }),
  )('is made here too: %s', async (_, { picture, sha256OfInput, ...expected }) => {
    const pixels = noise(picture.seed, picture.width * picture.height * picture.channels);
    expect(sha256(pixels)).toBe(sha256OfInput);
    const png = await sharp(pixels, { raw: picture }).png().toBuffer();
    const { alpha, resize, crop } = expected;
    const raster = await decode(png, limits, { alpha });
    const { data, width, height } = await resizeForModel(raster, { ...plain, alpha, resize, crop });
    expect([width, height]).toEqual([expected.width, expected.height]);
    const apart = expected.values.map((value, i) =>
      Math.abs(value - (data[i * expected.every] ?? Number.NaN)),
    );
    // Pillow and libvips lay on white with different rounding.
    const isLaidOnWhite = picture.channels === 4 && alpha === 'white';
    expect(Math.max(...apart)).toBeLessThanOrEqual(isLaidOnWhite ? 1 : 0);
    if (!isLaidOnWhite) expect(sha256(data)).toBe(expected.sha256);
  });
});

describe('resampling', () => {
  const side = fc.integer({ min: 1, max: 40 });
  const size = fc.record({ width: side, height: side });
  const filter = fc.constantFrom('pillow-bilinear' as const, 'pillow-bicubic' as const);
  const whole = ({ width, height }: { width: number; height: number }) => ({
    box: { left: 0, top: 0, right: width, bottom: height },
  });

  it('leaves a picture of one colour one colour', () => {
    fc.assert(
      fc.property(
        size,
        size,
        filter,
        fc.array(fc.nat(255), { minLength: 3, maxLength: 3 }),
        (from, to, how, colour) => {
          const data = Uint8Array.from(
            { length: from.width * from.height * 3 },
            (_, i) => colour[i % 3] ?? 0,
          );
          const out = resample(
            { ...from, data },
            { ...whole(from), resized: to, window: { left: 0, top: 0, ...to }, filter: how },
          );
          expect(out.data.every((value, i) => value === colour[i % 3])).toBe(true);
        },
      ),
    );
  });

  it('gives of a window what the whole has there', () => {
    const within = (length: number) =>
      fc
        .tuple(fc.nat(length - 1), fc.nat(length - 1))
        .map((two) => two.sort((a, b) => a - b) as [number, number]);
    const cut = size.chain((to) => fc.tuple(fc.constant(to), within(to.width), within(to.height)));
    fc.assert(
      fc.property(size, cut, filter, fc.nat(), (from, [resized, [left, right], [top, bottom]], how, seed) => {
        const source = { ...from, data: noise(seed, from.width * from.height * 3) };
        const window = { left, top, width: right - left + 1, height: bottom - top + 1 };
        const made = (wanted: typeof window) =>
          resample(source, { ...whole(from), resized, window: wanted, filter: how }).data;
        const all = made({ left: 0, top: 0, ...resized });
        const rows = Array.from({ length: window.height }, (_, y) => {
          const first = ((top + y) * resized.width + left) * 3;
          return [...all.subarray(first, first + window.width * 3)];
        });
        expect([...made(window)]).toEqual(rows.flat());
      }),
    );
  });
});

it('makes the input of a detector too, whose card says so', async () => {
  const recording = recorded.values.find(
    ({ resize: { mode, filter } }) => mode === 'squash' && filter === 'pillow-bilinear',
  );
  const { picture, width, height, values, every } = recording ?? expect.fail('none was recorded');
  const raster = { ...picture, data: noise(picture.seed, picture.width * picture.height * 3) };
  const input = {
    ...plain,
    width,
    height,
    layout: 'nhwc',
    fit: 'stretch',
    pad: 0,
    filter: 'pillow-bilinear',
  } as const;
  const { tensor } = await toTensor(raster, input);
  expect(values.map((_, i) => tensor.data[i * every])).toEqual(values);
  const other = await toTensor(raster, { ...input, filter: undefined });
  expect(other.tensor.data).not.toEqual(tensor.data);
});
