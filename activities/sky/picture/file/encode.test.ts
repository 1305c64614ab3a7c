import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type Channels, type Depth, emptyRaster, type Raster } from '../raster.ts';
import { type EncodeOptions, encodePicture } from './encode.ts';
import { textsOf } from './png-text.ts';

function noise(channels: Channels, depth: Depth): Raster {
  const raster = emptyRaster(19, 7, channels, depth);
  let state = 5;
  for (let i = 0; i < raster.data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    raster.data[i] = state >>> (depth === 8 ? 24 : 16);
  }
  return raster;
}

const png: EncodeOptions = { format: 'png' };

describe('pictures as files', () => {
  it.each(
    ([1, 2, 3, 4] as const).flatMap((channels) =>
      [8, 16].map((depth) => ({ channels, depth: depth as Depth })),
    ),
  )('keeps every count of $channels channels of $depth bits in a PNG', async ({ channels, depth }) => {
    const raster = noise(channels, depth);
    const file = await encodePicture(raster, png);
    // IHDR: bits, then the colour type.
    expect([file[24], file[25]]).toEqual([depth, { 1: 0, 2: 4, 3: 2, 4: 6 }[channels]]);
    const opened = sharp(file);
    if (depth === 16) opened.toColourspace(channels < 3 ? 'grey16' : 'rgb16');
    const { data, info } = await opened
      .raw({ depth: depth === 16 ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const counts = depth === 8 ? new Uint8Array(data) : new Uint16Array(new Uint8Array(data).buffer);
    // What is grey in the file may come out as three equal colours.
    const kept = channels < 3 && info.channels > 2 ? [0, 3].slice(0, channels) : [0, 1, 2, 3];
    expect(counts.filter((_, i) => kept.includes(i % info.channels))).toEqual(raster.data);
  });

  it('says where it is from in chunks that others read, and is the same bytes for the same picture', async () => {
    const texts = { Software: 'Darkroom', Source: 'survey/tile/r', Description: 'α = 10°\nδ = 2″' };
    const file = await encodePicture(noise(3, 8), { ...png, texts });
    expect(textsOf(file)).toEqual(texts);
    expect(await encodePicture(noise(3, 8), { ...png, texts })).toEqual(file);
    // libvips checks the chunks' sums.
    const { comments } = await sharp(file).metadata();
    expect(Object.fromEntries((comments ?? []).map(({ keyword, text }) => [keyword, text]))).toMatchObject({
      Source: 'survey/tile/r',
    });
    await expect(encodePicture(noise(3, 8), { ...png, texts: { '': 'x' } })).rejects.toMatchObject({
      code: 'invalid_cutout',
    });
  });

  it.each(['jpeg', 'webp'] as const)(
    'writes %s of any channels, with its texts, the same bytes again',
    async (format) => {
      for (const channels of [1, 2, 3, 4] as const) {
        const texts = { Source: 'survey/tile/r' };
        const file = await encodePicture(noise(channels, 8), { format, texts });
        const { width, height, format: read, exif } = await sharp(file).metadata();
        expect({ width, height, read }).toEqual({ width: 19, height: 7, read: format });
        expect(exif?.toString('latin1')).toContain(JSON.stringify(texts));
        expect(await encodePicture(noise(channels, 8), { format, texts })).toEqual(file);
      }
    },
  );
});
