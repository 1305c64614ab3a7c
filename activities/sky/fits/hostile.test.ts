import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countingSource } from '../bytes/counting.ts';
import { memorySource } from '../bytes/memory.ts';
import type { ByteSource } from '../bytes/source.ts';
import { SkyError } from '../errors.ts';
import { openFits, openImage } from './read/open.ts';
import { packedFile, packedFiles } from './testing.ts';

/** Reads every image of a file whole. */
async function readAll(source: ByteSource): Promise<void> {
  const file = await openFits(source, { limits: { boxPixels: 1e6, tilePixels: 1e6 } });
  for (const { index, kind } of file.hdus) {
    if (kind !== 'image' && kind !== 'compressed') continue;
    const image = file.image(index);
    await image.read({ x0: 0, y0: 0, width: image.width, height: image.height });
  }
}

const block = (text: string): Buffer =>
  Buffer.from(text.padEnd(Math.ceil(text.length / 2880) * 2880), 'latin1');
const records = (...lines: string[]): string => lines.map((line) => line.padEnd(80)).join('');

/** The same file with other cards; each must be there. */
function edited(name: string, changes: Record<string, string>): Uint8Array {
  let text = Buffer.from(packedFile(name)).toString('latin1');
  for (const [keyword, value] of Object.entries(changes)) {
    const at = text.indexOf(`${keyword.padEnd(8)}= `, 2880);
    if (at < 0) throw new Error(`${name} has no ${keyword}.`);
    text = text.slice(0, at) + `${keyword.padEnd(8)}= ${value.padStart(20)}`.padEnd(80) + text.slice(at + 80);
  }
  return Buffer.from(text, 'latin1');
}

/** Where the data of a header begin that begins at `start`. */
function dataAt(bytes: Uint8Array, start: number): number {
  let at = start;
  while (Buffer.from(bytes.subarray(at, at + 8)).toString() !== 'END     ') at += 80;
  return Math.ceil((at + 80) / 2880) * 2880;
}

/** The same file with other 32-bit integers in the first row of its table. */
function withRow(name: string, values: Record<number, number>): Uint8Array {
  const bytes = Uint8Array.from(packedFile(name));
  const view = new DataView(bytes.buffer);
  for (const [at, value] of Object.entries(values)) view.setInt32(dataAt(bytes, 2880) + Number(at), value);
  return bytes;
}

const simple = records('SIMPLE  =                    T', 'BITPIX  =                    8');

describe('refuses, by name', () => {
  it.each<[string, string, Uint8Array]>([
    ['what is no FITS file', 'invalid_fits', Buffer.from('hello')],
    ['nothing', 'invalid_fits', new Uint8Array(0)],
    ['a file that is gzipped', 'unsupported_fits', gzipSync(packedFile('i16-plain'))],
    ['a header without END', 'truncated_fits', block(simple)],
    [
      'an image of 10^12 pixels a row',
      'fits_too_large',
      block(records(simple, 'NAXIS   = 2', 'NAXIS1  = 1000000000000', 'NAXIS2  = 1000000000000', 'END')),
    ],
    [
      'an axis beyond 2^53',
      'fits_too_large',
      block(records(simple, 'NAXIS   = 1', 'NAXIS1  = 99999999999999999999', 'END')),
    ],
    ['10^12 axes', 'invalid_fits', block(records(simple, 'NAXIS   = 1000000000000', 'END'))],
    [
      'an axis of less than nothing',
      'invalid_fits',
      block(records(simple, 'NAXIS   = 1', 'NAXIS1  = -5', 'END')),
    ],
    [
      'an axis that is no integer',
      'invalid_fits',
      block(records(simple, 'NAXIS   = 1', 'NAXIS1  = 1.5', 'END')),
    ],
    [
      'a BITPIX that there is not',
      'invalid_fits',
      block(records('SIMPLE  = T', 'BITPIX  = 7', 'NAXIS   = 0', 'END')),
    ],
    ['a negative PCOUNT', 'invalid_fits', edited('i16-square-rice', { PCOUNT: '-2880' })],
    ['tiles of no pixels', 'invalid_fits', edited('i16-square-rice', { ZTILE1: '0' })],
    ['another number of tiles than of rows', 'invalid_fits', edited('i16-square-rice', { ZNAXIS1: '400' })],
    [
      'columns that need more than a row',
      'invalid_fits',
      edited('i16-square-rice', { TFORM1: "'1000000J'" }),
    ],
    ['a format that there is not', 'invalid_fits', edited('i16-square-rice', { TFORM1: "'1Z(9)'" })],
    ['a heap before the table ends', 'invalid_fits', edited('variant-heap-gap', { THEAP: '1' })],
    ['a heap behind the data', 'invalid_fits', edited('variant-heap-gap', { THEAP: '1000000' })],
    [
      'a tile of more pixels than allowed',
      'fits_too_large',
      edited('i16-square-rice', {
        ZNAXIS1: '40000',
        ZTILE1: '40000',
        ZTILE2: '40000',
        ZNAXIS2: '40000',
        NAXIS2: '1',
      }),
    ],
    [
      'an algorithm that it does not know',
      'unsupported_fits',
      edited('i16-square-rice', { ZCMPTYPE: "'BZIP2_1'" }),
    ],
    ['RICE_1 of 8 bytes', 'unsupported_fits', edited('i16-square-rice', { ZVAL2: '8' })],
    [
      'an image of three axes',
      'unsupported_fits',
      block(records(simple, 'NAXIS   = 3', 'NAXIS1  = 2', 'NAXIS2  = 2', 'NAXIS3  = 2', 'END')),
    ],
    ['a descriptor outside the heap', 'corrupt_tile', withRow('i16-square-rice', { 4: 1 << 30 })],
    ['a descriptor before the heap', 'corrupt_tile', withRow('i16-square-rice', { 4: -8 })],
    ['a descriptor of less than nothing', 'corrupt_tile', withRow('i16-square-rice', { 0: -8 })],
    ['a tile without data', 'corrupt_tile', withRow('i16-square-rice', { 0: 0 })],
    ['a RICE_1 stream that ends early', 'corrupt_tile', withRow('i16-square-rice', { 0: 9 })],
    ['a GZIP_1 stream that ends early', 'corrupt_tile', withRow('i16-square-gzip1', { 0: 9 })],
    ['a PLIO_1 list that ends early', 'corrupt_tile', withRow('i16mask-square-plio', { 0: 4 })],
    ['an HCOMPRESS_1 stream that ends early', 'corrupt_tile', withRow('i16-square-hcompress', { 0: 30 })],
  ])('%s', async (_, code, bytes) => {
    const failure = await readAll(memorySource(bytes)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SkyError);
    expect(failure).toMatchObject({ code });
  });

  it('a corrupt tile by its number and place', async () => {
    const failure = readAll(memorySource(withRow('i16-square-rice', { 8: 3 }), 'a.fits'));
    await expect(failure).rejects.toThrow('Tile 2 of a.fits[1] (at 16, 0)');
  });
});

