/** Against reproject_exact 0.21 and SWarp's LANCZOS3, as tools/oracle/sky_mosaic.py recorded them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Plane } from '../../image/plane.ts';
import { parseWcs } from '../../wcs/parse.ts';
import type { Wcs } from '../../wcs/wcs.ts';
import { mosaic } from '../mosaic.ts';
import { type Cards, headerOf, planeOf, type TestTile, tileOf } from '../testing.ts';
import { exactly } from './pixel-map.ts';

interface Recorded {
  settings: {
    size: number;
    fwhm: number;
    background: number;
    sources: [x: number, y: number, flux: number][];
  };
  inputs: { sky: string };
  values: Record<string, { source: Cards; target: Cards; size: number; exact: string; lanczos3?: string }>;
}

const { settings, inputs, values }: Recorded = JSON.parse(
  readFileSync(new URL('../../../../test/oracle/sky/mosaic.json', import.meta.url), 'utf8'),
);
const { size: SIZE, fwhm, background, sources } = settings;

const sky = planeOf(SIZE, SIZE, new Float32Array(SIZE * SIZE), (x, y) => {
  const s = fwhm / (2 * Math.sqrt(2 * Math.log(2)));
  let value = background;
  for (const [sx, sy, flux] of sources) {
    value += (flux / (2 * Math.PI * s * s)) * Math.exp(-((x - sx) ** 2 + (y - sy) ** 2) / (2 * s * s));
  }
  return Math.round(value * 256) / 256;
});

function unpacked(text: string): Float32Array {
  const bytes = inflateSync(Buffer.from(text, 'base64'));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Pixels of the tile in one of the result, at its middle. */
function areaRatio(tile: TestTile, target: Wcs, size: number): number {
  const middle = size / 2;
  const [x, y, ax, ay, bx, by] = exactly(
    target,
    tile.wcs,
  )(Float64Array.of(middle, middle, middle + 1, middle, middle, middle + 1)) as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Math.abs((ax - x) * (by - y) - (ay - y) * (bx - x));
}

/** Sums over a source in apertures of one and a half full widths, of sources that lie on the result whole. */
function fluxes(data: ArrayLike<number>, size: number, tile: TestTile, target: Wcs, sky: number): number[] {
  const radius = (1.5 * fwhm * tile.wcs.pixelScale) / target.pixelScale;
  const toResult = exactly(tile.wcs, target);
  return sources.flatMap(([sx, sy]) => {
    const [px, py] = toResult(Float64Array.of(sx, sy)) as unknown as [number, number];
    if (Math.min(px, py, size - 1 - px, size - 1 - py) <= radius + 1) return [];
    let sum = 0;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++)
        if (Math.hypot(x - px, y - py) <= radius) sum += data[y * size + x]! - sky;
    }
    return [sum];
  });
}

/** Differences of what both have, by the largest value. */
function differences(a: ArrayLike<number>, b: ArrayLike<number>): { count: number; worst: number } {
  let [count, worst, largest] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    if (Number.isNaN(a[i]! + b[i]!)) continue;
    count++;
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return { count, worst: worst / largest };
}

async function resampled(
  name: string,
  resampling: 'flux' | 'lanczos3',
  quantity: 'flux' | 'surface_brightness',
) {
  const { source, target, size } = values[name]!;
  const tile = tileOf('tile', { image: sky as Plane }, source);
  const grid = { wcs: parseWcs(headerOf(target)), width: size, height: size, cards: [] };
  const { image } = await mosaic({ tiles: [tile], grid, resampling, quantity });
  return { tile, target: grid.wcs, size, data: image!.data as Float32Array };
}

const ratios: number[] = [];

describe('a resampled tile', () => {
  it('is made of the sky that was recorded', () => {
    const bytes = Buffer.alloc(4 * SIZE * SIZE);
    for (const [i, value] of sky.data.entries()) bytes.writeFloatBE(value, 4 * i);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(inputs.sky);
  });

  it.each(Object.keys(values))(
    'has by overlap the pixels and the fluxes of reproject_exact: %s',
    async (name) => {
      const { tile, target, size, data } = await resampled(name, 'flux', 'flux');
      const exact = unpacked(values[name]!.exact);
      const area = areaRatio(tile, target, size);
      // reproject gives surface brightness; its values are stored to 1/4096.
      const { count, worst } = differences(
        data,
        exact.map((value) => value * area),
      );
      expect(count).toBeGreaterThan(0.8 * SIZE * SIZE * Math.min(1, (size * size) / SIZE / SIZE) * 0.8);
      // The area of each pixel is its own, which distortion makes differ from that in the middle.
      expect(worst).toBeLessThan(name === 'distorted' ? 5e-4 : 2e-5);
      const [ours, theirs] = [
        fluxes(data, size, tile, target, background * area),
        fluxes(exact, size, tile, target, background).map((f) => f * area),
      ];
      expect(ours.length).toBeGreaterThan(0);
      for (const [i, flux] of ours.entries()) {
        ratios.push(Math.abs(flux / theirs[i]! - 1));
        expect(Math.abs(flux / theirs[i]! - 1)).toBeLessThan(5e-3);
      }
      const flat = await resampled(name, 'flux', 'surface_brightness');
      expect(differences(flat.data, exact).worst).toBeLessThan(2e-5);
    },
  );

  it.each(Object.keys(values).filter((name) => values[name]!.lanczos3))(
    "has by lanczos3 SWarp's pixels and fluxes: %s",
    async (name) => {
      const { tile, target, size, data } = await resampled(name, 'lanczos3', 'flux');
      const swarp = unpacked(values[name]!.lanczos3!);
      const { count, worst } = differences(data, swarp);
      expect(count).toBeGreaterThan(0.4 * Math.min(SIZE * SIZE, size * size));
      // SWarp takes one area for all pixels of a tile.
      expect(worst).toBeLessThan(name === 'distorted' ? 1e-3 : 1e-4);
      const sky = background * areaRatio(tile, target, size);
      const [ours, theirs] = [fluxes(data, size, tile, target, sky), fluxes(swarp, size, tile, target, sky)];
      for (const [i, flux] of ours.entries()) {
        ratios.push(Math.abs(flux / theirs[i]! - 1));
        expect(Math.abs(flux / theirs[i]! - 1)).toBeLessThan(5e-3);
      }
    },
  );

  it('has fluxes within 0.1 % of theirs by the median', () => {
    expect(ratios.length).toBeGreaterThan(35);
    expect(ratios.sort((a, b) => a - b)[ratios.length >> 1]).toBeLessThan(1e-3);
  });
});
