import { describe, expect, it } from 'vitest';
import type { CardValue } from '../fits/card.ts';
import type { PixelBox, Plane } from '../image/plane.ts';
import type { Wcs } from '../wcs/wcs.ts';
import { gridOffset } from './grid/shared.ts';
import { type MosaicRequest, mosaic, mosaicStrips } from './mosaic.ts';
import {
  bits,
  type Cards,
  headerOf,
  partOf as part,
  planeOf,
  planeReader,
  type TestTile,
  tileOf,
} from './testing.ts';
import type { MosaicTile } from './tile.ts';

const CARDS: Cards = {
  CTYPE1: 'RA---TAN',
  CTYPE2: 'DEC--TAN',
  CRVAL1: 359.99,
  CRVAL2: -30.5,
  CRPIX1: 50.5,
  CRPIX2: 40,
  CD1_1: -7.3e-5,
  CD1_2: 1e-9,
  CD2_1: 1e-9,
  CD2_2: 7.3e-5,
};

/** A whole field with NaN, negative zero and an infinity in it. */
function field(width: number, height: number) {
  const image = planeOf(
    width,
    height,
    new Float32Array(width * height),
    (x, y) => Math.sin(x * 12.9898 + y * 78.233) * 437,
  );
  image.data.set([Number.NaN, -0, Number.POSITIVE_INFINITY], 5 * width + 3);
  const weight = planeOf(width, height, new Float32Array(width * height), (x, y) => 1 + x + y / 7);
  const mask = planeOf(width, height, new Int32Array(width * height), (x, y) => (x * y) % 64);
  return tileOf('whole', { image, weight, mask }, CARDS);
}

