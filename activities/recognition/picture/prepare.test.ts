import { crc32 } from 'node:zlib';
import { releaseMemory } from '@darkroom/platform';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ModelInput } from '../model/card/card.ts';
import { limits } from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import { decode, normalise, probe, toTensor } from './prepare.ts';

const input: ModelInput = {
  width: 40,
  height: 40,
  layout: 'nchw',
  colour: 'rgb',
  dtype: 'float32',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  fit: 'letterbox',
  pad: 7,
};

/** 40 × 20: the left half red, the right half blue, the top left corner white. */
async function flag(): Promise<Sharp> {
  const block = (width: number, height: number, background: string) =>
    sharp({ create: { width, height, channels: 3, background } })
      .png()
      .toBuffer();
  return sharp({ create: { width: 40, height: 20, channels: 3, background: 'red' } }).composite([
    { input: await block(20, 20, 'blue'), left: 20, top: 0 },
    { input: await block(6, 6, 'white'), left: 0, top: 0 },
  ]);
}

/** A PNG that claims a size and holds nothing. */
function pngHeader(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', Buffer.from('789c', 'hex'))]);
}

const code = (wanted: string, detail = /./) =>
  expect.objectContaining({ code: wanted, message: expect.stringMatching(detail) });

describe('probe', () => {
  it.each([
    ['empty_file', Buffer.alloc(0), limits, /./],
    ['unsupported_media', Buffer.from('just words'), limits, /text.*JPEG/],
    ['unsupported_media', Buffer.from('%PDF-1.7'), limits, /PDF/],
    ['heic_unsupported', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), limits, /JPEG/],
    ['video_among_photos', Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp41', 'latin1'), limits, /mp4/],
    ['too_large', sample('cat.jpg'), { ...limits, bytes: 1000 }, /limit is 1000/],
    ['too_many_pixels', sample('cat.jpg'), { ...limits, pixels: 100_000 }, /451 × 300/],
    ['too_many_pixels', pngHeader(60_000, 60_000), limits, /60000 × 60000/],
    ['too_many_pixels', pngHeader(70_000, 10), limits, /65535/],
    ['truncated_image', sample('cat.jpg').subarray(0, 20), limits, /header/],
  ] as const)('%s', async (wanted, bytes, bounds, detail) => {
    await expect(probe(bytes, bounds)).rejects.toEqual(code(wanted, detail));
  });

  it('counts frames', async () => {
    const frames = await Promise.all(
      ['red', 'green', 'blue'].map((background) =>
        sharp({ create: { width: 4, height: 4, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const animation = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect(await probe(animation, limits)).toMatchObject({ frames: 3, width: 4, height: 4 });
    // Only the first is read, so that there may be any number.
    expect(await probe(animation, { ...limits, frames: 2 })).toMatchObject({ frames: 3 });
    const { data, ...size } = await decode(animation, { ...limits, frames: 2 });
    expect({ ...size, first: [...data.subarray(0, 3)] }).toEqual({ width: 4, height: 4, first: [255, 0, 0] });
  });

  it.each(['gif', 'webp'] as const)('reads the first of 150 frames of a %s', async (format) => {
    // No two neighbours alike: encoders join those.
    const raw = Buffer.alloc(150 * 8 * 8 * 3);
    for (let i = 0; i < 150; i++) raw.fill(i === 0 ? 200 : i % 2 === 0 ? 0 : 255, i * 192, (i + 1) * 192);
    const film = sharp(raw, { raw: { width: 8, height: 8 * 150, channels: 3, pageHeight: 8 } });
    const bytes = await film
      .toFormat(format, { lossless: true, loop: 0, delay: Array(150).fill(50) })
      .toBuffer();
    expect(await probe(bytes, limits)).toMatchObject({ width: 8, height: 8, frames: 150 });
    expect([...(await decode(bytes, limits)).data.subarray(0, 3)]).toEqual([200, 200, 200]);
  });

  it.each<[string, number, number, RegExp]>([
    ['12 bits a sample', 0xc1, 12, /12 bits/],
    ['lossless at 16 bits', 0xc3, 16, /16 bits a sample, lossless/],
    ['hierarchical', 0xc5, 8, /hierarchical/],
    ['lossless and arithmetic', 0xcb, 8, /arithmetic/],
  ])('calls a JPEG unsupported that is %s', async (_what, process, bits, message) => {
    const bytes = await sharp(sample('cat.jpg')).jpeg().toBuffer();
    const frame = bytes.indexOf(Buffer.from('ffc0', 'hex'));
    bytes.set([process], frame + 1);
    bytes.set([bits], frame + 4);
    await expect(probe(bytes, limits)).rejects.toEqual(code('unsupported_media', message));
    await expect(decode(bytes, limits)).rejects.toEqual(code('unsupported_media', /Export it as JPEG/));
  });

  it('calls an animated AVIF unsupported, not damaged', async () => {
    const still = await sharp(sample('cat.jpg')).avif().toBuffer();
    const branded = Buffer.from(still).fill('avis', 8, 12);
    const film = Buffer.from(still).fill('moov', still.indexOf('meta'), still.indexOf('meta') + 4);
    for (const bytes of [branded, film])
      await expect(probe(bytes, limits)).rejects.toEqual(code('unsupported_media'));
    await expect(probe(branded, limits)).rejects.toEqual(code('unsupported_media', /animated AVIF/));
  });

  it('tells the size as it will be seen', async () => {
    expect(await probe(sample('cat-turned.jpg'), limits)).toEqual({
      width: 451,
      height: 300,
      format: 'jpeg',
      frames: 1,
      orientation: 6,
    });
  });
});

describe('decode', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('honours EXIF orientation %i', async (orientation) => {
    const png = await (await flag()).png().toBuffer();
    const bytes = await sharp(png)
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .withMetadata({ orientation })
      .toBuffer();
    const { width, height, data } = await decode(bytes, limits);
    expect([width, height]).toEqual(orientation < 5 ? [40, 20] : [20, 40]);
    // Where the white corner, and with it the picture's first pixel, comes to lie (EXIF 2.3, tag 0x0112).
    const [x, y] = [
      [2, 2],
      [-3, 2],
      [-3, -3],
      [2, -3],
      [2, 2],
      [-3, 2],
      [-3, -3],
      [2, -3],
    ][orientation - 1] as [number, number];
    const at = ((y < 0 ? height + y : y) * width + (x < 0 ? width + x : x)) * 3;
    for (const value of data.subarray(at, at + 3)) expect(value).toBeGreaterThan(240);
    const told = await decode(bytes, limits, await probe(bytes, limits));
    expect(told).toEqual({ width, height, data });
  });

  it.each(['jpeg', 'png', 'webp', 'tiff', 'gif', 'avif'] as const)(
    'reads %s, and says when it is cut',
    async (format) => {
      const bytes = await sharp(sample('cat.jpg')).toFormat(format).toBuffer();
      const { width, height, data } = await decode(bytes, limits);
      expect([width, height, data.length]).toEqual([451, 300, 451 * 300 * 3]);
      for (const part of [0.3, 0.7, 0.95]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * part));
        await expect(probe(cut, limits).then(() => decode(cut, limits))).rejects.toEqual(
          code('truncated_image'),
        );
      }
    },
  );

  it('brings every kind of pixel to sRGB', async () => {
    const cat = sharp(sample('cat.jpg'));
    const pictures = [
      cat.clone().greyscale().png(),
      cat.clone().toColourspace('cmyk').jpeg(),
      cat.clone().toColourspace('rgb16').png(),
      cat.clone().png({ palette: true }),
      cat.clone().ensureAlpha(0.5).png(),
    ];
    for (const picture of pictures) {
      const { data } = await decode(await picture.toBuffer(), limits);
      expect(data.length).toBe(451 * 300 * 3);
    }
  });

  it('lays what is transparent on white', async () => {
    const clear = sharp({
      create: { width: 2, height: 2, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    });
    expect([...(await decode(await clear.png().toBuffer(), limits)).data]).toEqual(Array(12).fill(255));
  });

  it('refuses a bomb even when nobody probed it', async () => {
    await expect(decode(sample('cat.jpg'), { ...limits, pixels: 1000 })).rejects.toEqual(
      code('truncated_image', /pixel limit/),
    );
  });
});

describe('the tensor', () => {
  it('holds the picture where it was placed, and padding around', async () => {
    const raster = await decode(await (await flag()).png().toBuffer(), limits);
    const { tensor, placed } = await toTensor(raster, input);
    expect(placed).toEqual({ left: 0, top: 10, width: 40, height: 20 });
    expect(tensor.dims).toEqual([1, 3, 40, 40]);
    const value = (channel: number, x: number, y: number) => tensor.data[channel * 1600 + y * 40 + x];
    expect([0, 1, 2].map((c) => value(c, 10, 20))).toEqual([255, 0, 0]);
    expect([0, 1, 2].map((c) => value(c, 30, 20))).toEqual([0, 0, 255]);
    expect([0, 1, 2].map((c) => value(c, 30, 9))).toEqual([7, 7, 7]);
  });

  it('says the same in every layout and colour order', () => {
    const side = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(side, side, fc.infiniteStream(fc.nat(255)), (width, height, stream) => {
        const pixels = Uint8Array.from({ length: width * height * 3 }, () => stream.next().value ?? 0);
        const placed = { left: 8 - width, top: 0, width, height };
        const small: ModelInput = { ...input, width: 8, height: 8, scale: 1 / 127.5, mean: [1, 1, 1] };
        const reference = normalise(pixels, placed, small).data;
        const other = normalise(pixels, placed, { ...small, layout: 'nhwc', colour: 'bgr' }).data;
        for (let channel = 0; channel < 3; channel++)
          for (let p = 0; p < 64; p++) expect(other[p * 3 + 2 - channel]).toBe(reference[channel * 64 + p]);
        for (const value of reference) expect(Math.abs(value)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 30 },
    );
  });
});

it('gives the memory of a raster back at once', async () => {
  const raster = await decode(sample('four.jpg'), limits);
  const before = process.memoryUsage().external;
  releaseMemory(raster.data);
  expect(raster.data).toHaveLength(0);
  expect(before - process.memoryUsage().external).toBeGreaterThan(5_000_000);
});
