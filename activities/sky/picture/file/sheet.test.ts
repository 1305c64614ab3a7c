import sharp from 'sharp';
import { expect, it } from 'vitest';
import { encodePicture } from './encode.ts';
import { contactSheet } from './sheet.ts';

const plain = (value: number, width = 4, height = 4) =>
  encodePicture(
    { width, height, channels: 1, data: new Uint8Array(width * height).fill(value) },
    { format: 'png' },
  );

it('has the pictures row by row, each whole in its place', async () => {
  const sheet = sharp(
    await contactSheet([await plain(100), await plain(200), await plain(255, 4, 2)], {
      columns: 2,
      cell: 4,
      gap: 1,
    }),
  );
  const { data, info } = await sheet.greyscale().raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([11, 11]);
  const at = (x: number, y: number): number => data[y * info.width + x]!;
  expect([at(2, 2), at(7, 2)]).toEqual([100, 200]);
  // Of the flat one the middle is there, above and below it nothing.
  expect([at(2, 6), at(2, 8), at(7, 8)]).toEqual([0, 255, at(0, 0)]);
});

it('of nothing is empty', async () => {
  const { width, height } = await sharp(await contactSheet([], { columns: 3, cell: 10 })).metadata();
  expect([width, height]).toEqual([38, 14]);
});
