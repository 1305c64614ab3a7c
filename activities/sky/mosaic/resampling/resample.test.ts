import { describe, expect, it } from 'vitest';
import type { PixelBox, Plane } from '../../image/plane.ts';
import { parseWcs } from '../../wcs/parse.ts';
import type { TargetGrid } from '../grid/target.ts';
import { type MosaicRequest, mosaic, mosaicStrips, planMosaic } from '../mosaic.ts';
import { bits, type Cards, headerOf, partOf, planeOf, planeReader, tanCards, tileOf } from '../testing.ts';
import { exactly } from './pixel-map.ts';

const SCALE = 7.3e-5;
const PLAIN = tanCards(150, 2, 20.5, 18.5, SCALE, 0);
const METHODS = ['flux', 'lanczos3'] as const;

function gridOf(cards: Cards, width: number, height: number): TargetGrid {
  return { wcs: parseWcs(headerOf(cards)), width, height, cards: [] };
}

function images(width: number, height: number, value: (x: number, y: number) => number): Plane<Float32Array> {
  return planeOf(width, height, new Float32Array(width * height), value);
}

function masks(width: number, height: number, value: (x: number, y: number) => number): Plane<Int32Array> {
  return planeOf(width, height, new Int32Array(width * height), value);
}

/** Numbers from 0 to 1 that look random, the same for the same place. */
function hash(x: number, y: number): number {
  const n = Math.sin(x * 12.9898 + y * 78.233) * 43758.5453;
  return n - Math.floor(n);
}

const sum = (values: ArrayLike<number>) =>
  Array.from(values).reduce((total, value) => total + (Number.isNaN(value) ? 0 : value), 0);

describe('flux by overlap', () => {
  it.each([
    ['turned', SCALE, 33],
    ['smaller pixels', 0.31 * SCALE, -120],
    ['larger pixels', 3.7 * SCALE, 75],
    ['the same pixels, moved by halves', SCALE, 0],
  ])('is conserved: %s', async (_, scale, rotation) => {
    // Noise within a border of zeros, all of which lies on the result.
    const image = images(40, 36, (x, y) => (x > 5 && y > 5 && x < 34 && y < 30 ? hash(x, y) * 100 - 30 : 0));
    const size = Math.ceil((60 * SCALE) / scale);
    const grid = gridOf(tanCards(150, 2, size / 2, size / 2, scale, rotation), size, size);
    const made = await mosaic({ tiles: [tileOf('t', { image }, PLAIN)], grid });
    expect(sum(made.image!.data as Float32Array) / sum(image.data) - 1).toBeCloseTo(0, 6);
  });

  it('of a split tile is that of the tile, seams too', async () => {
    const whole = tileOf(
      'whole',
      { image: images(40, 36, (x, y) => hash(x, y)), mask: masks(40, 36, (x, y) => 1 + x + 64 * y) },
      PLAIN,
    );
    const boxes = [
      { x0: 0, y0: 0, width: 17, height: 36 },
      { x0: 17, y0: 0, width: 23, height: 11 },
      { x0: 17, y0: 11, width: 23, height: 25 },
    ];
    const tiles = boxes.map((box, i) => partOf(`part ${i}`, whole, box));
    const grid = gridOf(tanCards(150, 2, 25, 25, SCALE, 20), 50, 50);
    const [one, other] = [
      await mosaic({ tiles: [whole], grid, noDataBits: 7 }),
      await mosaic({ tiles, grid, noDataBits: 7 }),
    ];
    for (const [i, value] of one.image!.data.entries()) {
      if (Number.isNaN(value)) expect(other.image!.data[i]).toBeNaN();
      else expect(other.image!.data[i]).toBeCloseTo(Number(value), 5);
    }
    expect(bits(other.mask).equals(bits(one.mask))).toBe(true);
    expect(other.coverage).toBe(one.coverage);
  });
});