describe('in bounded memory', () => {
  it('a million cards', async () => {
    const line = Buffer.from('COMMENT x'.padEnd(80));
    const source = countingSource({
      name: 'cards.fits',
      size: 8e7,
      etag: '1',
      read: async (offset, length) => {
        const bytes = Buffer.alloc(length);
        for (let at = 0; at < length; at++) bytes[at] = line[(offset + at) % 80]!;
        if (offset === 0) bytes.set(Buffer.from(simple));
        return bytes;
      },
    });
    await expect(openFits(source)).rejects.toMatchObject({ code: 'fits_too_large' });
    expect(source.bytes).toBeLessThan(16e6);
  });

  it('a file of endless HDUs', async () => {
    const empty = block(records("XTENSION= 'IMAGE   '", 'BITPIX  = 8', 'NAXIS   = 0', 'END'));
    const first = block(records(simple, 'NAXIS   = 0', 'END'));
    const source: ByteSource = {
      name: 'hdus.fits',
      size: 1e12,
      etag: '1',
      read: async (offset, length) => {
        const blocks = Array.from({ length: Math.ceil(length / 2880) }, () => empty);
        return Buffer.concat(offset === 0 ? [first, ...blocks.slice(1)] : blocks);
      },
    };
    await expect(openFits(source)).rejects.toMatchObject({ code: 'fits_too_large' });
  });

  it('more rows of tiles than any read needs', async () => {
    const rows = '20000000';
    const bytes = edited('i16-square-rice', {
      ZNAXIS1: '1',
      ZNAXIS2: rows,
      ZTILE2: '1',
      NAXIS2: rows,
      PCOUNT: '200000000',
    });
    const image = await openImage(memorySource(bytes));
    const read = image.read({ x0: 0, y0: 0, width: 1, height: Number(rows) });
    await expect(read).rejects.toMatchObject({ code: 'fits_too_large' });
  });

  it('tiles that are much larger than the box', async () => {
    const box = { x0: 0, y0: 36, width: 40, height: 1 };
    const read = (decodedPixels: number) =>
      openImage(memorySource(packedFile('i16-ragged-rice')), 1, { limits: { decodedPixels } }).then((image) =>
        image.read(box),
      );
    // Six tiles of 7 × 5 pixels, of which one costs as much as 1024.
    await expect(read(6 * 1024)).resolves.toMatchObject({ width: 40 });
    await expect(read(6 * 1024 - 1)).rejects.toMatchObject({ code: 'fits_too_large' });
  });

  it('a tile that unpacks to more than its pixels', async () => {
    const bomb = gzipSync(Buffer.alloc(50e6));
    const bytes = Buffer.concat([edited('i16-whole-rice', { ZCMPTYPE: "'GZIP_1'" }), bomb]);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const table = dataAt(bytes, 2880);
    view.setInt32(table, Math.min(bomb.length, 20_000));
    const before = process.memoryUsage().arrayBuffers;
    bytes.set(bomb.subarray(0, 2000), table + 8);
    view.setInt32(table, 2000);
    await expect(readAll(memorySource(bytes))).rejects.toMatchObject({ code: 'corrupt_tile' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20e6);
  });
});

it.each([
  ['i16-plain', 0],
  ['i16-square-rice', 2880],
])('a file that ends within its pixels is told apart: %s', async (name, header) => {
  const bytes = packedFile(name);
  await expect(readAll(memorySource(bytes.subarray(0, dataAt(bytes, header) + 100)))).rejects.toMatchObject({
    code: 'truncated_fits',
  });
});

describe('flipped bits give pixels or a SkyError, never another failure', () => {
  const small = packedFiles().filter(({ name }) => /square|whole|variant|plain$/.test(name));

  it.each(small)('$name', async ({ bytes }) => {
    // Headers are mostly blanks: half of the flips are among what comes behind them.
    const start = bytes.length > 8640 ? 5760 : 0;
    const place = fc.oneof(fc.nat(bytes.length - 1), fc.integer({ min: start, max: bytes.length - 1 }));
    const flips = fc.array(fc.tuple(place, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(flips, async (list) => {
        const damaged = Uint8Array.from(bytes);
        for (const [at, bits] of list) damaged[at] = damaged[at]! ^ bits;
        await readAll(memorySource(damaged)).catch((error: unknown) => {
          if (!(error instanceof SkyError)) throw error;
        });
      }),
      { numRuns: 60 },
    );
  });
});
