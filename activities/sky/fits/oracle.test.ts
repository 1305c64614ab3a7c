import { describe, expect, it } from 'vitest';
import { memorySource } from '../bytes/memory.ts';
import type { PixelBox, Plane } from '../image/plane.ts';
import { layoutOf } from './compression/layout.ts';
import { restoreHeader } from './compression/restore.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { FitsFile, FitsImage, Hdu } from './read/file.ts';
import { openFits } from './read/open.ts';
import {
  type OracleFile,
  packedFiles,
  pixelHash,
  type RecordedImage,
  realFiles,
  samplesFolder,
  sha256,
} from './testing.ts';

const packed = packedFiles();
const real = realFiles();

async function images({ bytes, name }: OracleFile): Promise<FitsImage[]> {
  const file = await openFits(memorySource(bytes, name));
  return withPixels(file).map(({ index }) => file.image(index));
}

const imageHdus = async ({ bytes, name }: OracleFile): Promise<Hdu[]> =>
  withPixels(await openFits(memorySource(bytes, name)));

const withPixels = ({ hdus }: FitsFile): Hdu[] =>
  hdus.filter(({ kind }) => kind === 'image' || kind === 'compressed');

const whole = (image: FitsImage): PixelBox => ({ x0: 0, y0: 0, width: image.width, height: image.height });

function crop({ data, width }: Plane, box: PixelBox): number[] {
  const out: number[] = [];
  for (let y = box.y0; y < box.y0 + box.height; y++) {
    for (let x = box.x0; x < box.x0 + box.width; x++) out.push(Number(data[y * width + x]));
  }
  return out;
}

async function expectAsRecorded(file: OracleFile): Promise<void> {
  const found = await images(file);
  expect(found).toHaveLength(file.images.length);
  for (const [i, image] of found.entries()) {
    const wanted = file.images[i] as RecordedImage;
    expect([image.bitpix, image.width, image.height]).toEqual([wanted.bitpix, wanted.width, wanted.height]);
    const plane = await image.read(whole(image));
    for (const [place, value] of Object.entries(wanted.samples)) {
      expect([place, Number(plane.data[Number(place)])]).toEqual([place, value ?? Number.NaN]);
    }
    expect(pixelHash(plane)).toBe(wanted.sha256);
    // A part of it, from within tiles on all sides, is the same part of the whole.
    const box = { x0: 5, y0: 2, width: image.width - 8, height: image.height - 3 };
    if (box.width < 1 || box.height < 1) continue;
    expect([...(await image.read(box)).data].map(Number)).toEqual(crop(plane, box));
  }
}

describe('files that fpack packed, to the last bit as funpack, astropy and CFITSIO read them', () => {
  it('has every algorithm, tiling and kind of pixel', () => {
    const words = new Set(packed.flatMap(({ name }) => name.split('-')));
    for (const word of [
      'rice',
      'gzip1',
      'gzip2',
      'plio',
      'hcompress',
      'lossless',
      'dither1',
      'dither2',
      'plain',
    ]) {
      expect(words).toContain(word);
    }
    for (const word of [
      'row',
      'square',
      'ragged',
      'whole',
      'u8',
      'i16',
      'u16',
      'i32',
      'f32',
      'f32nan',
      'f32zero',
      'f64',
    ]) {
      expect(words).toContain(word);
    }
  });

  it.each(packed)('$name', expectAsRecorded);
});

describe('real files', () => {
  it.each(real)('$name', expectAsRecorded);

  it.skipIf(samplesFolder() === undefined)('of surveys are here: ../shared/samples/sky', () => {
    expect(real.filter(({ name }) => name.startsWith('samples/'))).toHaveLength(28);
  });
});

describe('the header of a compressed image', () => {
  const restored = [...packed, ...real].filter(({ images: [first] }) => first?.keywords !== undefined);

  it.each(restored)('has the keywords that funpack restores: $name', async (file) => {
    for (const [i, hdu] of (await imageHdus(file)).entries()) {
      const wanted = file.images[i]?.keywords;
      if (wanted === undefined) continue;
      // Without what the image inherits, which funpack leaves in the primary HDU.
      const header =
        hdu.kind === 'compressed' ? restoreHeader(hdu.header, layoutOf(hdu, DEFAULT_LIMITS)) : hdu.header;
      const keywords = new Set(header.cards.map(({ keyword, raw }) => raw?.slice(0, 8).trim() ?? keyword));
      expect(
        sha256(
          Buffer.from(
            [...keywords]
              .filter((k) => !/^(CHECK|DATA)SUM$/.test(k))
              .sort()
              .join('\n'),
          ),
        ),
      ).toBe(wanted);
    }
  });
});
