/** Mosaics of real exposures, which have a distortion (TPV) each. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fileSource } from '../bytes/file.ts';
import { openImage } from '../fits/read/open.ts';
import { samplesFolder } from '../fits/testing.ts';
import { fitsTile } from './fits-tile.ts';
import { tangentLike } from './grid/target.ts';
import { mosaic } from './mosaic.ts';
import { exactly } from './resampling/pixel-map.ts';

const samples = samplesFolder();

async function imageOf(name: string) {
  return openImage(await fileSource(fileURLToPath(new URL(`${name}.fits`, samples))));
}

describe.skipIf(samples === undefined)('a mosaic of real exposures', () => {
  it.each(['flux', 'lanczos3'] as const)('by %s has the flux of its brightest source', async (resampling) => {
    const [image, weight, mask] = await Promise.all(
      ['ooi', 'oow', 'ood'].map((kind) => imageOf(`c4d_170916_045042_${kind}_r_ls9.N15`)),
    );
    const tile = fitsTile('exposure', { image: image!, weight: weight!, mask: mask! });
    const { width, height } = tile;
    // TAN, with the scale and turn of the exposure: nearly its own grid.
    const grid = tangentLike(tile.wcs, { x0: 0, y0: 0, width, height });
    const weighted = await mosaic({ tiles: [tile], grid, resampling });
    expect(weighted.coverage).toBeGreaterThan(0.9);
    expect(weighted.mask!.data).toBeInstanceOf(Int32Array);
    // A weight of 0 takes pixels out of the source; without weights it is whole on both sides.
    const made = await mosaic({ tiles: [fitsTile('exposure', { image: image! })], grid, resampling });
    const own = (await tile.image!.read({ x0: 0, y0: 0, width, height })).data as Float32Array;
    let peak = 20 * width + 20;
    for (let y = 15; y < height - 15; y++) {
      for (let x = 15; x < width - 15; x++) if (own[y * width + x]! > own[peak]!) peak = y * width + x;
    }
    const [px, py] = [peak % width, Math.floor(peak / width)];
    const [qx, qy] = exactly(tile.wcs, grid.wcs)(Float64Array.of(px, py)) as unknown as [number, number];
    // An aperture without an edge, in which whole pixels would jump.
    const flux = (data: ArrayLike<number>, cx: number, cy: number) => {
      let sum = 0;
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const value = data[y * width + x]!;
          if (!Number.isNaN(value)) sum += value * Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 50);
        }
      }
      return sum;
    };
    expect(flux(made.image!.data as Float32Array, qx, qy) / flux(own, px, py)).toBeCloseTo(1, 2);
  });

  it('joins exposures of one field, whose weights add up', async () => {
    const names = ['1-ccd1', '2-ccd3', '3-ccd4', '4-ccd2'].map((name) => `deep2g_ra352_${name}`);
    const tiles = await Promise.all(
      names.map(async (name) =>
        fitsTile(name, { image: await imageOf(name), weight: await imageOf(`${name}.wht`) }),
      ),
    );
    const { width, height } = tiles[0]!;
    const grid = { x0: 0, y0: 0, width, height };
    const made = await mosaic({ tiles, grid });
    const two = await mosaic({ tiles: tiles.slice(0, 2), grid });
    expect(made.coverage).toBeGreaterThan(0.8);
    expect(made.tiles.length).toBeGreaterThan(1);
    const middle = (height >> 1) * width + (width >> 1);
    expect(Number(made.weight!.data[middle])).toBeGreaterThan(Number(two.weight!.data[middle]));
  });
});
