/** What an image looks like on the sky about a pixel, and which sky it covers. East and north are those of ICRS, whatever the frame. */
import { SkyError } from '../errors.ts';
import { DEGREE, latitude, longitude } from './angle.ts';
import { vectorsToIcrs } from './frames.ts';
import type { Wcs } from './wcs.ts';

/** Degrees on the sky of a step of one pixel; NaN where the image has no sky. */
export interface LocalScale {
  readonly eastByX: number;
  readonly eastByY: number;
  readonly northByX: number;
  readonly northByY: number;
}

/** Radians: what of a pixel's curvature is left is 1e-9 of it, and so is what of its digits is lost. */
const STEP = 3e-5;

/** By symmetrical differences of unit vectors about the pixel. At a pole itself east is towards the longitude 90°. */
export function localScale(
  wcs: Pick<Wcs, 'frame' | 'pixelScale' | 'toVectors'>,
  x: number,
  y: number,
): LocalScale {
  const step = Math.min(0.5, STEP / (wcs.pixelScale * DEGREE));
  const vectors = new Float64Array(15);
  wcs.toVectors(Float64Array.of(x, y, x - step, y, x + step, y, x, y - step, x, y + step), vectors);
  vectorsToIcrs(wcs.frame, vectors);
  const [px, py, pz] = vectors as unknown as [number, number, number];
  const around = Math.hypot(px, py);
  const [cos, sin] = around > 0 ? [px / around, py / around] : [1, 0];
  const along = (at: number, i: number) => (vectors[at + 3 + i]! - vectors[at + i]!) / (2 * step) / DEGREE;
  const east = (at: number) => along(at, 1) * cos - along(at, 0) * sin;
  const north = (at: number) => along(at, 2) * around - (along(at, 0) * cos + along(at, 1) * sin) * pz;
  return { eastByX: east(3), eastByY: east(9), northByX: north(3), northByY: north(9) };
}

/** Degrees a pixel along x and along y. */
export function pixelScales(wcs: Wcs, x: number, y: number): [x: number, y: number] {
  const { eastByX, eastByY, northByX, northByY } = localScale(wcs, x, y);
  return [Math.hypot(eastByX, northByX), Math.hypot(eastByY, northByY)];
}

/** Square degrees of the pixel at x, y. */
export function pixelArea(wcs: Wcs, x: number, y: number): number {
  const { eastByX, eastByY, northByX, northByY } = localScale(wcs, x, y);
  return Math.abs(eastByX * northByY - eastByY * northByX);
}

/**
 * The border of an image of width × height pixels: longitudes and latitudes (ICRS) of its outer edges, counter-clockwise in pixels from
 * (−0.5, −0.5) on, `stepsPerEdge` points an edge, not closed. Edges are great circles where the projection is TAN without a distortion: 1 will do.
 *
 * @throws SkyError `unsupported_wcs` where an edge has no sky (SIN of more than half of it).
 */
export function footprint(
  wcs: Wcs,
  width: number,
  height: number,
  stepsPerEdge = 1,
): [lon: number, lat: number][] {
  const points = new Float64Array(8 * stepsPerEdge);
  for (let i = 0; i < stepsPerEdge; i++) {
    const along = i / stepsPerEdge;
    const edges = [
      [along * width, 0],
      [width, along * height],
      [width - along * width, height],
      [0, height - along * height],
    ] as const;
    edges.forEach(([x, y], edge) => {
      points[2 * (edge * stepsPerEdge + i)] = x - 0.5;
      points[2 * (edge * stepsPerEdge + i) + 1] = y - 0.5;
    });
  }
  const vectors = new Float64Array(12 * stepsPerEdge);
  wcs.toVectors(points, vectors);
  vectorsToIcrs(wcs.frame, vectors);
  return Array.from({ length: 4 * stepsPerEdge }, (_, i) => {
    const [x, y, z] = vectors.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
    if (Number.isNaN(x)) {
      throw new SkyError(
        'unsupported_wcs',
        `The edge of the image has no sky at ${points[2 * i]}, ${points[2 * i + 1]}.`,
      );
    }
    return [longitude(x, y), latitude(x, y, z)];
  });
}
