import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { patch, patchBox, u16 } from '../../testing/boxes.ts';
import { bytesSource } from '../../testing/bytes-source.ts';
import { drawBars, readBars } from '../../testing/film/bars.ts';
import { paint, planes } from '../../testing/film/planes.ts';
import { cropBox, type HeicOptions, makeHeic, mirrorBox, turnBox } from '../../testing/heic.ts';
import { decodeForeign } from '../foreign.ts';
import { type RgbPicture, readPicture } from './heic.ts';

const limits = { pixels: 1e6 };
const coded = (code: string) => expect.objectContaining({ name: 'ProblemError', code });

/** 300 × 200: a number on top, orange below left, blue below right. */
function picture() {
  const target = planes(300, 200);
  paint(target, { x: 0, y: 20, width: 150, height: 180 }, [134, 77, 187]);
  paint(target, { x: 150, y: 20, width: 150, height: 180 }, [60, 180, 110]);
  drawBars(target, 12_345);
  return target;
}
const made = (options: HeicOptions) => readPicture(bytesSource(makeHeic(picture(), options)), limits);
const at = ({ width, rgb }: RgbPicture, x: number, y: number) => [
  ...rgb.subarray(3 * (y * width + x), 3 * (y * width + x) + 3),
];
const number = ({ width, height, rgb }: RgbPicture) => readBars({ width, height, channels: 3, data: rgb });

async function turned(by: number, { width, height, rgb }: RgbPicture): Promise<RgbPicture> {
  const raw = { width, height, channels: 3 } as const;
  const { data, info } = await sharp(rgb, { raw }).rotate(by).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgb: data };
}

describe('HEIC', () => {
  it.each([
    ['one picture', {}],
    ['tiles', { tile: 128 }],
  ])('of %s is read', (_, options) => {
    const read = made(options);
    expect(read).toMatchObject({ width: 300, height: 200 });
    expect(number(read)).toBe(12_345);
    for (const [x, y, colour] of [
      [70, 100, [232, 115, 34]],
      [120, 190, [232, 115, 34]],
      [200, 140, [22, 41, 155]],
      [290, 60, [22, 41, 155]],
    ] as const)
      for (const [n, value] of at(read, x, y).entries()) expect(Math.abs(value - colour[n]!)).toBeLessThan(9);
  });

  it.each([1, 2, 3])('is turned upright: %i quarters', async (quarters) => {
    const read = made({ tile: 128, transforms: [turnBox(quarters)] });
    expect(read.width).toBe(quarters === 2 ? 300 : 200);
    expect(number(await turned(90 * quarters, read))).toBe(12_345);
  });

  it('is mirrored, cut and turned in the order told', () => {
    const cut = made({ transforms: [cropBox(150, 180, -150, 20), mirrorBox(0)] });
    expect(cut).toMatchObject({ width: 150, height: 180 });
    const [r, , b] = at(cut, 75, 90) as [number, number, number];
    expect(r).toBeGreaterThan(b + 100);
    const mirrored = made({ tile: 128, transforms: [mirrorBox(1)] });
    expect(number(mirrored)).not.toBe(12_345);
    expect(at(mirrored, 200, 140)[0]).toBeGreaterThan(200);
  });

  it('is read the same way in a recognition lane', () => {
    const bytes = makeHeic(picture(), { tile: 128 });
    const read = decodeForeign(bytes, { pixels: 1e6 });
    expect(Buffer.compare(read.data, readPicture(bytesSource(bytes), limits).rgb)).toBe(0);
  });

  it.each([
    // Code values of 10 and 203 nits (ITU-R BT.2100), as in the test of videos.
    ['PQ', 16, [83, 143]],
    ['HLG', 18, [65, 180]],
  ])('of HDR is mapped: %s', (_, transfer, [dark, white]) => {
    const grey = planes(128, 64);
    paint(grey, { x: 0, y: 0, width: 64, height: 64 }, [dark!, 128, 128]);
    paint(grey, { x: 64, y: 0, width: 64, height: 64 }, [white!, 128, 128]);
    const told = (numbers: readonly number[]) =>
      ['nclx', ...numbers.map(u16)].map((piece) => Buffer.from(piece));
    const [plain, hdr] = [told([6, 6, 6]), told([9, transfer, 9])].map((pieces) => Buffer.concat(pieces));
    const read = readPicture(bytesSource(patch(makeHeic(grey), plain!, hdr!)), limits);
    const [below, above] = [at(read, 30, 30)[1]!, at(read, 96, 30)[1]!];
    expect(below).toBeGreaterThan(50);
    expect(below).toBeLessThan(110);
    expect(above).toBeGreaterThan(195);
    expect(above).toBeLessThan(240);
  });

  it('that is broken off, too large or points nowhere is refused', () => {
    const whole = makeHeic(picture(), { tile: 128 });
    const refused = (bytes: Uint8Array, pixels = 1e6) =>
      expect(() => readPicture(bytesSource(bytes), { pixels }));
    refused(whole.subarray(0, whole.length - 50)).toThrow(coded('truncated_image'));
    refused(whole.subarray(0, 200)).toThrow(coded('truncated_image'));
    refused(whole, 300 * 200 - 1).toThrow(coded('too_many_pixels'));
    const lie = patch(whole, [...u16(300), ...u16(200)], [...u16(900), ...u16(900)]);
    refused(lie).toThrow(coded('truncated_image'));
    refused(patch(whole, 'dimg', 'xxxx')).toThrow(coded('truncated_image'));
    refused(patch(whole, 'hvcC', 'xxxC')).toThrow(coded('truncated_image'));
    const spoilt = patchBox(whole, 'hvcC', (config) => config.fill(0xff, 1));
    refused(spoilt).toThrow(coded('truncated_image'));
  });
});
