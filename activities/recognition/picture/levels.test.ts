import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { limits } from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import { type TiffPicture, tiff } from '../testing/tiff.ts';
import { levelsOf, type Samples } from './levels.ts';
import { decode } from './prepare.ts';

const { data: pixels, info } = await sharp(sample('cat.jpg'))
  .resize(90, 60)
  .raw()
  .toBuffer({ resolveWithObject: true });
// With bars of black and white, so that what is taken from the picture is known.
pixels.fill(0, 0, 200).fill(255, 200, 400);
const eight = [...pixels];
const { width, height } = info;
const { icc: profile } = await sharp(sample('cat.jpg'))
  .withIccProfile('srgb')
  .jpeg()
  .toBuffer()
  .then((jpeg) => sharp(jpeg).metadata());

const rgb = (type: TiffPicture['type'], values: (value: number) => number, more: Partial<TiffPicture> = {}) =>
  tiff([{ width, height, samples: 3, values: eight.map(values), ...(type && { type }), ...more }]);
const grey = (
  type: TiffPicture['type'],
  values: (value: number) => number,
  more: Partial<TiffPicture> = {},
) => rgb(type, values, { samples: 1, values: eight.filter((_, i) => i % 3 === 1).map(values), ...more });
const within = (levels: number, from: number, to: number) => (value: number) =>
  from + ((to - from) * value) / levels;
const to = (white: number) => (value: number) => (value * white) / 255;

/** How far the decoded picture is from the one it was made of: the largest difference of any value. */
async function off(bytes: Buffer, channels = 3): Promise<number> {
  const { data } = await decode(bytes, limits);
  const wanted =
    channels === 3 ? eight : eight.flatMap((_, i) => (i % 3 === 1 ? Array(3).fill(eight[i]) : []));
  expect(data).toHaveLength(wanted.length);
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - (data[i] ?? 0))), 0);
}

describe('what is not as libvips takes it comes out as 8 bits of it would', () => {
  it.each<[string, Buffer]>([
    ['12 bits in 16', rgb('u16', (v) => Math.round(to(4095)(v)))],
    ['10 bits in 16', rgb('u16', (v) => Math.round(to(1023)(v)))],
    ['8 bits in 16', rgb('u16', (v) => v)],
    [
      '12 bits in 16, as MaxSampleValue says',
      rgb('u16', (v) => Math.round(to(4095)(v)), { tags: { 281: 4095 } }),
    ],
    ['16 bits', rgb('u16', (v) => v * 257)],
    ['16 bits with the profile of sRGB', rgb('u16', (v) => v * 257, { ...(profile && { profile }) })],
    ['32 bits', rgb('u32', (v) => v * 16_843_009)],
    ['floats to 255', rgb('f32', (v) => v)],
    ['floats to 65535', rgb('f32', (v) => v * 257)],
    ['floats from −1 to 1', rgb('f32', within(255, -1, 1))],
    ['signed, 16 bits', rgb('i16', (v) => Math.round(to(32_767)(v)))],
    ['floats to 255, planes apart', rgb('f32', (v) => v, { planesApart: true })],
  ])('RGB of %s', async (_what, bytes) => {
    expect(await off(bytes)).toBeLessThanOrEqual(2);
  });

  it.each<[string, Buffer]>([
    ['12 bits in 16', grey('u16', (v) => Math.round(to(4095)(v)))],
    ['12 bits in 16, white at zero', grey('u16', (v) => Math.round(to(4095)(255 - v)), { photometric: 0 })],
    ['floats to 1', grey('f32', (v) => v / 255)],
    ['floats to 255', grey('f32', (v) => v)],
    ['heights', grey('f32', within(255, -400, 2800))],
    ['signed, 16 bits, with negative ones', grey('i16', (v) => Math.round(within(255, -1000, 3000)(v)))],
  ])('grey of %s', async (_what, bytes) => {
    expect(await off(bytes, 1)).toBeLessThanOrEqual(2);
  });

  it('leaves floats from 0 to 1 in colour what they were: linear light', async () => {
    const bytes = rgb('f32', (v) => v / 255);
    const linear = (v: number) => (v <= 0.003_130_8 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);
    const { data } = await decode(bytes, limits);
    for (const [i, v] of eight.entries())
      expect(Math.abs((data[i] ?? 0) - 255 * linear(v / 255))).toBeLessThan(2);
    // A profile of the picture would make it black.
    const { data: profiled } = await decode(
      rgb('f32', (v) => v / 255, { ...(profile && { profile }) }),
      limits,
    );
    expect(profiled.equals(data)).toBe(true);
  });

  it.each<[string, number, 'u16' | 'f32']>([
    ['12 bits', 4095, 'u16'],
    ['floats', 255, 'f32'],
  ])('lays on white what is transparent in %s', async (_what, white, type) => {
    const values = eight.flatMap((v, i) =>
      i % 3 === 2 ? [Math.round(to(white)(v)), i % 2 ? white : 0] : [Math.round(to(white)(v))],
    );
    const { data } = await decode(tiff([{ width, height, samples: 4, values, type }]), limits);
    for (let i = 2; i < eight.length; i += 3)
      expect(Math.abs((data[i] ?? 0) - (i % 2 ? (eight[i] ?? 0) : 255))).toBeLessThanOrEqual(1);
  });

  it('takes no notice of values that are no numbers', async () => {
    const values = eight.map((v, i) => (i === 0 ? Number.NaN : i === 5 ? Number.POSITIVE_INFINITY : v));
    const { data } = await decode(
      rgb('f32', (v) => v, { values }),
      limits,
    );
    expect([...data.subarray(6)]).toEqual(eight.slice(6));
  });
});

