/** Grids of mosaics that are no tile's own. */

import { SkyError } from '../../errors.ts';
import type { Card, CardValue } from '../../fits/card.ts';
import { Header } from '../../fits/header/header.ts';
import type { PixelBox } from '../../image/plane.ts';
import { parseWcs } from '../../wcs/parse.ts';
import type { CelestialFrame, Wcs } from '../../wcs/wcs.ts';

export interface TargetGrid {
  readonly wcs: Wcs;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** What the header says of it. */
  readonly cards: readonly Card[];
}

export interface TanOptions {
  /** Degrees: of the middle of the grid. */
  readonly lon: number;
  readonly lat: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Degrees a pixel. */
  readonly pixelScale: number;
  /** Degrees by which upwards is turned from north towards east (position angle of the y axis); default 0: north up, east left. */
  readonly rotation?: number;
  /** Default `icrs`. */
  readonly frame?: CelestialFrame;
}

const RADESYS: ReadonlyMap<CelestialFrame, string> = new Map([
  ['icrs', 'ICRS'],
  ['fk5', 'FK5'],
  ['fk4', 'FK4'],
]);

/** A tangential grid without distortion. Throws SkyError `invalid_cutout` for a scale of 0 or a latitude beyond the poles. */
export function tanGrid(options: TanOptions): TargetGrid {
  const { lon, lat, width, height, pixelScale, rotation = 0, frame = 'icrs' } = options;
  if (!(pixelScale > 0 && pixelScale < 90) || !(Math.abs(lat) <= 90) || !Number.isFinite(lon + rotation)) {
    throw new SkyError(
      'invalid_cutout',
      `no grid has its middle at ${lon}, ${lat} with ${pixelScale} degrees a pixel, turned by ${rotation}`,
    );
  }
  const turn = (rotation * Math.PI) / 180;
  // Adding 0 makes a -0 a 0, as a header should have it.
  const [c, s] = [pixelScale * Math.cos(turn) + 0, pixelScale * Math.sin(turn) + 0];
  const system = RADESYS.get(frame);
  const [first, second] = frame === 'galactic' ? ['GLON-TAN', 'GLAT-TAN'] : ['RA---TAN', 'DEC--TAN'];
  const values: [string, CardValue, string][] = [
    ...(system ? [['RADESYS', system, 'Frame of the coordinates'] as [string, CardValue, string]] : []),
    ['CTYPE1', first, 'Tangential projection'],
    ['CTYPE2', second, 'Tangential projection'],
    ['CUNIT1', 'deg', ''],
    ['CUNIT2', 'deg', ''],
    ['CRVAL1', ((lon % 360) + 360) % 360, 'Middle of the image'],
    ['CRVAL2', lat, 'Middle of the image'],
    ['CRPIX1', (width + 1) / 2, ''],
    ['CRPIX2', (height + 1) / 2, ''],
    ['CD1_1', -c + 0, 'Degrees a pixel'],
    ['CD1_2', s, ''],
    ['CD2_1', s, ''],
    ['CD2_2', c, ''],
  ];
  const cards = values.map(([keyword, value, comment]): Card => ({ keyword, value, comment }));
  return { wcs: parseWcs(new Header(cards)), width, height, cards };
}

/** A tangential grid with the scale and the direction of a box's middle: for tiles whose own grid is distorted, and has no meaning beyond them. */
export function tanLike(wcs: Wcs, box: PixelBox): TargetGrid {
  const [x, y] = [box.x0 + (box.width - 1) / 2, box.y0 + (box.height - 1) / 2];
  const [lon, lat] = wcs.toSky(x, y);
  if (Number.isNaN(lon)) throw new SkyError('no_coverage', 'the middle of the cutout has no sky');
  const around = tanGrid({ lon, lat, width: 1, height: 1, pixelScale: wcs.pixelScale, frame: wcs.frame });
  // Of the tile, in pixels of a grid with north up.
  const at = (dx: number, dy: number) => around.wcs.toPixel(...wcs.toSky(x + dx, y + dy));
  const [right, left, up, down] = [at(0.5, 0), at(-0.5, 0), at(0, 0.5), at(0, -0.5)];
  const [ax, ay, bx, by] = [right[0] - left[0], right[1] - left[1], up[0] - down[0], up[1] - down[1]];
  return tanGrid({
    lon,
    lat,
    width: box.width,
    height: box.height,
    pixelScale: wcs.pixelScale * Math.sqrt(Math.abs(ax * by - ay * bx)),
    rotation: (Math.atan2(-bx, by) * 180) / Math.PI,
    frame: wcs.frame,
  });
}

/** A box of a tile's grid, whose first pixel is 0, 0. */
export function movedWcs(wcs: Wcs, { x0, y0 }: PixelBox): Wcs {
  const moved = (pixels: Float64Array, dx: number, dy: number) =>
    pixels.map((value, i) => value + (i % 2 === 0 ? dx : dy));
  const back = (out: Float64Array) => {
    for (let i = 0; i < out.length; i += 2) {
      out[i]! -= x0;
      out[i + 1]! -= y0;
    }
  };
  return {
    frame: wcs.frame,
    projection: wcs.projection,
    pixelScale: wcs.pixelScale,
    toSky: (x, y) => wcs.toSky(x + x0, y + y0),
    toPixel: (lon, lat) => {
      const [x, y] = wcs.toPixel(lon, lat);
      return [x - x0, y - y0];
    },
    toSkyMany: (pixels, out) => wcs.toSkyMany(moved(pixels, x0, y0), out),
    toPixelMany: (sky, out) => {
      wcs.toPixelMany(sky, out);
      back(out);
    },
    toVectors: (pixels, out) => wcs.toVectors(moved(pixels, x0, y0), out),
    fromVectors: (vectors, out) => {
      wcs.fromVectors(vectors, out);
      back(out);
    },
  };
}
