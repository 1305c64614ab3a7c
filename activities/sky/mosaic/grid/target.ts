/** Grids of mosaics that are no tile's own. */
import { SkyError } from '../../errors.ts';
import type { Card } from '../../fits/card.ts';
import type { PixelBox } from '../../image/plane.ts';
import { toIcrs } from '../../wcs/frames.ts';
import { localScale, pixelArea } from '../../wcs/geometry.ts';
import { type TangentGrid, tangentHeader, tangentWcs } from '../../wcs/tangent.ts';
import type { Wcs } from '../../wcs/wcs.ts';

export interface TargetGrid {
  readonly wcs: Wcs;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** What the header says of it. */
  readonly cards: readonly Card[];
}

/** A tangential grid in ICRS. Throws SkyError `invalid_cutout` for a scale of 0, or a middle that is no place of the sky. */
export function tangentTarget(grid: TangentGrid): TargetGrid {
  const { lon, lat, width, height, pixelScale, rotation = 0 } = grid;
  if (!(pixelScale > 0 && pixelScale < 90) || !(Math.abs(lat) <= 90) || !Number.isFinite(lon + rotation)) {
    throw new SkyError(
      'invalid_cutout',
      `no grid has its middle at ${lon}, ${lat} with ${pixelScale} degrees a pixel, turned by ${rotation}`,
    );
  }
  return { wcs: tangentWcs(grid), width, height, cards: tangentHeader(grid) };
}

/**
 * A tangential grid with the scale and the direction of a box's middle: for tiles whose own grid is distorted, and has no meaning beyond them.
 * Throws SkyError `no_coverage` where the middle has no sky.
 */
export function tangentLike(wcs: Wcs, { x0, y0, width, height }: PixelBox): TargetGrid {
  const [x, y] = [x0 + (width - 1) / 2, y0 + (height - 1) / 2];
  const [lon, lat] = toIcrs(wcs.frame, ...wcs.toSky(x, y));
  if (Number.isNaN(lon)) throw new SkyError('no_coverage', 'the middle of the cutout has no sky');
  const { eastByY, northByY } = localScale(wcs, x, y);
  return tangentTarget({
    lon,
    lat,
    width,
    height,
    pixelScale: Math.sqrt(pixelArea(wcs, x, y)),
    rotation: (Math.atan2(eastByY, northByY) * 180) / Math.PI,
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