describe.each(METHODS)('a mosaic by %s', (resampling) => {
  it('leaves a flat sky flat, or times the area of a pixel, and has nothing outside', async () => {
    const tile = tileOf('t', { image: images(40, 36, () => 3) }, PLAIN);
    for (const [scale, rotation] of [
      [1, 30],
      [0.4, 10],
      [2.6, 100],
    ] as const) {
      const grid = gridOf(tanCards(150, 2, 30, 30, scale * SCALE, rotation), 60, 60);
      const bright = await mosaic({ tiles: [tile], grid, resampling, quantity: 'surface_brightness' });
      const flux = await mosaic({ tiles: [tile], grid, resampling });
      const toTile = exactly(grid.wcs, tile.wcs);
      let outside = 0;
      for (let i = 0; i < 3600; i++) {
        const [x, y] = toTile(Float64Array.of(i % 60, Math.floor(i / 60))) as unknown as [number, number];
        const value = Number(bright.image!.data[i]);
        const inside = Math.min(x, y, 39 - x, 35 - y);
        if (inside < -0.5 - 2 * scale) {
          outside++;
          expect(value).toBeNaN();
          expect(flux.image!.data[i]).toBeNaN();
        }
        if (inside > 2 * scale || !Number.isNaN(value)) {
          expect(value).toBeCloseTo(3, 5);
          expect(Number(flux.image!.data[i]) / (scale * scale)).toBeCloseTo(3, 4);
        }
      }
      expect(outside > 100).toBe(scale >= 1);
    }
  });

  it('on a grid of its own, moved by whole pixels, gives the pixels themselves', async () => {
    const image = images(40, 36, (x, y) => hash(x, y) - 0.4);
    const cards = { ...PLAIN, CRPIX1: 17.5, CRPIX2: 20.5 };
    const made = await mosaic({
      tiles: [tileOf('t', { image }, PLAIN)],
      grid: gridOf(cards, 30, 30),
      resampling,
    });
    for (let y = 2; y < 30; y++) {
      for (let x = 0; x < 30; x++)
        expect(made.image!.data[y * 30 + x]).toBeCloseTo(image.data[(y - 2) * 40 + x + 3]!, 4);
    }
    expect(made.image!.data[5]).toBeNaN();
  });

  it.each([1, 2.3])(
    'carries weights: the inverse variance that follows from the inputs, pixels %d times as large',
    async (scale) => {
      const [n, size] = [12, 8];
      const weight = images(n, n, (x, y) => 0.5 + hash(x, y));
      weight.data[5 * n + 6] = 0;
      const cards = tanCards(150, 2, 6, 6.2, SCALE, 0);
      const grid = gridOf(tanCards(150, 2, size / 2, size / 2, scale * SCALE, 25), size, size);
      const of = (image: Plane<Float32Array>) =>
        mosaic({ tiles: [tileOf('t', { image, weight }, cards)], grid, resampling });
      // A result is linear in its inputs: one pixel at a time gives its coefficients.
      const variance = new Float64Array(size * size);
      for (let i = 0; i < n * n; i++) {
        const image = images(n, n, () => 0);
        image.data[i] = 1;
        const made = await of(image);
        for (const [k, value] of made.image!.data.entries()) {
          if (weight.data[i]! > 0) variance[k]! += Number(value) ** 2 / weight.data[i]!;
          else expect(Math.abs(Number(value)) > 0).toBe(false);
        }
      }
      const { weight: carried } = await of(images(n, n, () => 0));
      let compared = 0;
      for (const [k, value] of carried!.data.entries()) {
        expect(Number.isNaN(value)).toBe(Number.isNaN(variance[k]!));
        if (Number.isNaN(value)) continue;
        expect(Number(value) * variance[k]!).toBeCloseTo(1, 5);
        compared++;
      }
      expect(compared).toBeGreaterThan(15);
    },
  );

  it('joins tiles by weight, and takes nothing from pixels of weight 0 or NaN', async () => {
    const tile = (name: string, value: number, weight: number, rotation: number) =>
      tileOf(
        name,
        {
          image: images(40, 40, () => value),
          weight: images(40, 40, (x) => (x === 0 ? Number.NaN : weight)),
          mask: masks(40, 40, () => value),
        },
        tanCards(150, 2, 20.5, 20.5, SCALE, rotation),
      );
    const [a, b, none] = [tile('a', 1, 3, 10), tile('b', 4, 1, 50), tile('none', 8, 0, 70)];
    (none.planes.image.data as Float32Array).fill(Number.POSITIVE_INFINITY, 0, 800);
    const grid = gridOf(tanCards(150, 2, 10, 10, SCALE, 30), 20, 20);
    const made = await mosaic({ tiles: [a, b, none], grid, resampling });
    const middle = 10 * 20 + 10;
    const alone = await Promise.all([a, b].map((one) => mosaic({ tiles: [one], grid, resampling })));
    const [wa, wb] = alone.map(({ weight }) => Number(weight!.data[middle])) as [number, number];
    expect(made.weight!.data[middle]).toBeCloseTo(wa + wb, 4);
    expect(made.image!.data[middle]).toBeCloseTo((wa * 1 + wb * 4) / (wa + wb), 4);
    // Bits of the tiles whose pixels count.
    expect(made.mask!.data[middle]).toBe(1 | 4);
    expect(made.tiles.map(({ name }) => name)).toEqual(['a', 'b']);
    expect((await mosaic({ tiles: [none, a], grid, resampling })).image!.data[middle]).toBeCloseTo(1, 5);
    await expect(mosaic({ tiles: [none], grid, resampling })).rejects.toMatchObject({ code: 'no_coverage' });
  });

  it('takes of overlapping tiles the deepest, if asked to', async () => {
    const tile = (name: string, value: number, lon: number) =>
      tileOf(
        name,
        { image: images(30, 30, () => value), mask: masks(30, 30, () => value) },
        tanCards(lon, 2, 15.5, 15.5, SCALE, 0),
      );
    // The second lies 20 pixels to the left (east).
    const tiles = [tile('right', 1, 150), tile('left', 2, 150 + 20.3 * SCALE)];
    const grid = gridOf(tanCards(150, 2, 35.5, 15.5, SCALE, 0), 50, 30);
    const made = await mosaic({ tiles, grid, resampling, overlap: 'deepest' });
    const row = [...(made.image!.data as Float32Array)]
      .slice(15 * 50, 16 * 50)
      .map((value) => (Number.isNaN(value) ? 0 : Math.round(value)));
    expect(row.lastIndexOf(2)).toBe(row.indexOf(1) - 1);
    // The overlap is of columns 20 to 29.
    expect(row.indexOf(1)).toBeGreaterThanOrEqual(24);
    expect(row.indexOf(1)).toBeLessThanOrEqual(26);
    expect([...(made.mask!.data as Int32Array)].slice(15 * 50 + 2, 16 * 50 - 2)).toEqual(row.slice(2, -2));
    expect(made.tiles.reduce((total, { pixels }) => total + pixels, 0)).toBe(
      Math.round(made.coverage * 1500),
    );
  });

  it('has no value where its pixels have none, and beside it what is there', async () => {
    const image = images(40, 36, (x, y) => x + y / 2);
    for (const at of [18 * 40 + 20, 18 * 40 + 21, 19 * 40 + 20, 19 * 40 + 21]) image.data[at] = Number.NaN;
    const grid = gridOf(tanCards(150, 2, 15, 15, SCALE, 17), 30, 30);
    const tile = tileOf('t', { image }, PLAIN);
    const made = await mosaic({ tiles: [tile], grid, resampling, quantity: 'surface_brightness' });
    const toTile = exactly(grid.wcs, tile.wcs);
    let missing = 0;
    for (const [i, value] of made.image!.data.entries()) {
      const [x, y] = toTile(Float64Array.of(i % 30, Math.floor(i / 30))) as unknown as [number, number];
      if (Math.min(x, y, 39 - x, 35 - y) < 1) continue;
      if (Number.isNaN(value)) {
        missing++;
        expect(Math.max(Math.abs(x - 20.5), Math.abs(y - 18.5))).toBeLessThan(1.4);
      } else if (Math.min(x, y, 39 - x, 35 - y) > 3)
        expect(Math.abs(Number(value) - x - y / 2)).toBeLessThan(0.7);
    }
    expect(missing).toBeGreaterThanOrEqual(1);
    expect(missing).toBeLessThanOrEqual(6);
  });

  it.each(METHODS)('has of an infinite pixel what it has of one without a value: %s', async (resampling) => {
    const grid = gridOf(tanCards(150, 2, 15, 15, 0.9 * SCALE, 20), 30, 30);
    const [plus, minus, nan] = await Promise.all(
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN].map(async (value) => {
        const image = images(40, 36, (x, y) => (x === 20 && y === 17 ? value : hash(x, y)));
        const weight = images(40, 36, () => 4);
        return mosaic({ tiles: [tileOf('t', { image, weight }, PLAIN)], grid, resampling });
      }),
    );
    const missing = [...nan!.image!.data].filter(Number.isNaN).length;
    expect(missing).toBeGreaterThan(0);
    expect(missing).toBeLessThan(5);
    for (const made of [plus!, minus!]) {
      expect(bits(made.image).equals(bits(nan!.image))).toBe(true);
      expect(bits(made.weight).equals(bits(nan!.weight))).toBe(true);
    }
  });

  it('has for a mask the bits of the nearest pixel, and those of no data outside', async () => {
    const tile = tileOf(
      't',
      { image: images(40, 36, () => 1), mask: masks(40, 36, (x, y) => x + 64 * y) },
      PLAIN,
    );
    const grid = gridOf(tanCards(150, 2, 25, 25, 0.9 * SCALE, 33), 50, 50);
    const made = await mosaic({ tiles: [tile], grid, resampling, noDataBits: 2 ** 20 });
    const toTile = exactly(grid.wcs, tile.wcs);
    for (const [i, value] of made.mask!.data.entries()) {
      const [x, y] = Array.from(toTile(Float64Array.of(i % 50, Math.floor(i / 50))), (place) =>
        Math.round(place),
      ) as [number, number];
      expect(value).toBe(x >= 0 && y >= 0 && x < 40 && y < 36 ? x + 64 * y : 2 ** 20);
    }
  });

  it('is the same in any memory, and reads boxes that fit in it', async () => {
    const planes = {
      image: images(90, 80, hash),
      weight: images(90, 80, (x, y) => 1 + hash(y, x)),
      mask: masks(90, 80, (x) => x),
    };
    const tiles = [30, 75].map((rotation, i) => {
      const tile = tileOf(`t${i}`, planes, tanCards(150, 2, 45, 40 + i * 9, SCALE, rotation));
      const boxes: PixelBox[] = [];
      return { ...tile, image: planeReader(planes.image, boxes), boxes };
    });
    const request: MosaicRequest = {
      tiles,
      grid: gridOf(tanCards(150, 2, 40, 40, SCALE, 0), 80, 80),
      resampling,
      noDataBits: 1,
    };
    const whole = await mosaic(request);
    for (const memoryBytes of [60_000, 200_000]) {
      for (const { boxes } of tiles) boxes.length = 0;
      const made = await mosaic({ ...request, memoryBytes });
      for (const plane of ['image', 'weight', 'mask'] as const)
        expect(bits(made[plane]).equals(bits(whole[plane])), plane).toBe(true);
      const largest = Math.max(...tiles.flatMap(({ boxes }) => boxes.map((box) => box.width * box.height)));
      expect(largest * (16 + 2 * 12)).toBeLessThanOrEqual(memoryBytes / 2);
      expect(made.tiles).toEqual(whole.tiles);
    }
  });
});

