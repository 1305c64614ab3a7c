import { describe, expect, it } from 'vitest';
import { countingSource } from '../../bytes/counting.ts';
import { memorySource } from '../../bytes/memory.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { packedFile } from '../testing.ts';
import { FitsCache } from './cache.ts';
import { openFits, openImage } from './open.ts';

const block = (bytes: number): number => Math.ceil(bytes / 2880) * 2880;
const cards = (...lines: string[]): Buffer => {
  const text = [...lines, 'END'].map((line) => line.padEnd(80)).join('');
  return Buffer.from(text.padEnd(block(text.length)), 'latin1');
};
const card = (keyword: string, value: string | number): string =>
  `${keyword.padEnd(8)}= ${typeof value === 'string' ? (value === 'T' ? 'T' : `'${value}'`) : value}`;

const pixel = (x: number, y: number): number => (7 * x + 13 * y + (x >> 8)) % 251;

/**
 * An image of bytes in tiles that are not packed, made as it is read: a file of 100 MB in no memory. Its rows have a descriptor and 16 bytes more, as
 * those of quantised floats have.
 */
function virtualFile(
  width: number,
  height: number,
  tileWidth: number,
  tileHeight: number,
  more = 0,
): ByteSource {
  const across = width / tileWidth;
  const tiles = across * (height / tileHeight);
  const tileBytes = tileWidth * tileHeight;
  const rowBytes = 24;
  const filler = Array.from({ length: more }, (_, i) => card(`K${i}`, i));
  const head = Buffer.concat([
    cards(card('SIMPLE', 'T'), card('BITPIX', 8), card('NAXIS', 0)),
    cards(
      card('XTENSION', 'BINTABLE'),
      card('BITPIX', 8),
      card('NAXIS', 2),
      card('NAXIS1', rowBytes),
      card('NAXIS2', tiles),
      card('PCOUNT', tiles * tileBytes),
      card('GCOUNT', 1),
      card('TFIELDS', 2),
      card('TTYPE1', 'COMPRESSED_DATA'),
      card('TFORM1', '1PB'),
      card('TTYPE2', 'OTHER'),
      card('TFORM2', '2D'),
      card('ZIMAGE', 'T'),
      card('ZCMPTYPE', 'NOCOMPRESS'),
      card('ZBITPIX', 8),
      card('ZNAXIS', 2),
      card('ZNAXIS1', width),
      card('ZNAXIS2', height),
      card('ZTILE1', tileWidth),
      card('ZTILE2', tileHeight),
      ...filler,
    ),
  ]);
  const heap = head.length + tiles * rowBytes;
  const size = head.length + block(tiles * rowBytes + tiles * tileBytes);
  const byteAt = (at: number): number => {
    if (at < head.length) return head[at]!;
    if (at < heap) {
      const tile = Math.floor((at - head.length) / rowBytes);
      const byte = (at - head.length) % rowBytes;
      if (byte >= 8) return 0;
      return ((byte < 4 ? tileBytes : tile * tileBytes) >>> (24 - 8 * (byte % 4))) & 255;
    }
    const tile = Math.floor((at - heap) / tileBytes);
    const within = (at - heap) % tileBytes;
    const x = (tile % across) * tileWidth + (within % tileWidth);
    return pixel(x, Math.floor(tile / across) * tileHeight + Math.floor(within / tileWidth));
  };
  return {
    name: 'virtual.fits',
    size,
    etag: `${width} ${height} ${tileWidth} ${more}`,
    read: async (offset, length) =>
      Uint8Array.from({ length: Math.min(length, size - offset) }, (_, i) => byteAt(offset + i)),
  };
}

async function stamp(source: ByteSource, cache: FitsCache, x0: number, y0: number, side: number) {
  const counted = countingSource(source);
  const image = await openImage(counted, undefined, { cache });
  const { data } = await image.read({ x0, y0, width: side, height: side });
  for (const [x, y] of [
    [0, 0],
    [side - 1, 0],
    [3, side - 2],
    [side - 1, side - 1],
  ] as const) {
    expect(data[y * side + x]).toBe(pixel(x0 + x, y0 + y));
  }
  return { reads: counted.reads.length, bytes: counted.bytes, share: counted.bytes / source.size };
}