describe('a mosaic of tiles that share a grid', () => {
  const whole = field(61, 47);
  const parts = [
    part('lower left', whole, { x0: 0, y0: 0, width: 30, height: 25 }),
    part('lower right', whole, { x0: 24, y0: 0, width: 37, height: 30 }),
    part('upper', whole, { x0: 0, y0: 20, width: 61, height: 27 }),
  ];

  it.each([100, 5_000, 1e9])(
    'of a split tile is that tile, bit for bit, in %i bytes',
    async (memoryBytes) => {
      const made = await mosaic({ tiles: parts, grid: { x0: 0, y0: 0, width: 61, height: 47 }, memoryBytes });
      expect(made.method).toBe('copy');
      for (const plane of ['image', 'weight', 'mask'] as const) {
        expect(bits(made[plane]).equals(bits(whole.planes[plane])), plane).toBe(true);
      }
      // The one that is NaN, and the infinite one.
      expect(made.coverage).toBe(1 - 2 / (61 * 47));
      expect(made.tiles.map(({ name }) => name)).toEqual(['lower left', 'lower right', 'upper']);
      expect(made.tiles.reduce((sum, { pixels }) => sum + pixels, 0)).toBe(61 * 47 - 2);
    },
  );

  it('has nothing outside: NaN, NaN and the bit of no data', async () => {
    const made = await mosaic({
      tiles: [parts[1]!],
      grid: { x0: 35, y0: -3, width: 9, height: 8 },
      noDataBits: 64,
    });
    const { width } = made.image!;
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 9; x++) {
        const [on, i] = [y >= 3 && x < 2, y * width + x];
        // Columns of the primary tile's own grid: 35 and 36 are its last.
        expect(Number.isNaN(made.image!.data[i])).toBe(!on);
        expect(Number.isNaN(made.weight!.data[i])).toBe(!on);
        expect(made.mask!.data[i] === 64).toBe(!on);
      }
    }
    expect(made.coverage).toBe((2 * 5) / 72);
  });

  it('takes a pixel from the tile in which it lies deepest, and from the other where that one has no value', async () => {
    const constant = (value: number) => planeOf(10, 4, new Float32Array(40), () => value);
    const tile = (name: string, value: number, shift: number): TestTile =>
      tileOf(
        name,
        {
          image: constant(value),
          weight: constant(value),
          mask: planeOf(10, 4, new Uint8Array(40), () => value),
        },
        { ...CARDS, CRPIX1: 50.5 - shift },
      );
    const [a, b] = [tile('a', 1, 0), tile('b', 2, 6)];
    // Row 1 of a: no value in column 6, where a is the deeper one.
    a.planes.image.data[10 + 6] = Number.NaN;
    const made = await mosaic({ tiles: [a, b], grid: { x0: 0, y0: 0, width: 16, height: 4 } });
    const row = (y: number, plane: Plane) => [...(plane.data as Float32Array)].slice(y * 16, y * 16 + 16);
    // Depths in row 1: a has 1 in columns 1 to 8; b, from column 6 on, has 0 there and 1 from column 7 on: equal depth is a's.
    expect(row(1, made.image!)).toEqual([1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 2]);
    expect(row(1, made.mask!)).toEqual([1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 2]);
    expect(row(1, made.weight!)).toEqual([1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 2]);
    expect(row(2, made.image!)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2]);
  });

  it.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])(
    'takes the other tile where the deepest has %s',
    async (value) => {
      const flat = (level: number) => planeOf(9, 9, new Float32Array(81), () => level);
      const [deep, other] = [
        tileOf('deep', { image: flat(1) }, CARDS),
        tileOf('other', { image: flat(2) }, CARDS),
      ];
      deep.planes.image.data[40] = value;
      const { image } = await mosaic({ tiles: [deep, other], grid: { x0: 0, y0: 0, width: 9, height: 9 } });
      expect([...image!.data].map(Number)).toEqual(Array.from({ length: 81 }, (_, i) => (i === 40 ? 2 : 1)));
    },
  );

  it('keeps integers as they are, with BLANK outside, which is refused without one', async () => {
    const image = planeOf(3, 2, new Int16Array(6), (x) => x - 7);
    const { weight: _, mask: __, ...rest } = tileOf('integers', { image, weight: image, mask: image }, CARDS);
    const request: MosaicRequest = { tiles: [rest], grid: { x0: 1, y0: 0, width: 3, height: 2 } };
    const made = await mosaic({ ...request, blank: -32768 });
    expect(made.image!.data).toEqual(new Int16Array([-6, -5, -32768, -6, -5, -32768]));
    await expect(mosaic(request)).rejects.toMatchObject({ code: 'invalid_cutout' });
  });

  it('brings values to the zero point of the first tile, and refuses what does not go together by name', async () => {
    const faint = { ...whole, name: 'faint', zeroPoint: 25 };
    const bright = { ...whole, name: 'bright', zeroPoint: 27.5 };
    const outside = { ...faint, header: headerOf({ ...CARDS, CRPIX1: 500.5 }) };
    const made = await mosaic({ tiles: [outside, bright], grid: { x0: 450, y0: 0, width: 61, height: 47 } });
    expect(made.image!.data[0]).toBe(Math.fround((whole.planes.image.data[0] as number) * 0.1));
    expect(made.weight!.data[0]).toBeCloseTo((whole.planes.weight!.data[0] as number) * 100, 4);
    expect(made.mask!.data).toEqual(whole.planes.mask!.data);
    const box = { x0: 0, y0: 0, width: 5, height: 5 };
    const refused = (other: MosaicTile) => expect(mosaic({ tiles: [faint, other], grid: box })).rejects;
    await refused({ ...faint, name: 'other', unit: 'nJy' }).toMatchObject({
      code: 'incompatible_tiles',
      message: expect.stringMatching(/other .* nJy.*faint .* no unit/),
    });
    await refused(whole).toMatchObject({
      code: 'incompatible_tiles',
      message: expect.stringMatching(/faint .* zero point \(25\).*whole/),
    });
    await refused({ ...faint, mask: whole.image! }).toMatchObject({
      code: 'incompatible_tiles',
      message: expect.stringMatching(/float32.*int32/),
    });
    const { weight: _, ...unweighted } = faint;
    await refused(unweighted).toMatchObject({
      code: 'incompatible_tiles',
      message: expect.stringMatching(/weight/),
    });
    await expect(
      mosaic({ tiles: [whole], grid: { x0: 900, y0: 0, width: 5, height: 5 } }),
    ).rejects.toMatchObject({ code: 'no_coverage' });
    await expect(
      mosaic({ tiles: [whole], grid: { x0: 0, y0: 0, width: 0, height: 5 } }),
    ).rejects.toMatchObject({ code: 'invalid_cutout' });
  });

  it('reads only what lies in the mosaic, tells its progress, and stops at an abort', async () => {
    const boxes: PixelBox[] = [];
    const tile: MosaicTile = {
      name: 'far',
      wcs: whole.wcs,
      header: headerOf(CARDS),
      width: 61,
      height: 47,
      image: planeReader(whole.planes.image, boxes),
    };
    const shares: number[] = [];
    const abort = new AbortController();
    const grid = { x0: 40, y0: 30, width: 30, height: 30 };
    const strips = mosaicStrips({
      tiles: [tile],
      grid,
      memoryBytes: 30 * 20 * 10,
      onProgress: (share) => shares.push(share),
      signal: abort.signal,
    });
    expect((await strips.next()).done).toBe(false);
    expect(boxes).toEqual([{ x0: 40, y0: 30, width: 21, height: 10 }]);
    await strips.next();
    expect(shares).toEqual([1 / 3]);
    abort.abort();
    await expect(strips.next()).rejects.toMatchObject({ name: 'AbortError' });
    expect(boxes.reduce((sum, box) => sum + box.width * box.height, 0)).toBe(21 * 17);
  });
});