describe('the grid of a mosaic', () => {
  const tile = (name: string, cards: Cards) =>
    tileOf(name, { image: images(40, 36, (x, y) => 5 + hash(x, y)) }, cards);
  const box = { x0: -10, y0: 4, width: 70, height: 20 };
  const neighbour = tile('neighbour', tanCards(150.0025, 2.0001, 20, 20, SCALE, 3));

  it('is that of the first tile, continued, where it has no distortion', async () => {
    const first = tile('first', PLAIN);
    const made = await mosaic({ tiles: [first, neighbour], grid: box });
    expect(made).toMatchObject({ method: 'flux', grid: { box }, width: 70, height: 20 });
    // Where the first tile lies alone its pixels are its own; in the order of the file.
    expect(made.image!.data[45]).toBeCloseTo(Number(first.planes.image.data[4 * 40 + 35]), 4);
    expect(made.coverage).toBeGreaterThan(0.6);
  });

  it('is a tangential one with the scale and turn of its middle, where the first tile has a distortion', () => {
    const cards: Cards = {
      ...tanCards(150, 2, -500, 800, SCALE, 90),
      CTYPE1: 'RA---TPV',
      CTYPE2: 'DEC--TPV',
      PV1_1: 1.01,
      PV2_1: 1.01,
      PV1_2: 0,
      PV2_7: 0.2,
    };
    const first = tile('first', cards);
    const { grid } = planMosaic({ tiles: [first, neighbour], grid: box });
    if (!('wcs' in grid)) throw new Error('no grid of its own');
    expect(grid.wcs.projection).toBe('TAN');
    expect(grid.cards.find(({ keyword }) => keyword === 'RADESYS')?.value).toBe('ICRS');
    const mapped = exactly(grid.wcs, first.wcs)(Float64Array.of(34.5, 9.5, 35.5, 9.5, 34.5, 10.5));
    expect([...mapped].map((value) => Math.round(value * 1e3) / 1e3)).toEqual([
      24.5, 13.5, 25.5, 13.5, 24.5, 14.5,
    ]);
  });

  it('may be in another frame', async () => {
    const first = tile('first', PLAIN);
    const moved = tile('fk5', { ...PLAIN, RADESYS: 'FK5', EQUINOX: 2000 });
    expect(planMosaic({ tiles: [first, moved], grid: box }).method).toBe('flux');
    const map = exactly(moved.wcs, first.wcs);
    const [x, y] = map(Float64Array.of(10, 10)) as unknown as [number, number];
    // The frames lie some 20 milliarcseconds apart.
    expect(Math.hypot(x - 10, y - 10) * SCALE * 3600e3).toBeGreaterThan(5);
    expect(Math.hypot(x - 10, y - 10) * SCALE * 3600e3).toBeLessThan(40);
  });

  it('is refused with weights alone, and left at an abort', async () => {
    const { image, ...rest } = tile('first', PLAIN);
    await expect(
      mosaic({ tiles: [{ ...rest, weight: image! }], grid: gridOf(PLAIN, 9, 9) }),
    ).rejects.toMatchObject({ code: 'invalid_cutout' });
    const abort = new AbortController();
    const strips = mosaicStrips({
      tiles: [neighbour],
      grid: gridOf(PLAIN, 40, 36),
      memoryBytes: 20_000,
      signal: abort.signal,
    });
    await strips.next();
    abort.abort();
    await expect(strips.next()).rejects.toMatchObject({ name: 'AbortError' });
  });
});