describe('a stamp of 228 pixels of a 10,000 × 10,000 image', () => {
  it('in tiles of one row: at most 4 reads and 3 % cold, one read of the tiles alone warm', async () => {
    const source = virtualFile(10_000, 10_000, 10_000, 1);
    const cache = new FitsCache();
    const cold = await stamp(source, cache, 4000, 6000, 228);
    expect(cold.reads).toBeLessThanOrEqual(4);
    expect(cold.share).toBeLessThanOrEqual(0.03);
    const warm = await stamp(source, cache, 100, 9000, 228);
    expect(warm).toMatchObject({ reads: 1, bytes: 228 * 10_000 });
  });

  it('with a header of 700 cards: the same', async () => {
    const cold = await stamp(virtualFile(10_000, 10_000, 10_000, 1, 700), new FitsCache(), 4000, 6000, 228);
    expect(cold.reads).toBeLessThanOrEqual(4);
    expect(cold.share).toBeLessThanOrEqual(0.03);
  });

  it('in tiles of 100 × 100: at most 4 reads and 5 % cold, 2 reads warm', async () => {
    const source = virtualFile(10_000, 10_000, 100, 100);
    const cache = new FitsCache();
    for (const [x0, y0] of [
      [4050, 6075],
      [1290, 8795],
    ] as const) {
      const cold = await stamp(source, new FitsCache(), x0, y0, 228);
      expect(cold.reads).toBeLessThanOrEqual(4);
      expect(cold.share).toBeLessThanOrEqual(0.05);
      await stamp(source, cache, x0, y0, 228);
    }
    expect((await stamp(source, cache, 7777, 3333, 228)).reads).toBeLessThanOrEqual(2);
  });

  it('of a file that packs well: rows of the table at first, the whole table at the second use, then none', async () => {
    const source = virtualFile(700, 10_000, 700, 1);
    const cache = new FitsCache();
    const cold = await stamp(source, cache, 300, 6000, 228);
    expect(cold.reads).toBeLessThanOrEqual(4);
    expect(cold.share).toBeLessThanOrEqual(0.03);
    expect((await stamp(source, cache, 300, 2000, 228)).reads).toBe(2);
    expect(await stamp(source, cache, 300, 9000, 228)).toMatchObject({ reads: 1, bytes: 228 * 700 });
  });
});

it('one image of a file is opened without the headers behind it', async () => {
  const first = packedFile('i16-square-rice');
  const one = countingSource(memorySource(Buffer.concat([first, Buffer.alloc(100 * 2880)])));
  await openImage(one);
  const all = countingSource(one);
  await openFits(all);
  expect(one.reads.length).toBeLessThan(all.reads.length + one.reads.length);
});

describe('the cache', () => {
  it('keeps files apart by their ETag, and forgets what was used longest ago', async () => {
    const cache = new FitsCache(60_000);
    const bytes = packedFile('i16-square-rice');
    const open = async (etag: string): Promise<number> => {
      const source = countingSource(memorySource(bytes, 'a.fits', etag));
      await openImage(source, undefined, { cache });
      return source.reads.length;
    };
    expect([await open('1'), await open('1'), await open('2'), await open('2')]).toEqual([1, 0, 1, 0]);
    for (const etag of ['3', '4', '5', '6']) await open(etag);
    expect(cache.bytes).toBeLessThanOrEqual(60_000);
    expect(await open('1')).toBe(1);
    expect(await open('6')).toBe(0);
  });

  it('is shared by opens at the same time', async () => {
    const cache = new FitsCache();
    const source = memorySource(packedFile('f32-square-rice-dither1'));
    const read = async () =>
      (await openImage(source, undefined, { cache })).read({ x0: 1, y0: 1, width: 30, height: 30 });
    const [one, ...others] = await Promise.all(Array.from({ length: 8 }, read));
    for (const other of others) expect(other).toEqual(one);
  });
});

it('stops reading where it is told to', async () => {
  const source = memorySource(packedFile('i16-square-rice'));
  const image = await openImage(source);
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  await expect(image.read({ x0: 0, y0: 0, width: 5, height: 5 }, stop.signal)).rejects.toThrow('enough');
});
