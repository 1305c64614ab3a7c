import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countingSource } from '../../bytes/counting.ts';
import { memorySource } from '../../bytes/memory.ts';
import type { PixelBox } from '../../image/plane.ts';
import { writeFits } from '../write/file.ts';
import { openImage } from './open.ts';

const [width, height] = [67, 53];
const data = Float32Array.from({ length: width * height }, (_, i) =>
  i % 97 === 0 ? Number.NaN : Math.sin(i * 12.9898) * 100 + 50 * Math.cos(i / 700),
);
const files = {
  plain: writeFits([{ plane: { width, height, data }, cards: [] }]),
  rows: writeFits([{ plane: { width, height, data }, cards: [], compress: {} }]),
  tiles: writeFits([
    { plane: { width, height, data }, cards: [], compress: { tile: { width: 20, height: 16 } } },
  ]),
};

const anyBox: fc.Arbitrary<PixelBox> = fc
  .tuple(
    fc.nat(width - 1),
    fc.nat(height - 1),
    fc.integer({ min: 1, max: 25 }),
    fc.integer({ min: 1, max: 25 }),
  )
  .map(([x0, y0, w, h]) => ({ x0, y0, width: Math.min(w, width - x0), height: Math.min(h, height - y0) }));

it.each(Object.entries(files))(
  'many boxes of %s are what each is by itself, in their order',
  async (_, bytes) => {
    const image = await openImage(memorySource(bytes));
    await fc.assert(
      fc.asyncProperty(fc.array(anyBox, { maxLength: 12 }), async (boxes) => {
        expect(await image.readMany(boxes)).toEqual(await Promise.all(boxes.map((box) => image.read(box))));
      }),
      { numRuns: 40 },
    );
  },
);

it.each(['rows', 'plain'] as const)(
  'of %s each byte is read once, however many boxes touch it',
  async (name) => {
    const source = countingSource(memorySource(files[name]));
    const image = await openImage(source);
    const boxes = Array.from({ length: 30 }, (_, i) => ({ x0: i, y0: 3, width: 20, height: 10 }));
    const before = source.bytes;
    await image.readMany(boxes);
    const many = source.bytes - before;
    await image.read({ x0: 0, y0: 3, width: 49, height: 10 });
    expect(source.bytes - before - many).toBe(many);
    expect(await image.readMany([])).toEqual([]);
  },
);