describe('the grid of two tiles', () => {
  const wcs = { frame: 'icrs' } as Wcs;
  const on = (cards: Record<string, CardValue>) => ({ wcs, header: headerOf(cards) });
  const offset = (cards: Record<string, CardValue>) => gridOffset(on(CARDS), on({ ...CARDS, ...cards }));

  it('is one where CRPIX differs by whole pixels', () => {
    expect(offset({})).toEqual({ x: 0, y: 0 });
    expect(offset({ CUNIT1: 'deg', LONPOLE: 180 })).toEqual({ x: 0, y: 0 });
    expect(gridOffset(on(CARDS), { ...on(CARDS), wcs: { frame: 'fk5' } as Wcs })).toBeUndefined();
    expect(offset({ CRPIX1: -949.5, CRPIX2: 40.0000005 })).toEqual({ x: 1000, y: 0 });
  });

  it.each<Record<string, CardValue>>([
    { CRPIX2: 40.00001 },
    { CRVAL1: 359.990001 },
    { CD1_1: -7.30001e-5 },
    { CTYPE1: 'RA---TPV', CTYPE2: 'DEC--TPV' },
    { PV1_1: 1.0001 },
    { A_ORDER: 2 },
    { LONPOLE: 170 },
  ])('is not one with %j', (cards) => {
    expect(offset(cards)).toBeUndefined();
  });

  it('is one whichever way the matrix is written', () => {
    const { CD1_1: _, CD1_2: __, CD2_1: ___, CD2_2: ____, ...rest } = CARDS;
    const [scale, turn] = [7.3e-5, 0.3];
    const [c, s] = [Math.cos(turn), Math.sin(turn)];
    const cd = { ...rest, CD1_1: -scale * c, CD1_2: -scale * s, CD2_1: -scale * s, CD2_2: scale * c };
    const crota = { ...rest, CDELT1: -scale, CDELT2: scale, CROTA2: (turn * 180) / Math.PI };
    const pc = { ...rest, CDELT1: -scale, CDELT2: scale, PC1_1: c, PC1_2: s, PC2_1: -s, PC2_2: c };
    for (const other of [crota, pc]) expect(gridOffset(on(cd), on(other))).toEqual({ x: 0, y: 0 });
    expect(gridOffset(on(cd), on({ ...crota, CROTA2: 17 }))).toBeUndefined();
  });

  it('at the pole is another where one header has the LONPOLE that the other means otherwise', () => {
    const pole = on({ ...CARDS, CRVAL2: 90 });
    const turned = on({ ...CARDS, CRVAL2: 90, LONPOLE: 180 });
    expect(gridOffset(pole, turned)).toBeUndefined();
    expect(gridOffset(pole, on({ ...CARDS, CRVAL2: 90, LONPOLE: 0 }))).toEqual({ x: 0, y: 0 });
    expect(gridOffset(on(CARDS), on({ ...CARDS, LONPOLE: 180 }))).toEqual({ x: 0, y: 0 });
  });
});