describe('16 bits of a PNG', () => {
  /** A PNG of 16 bits with these values, and an sBIT chunk where wanted. */
  async function png(values: readonly number[], significant?: number): Promise<Buffer> {
    const raw = Uint16Array.from(values);
    const made = await sharp(raw, { raw: { width, height, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    if (significant === undefined) return made;
    const body = Buffer.from(['sBIT', String.fromCharCode(significant).repeat(3)].join(''), 'latin1');
    const chunk = Buffer.alloc(15);
    chunk.writeUInt32BE(3);
    body.copy(chunk, 4);
    chunk.writeUInt32BE(crc32(body), 11);
    return Buffer.concat([made.subarray(0, 33), chunk, made.subarray(33)]);
  }

  it('are scaled where they hold 12, and left where they hold 16, whatever sBIT says', async () => {
    const twelve = eight.map((v) => Math.round(to(4095)(v)));
    expect(await off(await png(twelve))).toBeLessThanOrEqual(1);
    expect(await off(await png(twelve, 12))).toBeLessThanOrEqual(1);
    expect(
      await off(
        await png(
          eight.map((v) => v * 257),
          12,
        ),
      ),
    ).toBeLessThanOrEqual(1);
    const dark = eight.map((v) => Math.round(to(900)(v)));
    const { data } = await decode(await png(dark, 12), limits);
    expect(Math.abs(Math.max(...data) - (255 * 900) / 4095)).toBeLessThan(1);
  });

  it('stay black where they are', async () => {
    const { data } = await decode(await png(eight.map(() => 0)), limits);
    expect(data.every((value) => value === 0)).toBe(true);
  });
});

describe('levels', () => {
  const spread = (least: number, most: number, usualLeast = least, usualMost = most) => ({
    least,
    most,
    usualLeast,
    usualMost,
  });
  const u16: Samples = { format: 'unsigned', bits: 16 };
  const float: Samples = { format: 'float', bits: 32 };
  it.each<[string, Samples, ReturnType<typeof spread>, number, number]>([
    ['all of 16 bits', u16, spread(0, 65_000), 0, 65_535],
    ['half of 16 bits', u16, spread(0, 30_000), 0, 65_535],
    ['14 bits', u16, spread(0, 16_000), 0, 16_383],
    ['a mask of ones', u16, spread(0, 1), 0, 1],
    ['nothing', u16, spread(0, 0), 0, 65_535],
    ['16 bits, declared', { ...u16, declared: 65_535 }, spread(0, 900), 0, 65_535],
    ['more than is declared', { ...u16, declared: 255 }, spread(0, 4000), 0, 4095],
    ['16 in 32 bits', { format: 'unsigned', bits: 32 }, spread(0, 60_000), 0, 65_535],
    ['light with glare', float, spread(0, 300, 0, 0.9), 0, 1],
    ['a tensor', float, spread(-0.9, 0.8), -1, 1],
    ['overshoot of a resize', float, spread(-9, 262, 0, 255.5), 0, 255],
    ['a dark film in floats', float, spread(0, 255, 0, 80), 0, 255],
    ['light over 1', float, spread(0, 40, 0, 1.5), 0, 1.5],
    ['light near nothing', float, spread(0, 0.002), 0, 0.002],
    ['nothing in floats', float, spread(0, 0), 0, 1],
  ])('%s', (_what, samples, of, black, white) => {
    expect(levelsOf(samples, of)).toEqual({ black, white });
  });
});
