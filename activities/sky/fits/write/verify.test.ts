import { expect, it } from 'vitest';
import { memorySource } from '../../bytes/memory.ts';
import { openFits } from '../read/open.ts';
import { writeFits } from './file.ts';
import { variates } from './testing/files.ts';
import { verifyChecksums } from './verify.ts';

const next = variates(9);
const plane = { width: 40, height: 30, data: Int32Array.from({ length: 1200 }, () => next() * 1e6) };
const bytes = writeFits([
  { plane, cards: [] },
  { plane, cards: [{ keyword: 'EXTNAME', value: 'MASK', comment: '' }], compress: {} },
]);
const verify = async (file: Uint8Array, options = {}) =>
  verifyChecksums(await openFits(memorySource(file, 'tile.fits')), options);

it('finds what was written right, in whatever pieces it is read', async () => {
  for (const pieceLength of [1 << 20, 2880, 1000]) {
    const seen: Uint8Array[] = [];
    const found = await verify(bytes, {
      pieceLength,
      onBytes: (_: number, piece: Uint8Array) => seen.push(piece),
    });
    expect(found).toEqual([
      { index: 0, name: '', dataSum: 'right', checksum: 'right' },
      { index: 1, name: 'MASK', dataSum: 'right', checksum: 'right' },
    ]);
    expect(Buffer.compare(Buffer.concat(seen), bytes)).toBe(0);
  }
});

it('reports a bit that turned, and the HDU it turned in', async () => {
  const { hdus } = await openFits(memorySource(bytes));
  const flip = (at: number) => {
    const flipped = bytes.slice();
    flipped[at]! ^= 16;
    return verify(flipped);
  };
  expect(await flip(hdus[0]!.dataOffset + 7)).toMatchObject([
    { dataSum: 'wrong', checksum: 'wrong' },
    { dataSum: 'right', checksum: 'right' },
  ]);
  expect(await flip(hdus[1]!.dataOffset + hdus[1]!.dataBytes - 1)).toMatchObject([
    { dataSum: 'right', checksum: 'right' },
    { dataSum: 'wrong', checksum: 'wrong' },
  ]);
  // In the comment of the first card.
  expect(await flip(40)).toMatchObject([{ dataSum: 'right', checksum: 'wrong' }, { checksum: 'right' }]);
});

it('tells that a file ends early', async () => {
  const file = await openFits(memorySource(bytes));
  const source = memorySource(bytes.subarray(0, bytes.length - 3000));
  await expect(verifyChecksums({ ...file, source })).rejects.toMatchObject({ code: 'truncated_fits' });
});
