/**
 * Flux by overlap: what falls of each input pixel on each result pixel, by area. Pixels are quadrilaterals whose sides are straight in the
 * result's grid; in a TAN grid those are great circles, so that this is what overlaps of spherical polygons give. Areas are taken in result
 * pixels, in which they are numbers near 1: areas on the sphere, some 1e-12 of its, would lose most of their digits to the sums of angles.
 */

import { SkyError } from '../../errors.ts';
import type { PixelBox } from '../../image/plane.ts';
import { CornerRows } from './corners.ts';
import type { PixelMap } from './pixel-map.ts';

/** Of a tile: values, NaN where they count for nothing, and their variances if weights are known. */
export interface SourcePixels {
  /** Within the tile. */
  readonly box: PixelBox;
  readonly values: Float64Array;
  readonly variances: Float64Array | undefined;
}

/** Of one tile, by result pixel: which share of it is covered, and of which value and variance, both times that share (its square). */
export interface Sums {
  readonly box: PixelBox;
  readonly share: Float64Array;
  readonly value: Float64Array;
  readonly variance: Float64Array | undefined;
}

export type Quantity = 'flux' | 'surface_brightness';

/** Result pixels along a side of one input pixel: what is magnified more is no image any more. */
const LARGEST = 2048;
/** Of a result pixel: less comes of rounding. */
const NOTHING = 1e-12;

let cells = new Float64Array(64);

/**
 * Adds the side of a quadrilateral to the cells to the right of it: the height it spans of each row, times the part of the cell that lies right
 * of it; as differences, so that running sums over a row give the area. Coordinates are from the corner of the cells on.
 */
function addSide(stride: number, ax: number, ay: number, bx: number, by: number): void {
  if (ay === by) return;
  const down = ay > by;
  const startX = down ? bx : ax;
  const startY = down ? by : ay;
  const endX = down ? ax : bx;
  const endY = down ? ay : by;
  const slope = (endX - startX) / (endY - startY);
  let x = startX;
  let y = startY;
  for (let j = Math.floor(startY); y < endY; j++) {
    const last = j + 1 >= endY;
    const nextY = last ? endY : j + 1;
    const nextX = last ? endX : startX + (nextY - startY) * slope;
    const height = down ? y - nextY : nextY - y;
    const left = Math.min(x, nextX);
    const right = Math.max(x, nextX);
    const i0 = Math.floor(left);
    const i1 = Math.floor(right);
    const o = j * stride + i0;
    if (i0 === i1) {
      const beside = height * ((left + right) / 2 - i0);
      cells[o] = cells[o]! + height - beside;
      cells[o + 1] = cells[o + 1]! + beside;
    } else if (i1 === i0 + 1) {
      const part = (height * (i1 - left)) / (right - left);
      const beside = (part * (left + 1 - i0)) / 2;
      const rest = height - part;
      const beyond = (rest * (right - i1)) / 2;
      cells[o] = cells[o]! + part - beside;
      cells[o + 1] = cells[o + 1]! + beside + rest - beyond;
      cells[o + 2] = cells[o + 2]! + beyond;
    } else {
      const each = height / (right - left);
      for (let i = i0; i <= i1; i++) {
        const from = Math.max(left, i);
        const to = Math.min(right, i + 1);
        const part = (to - from) * each;
        const beside = part * ((from + to) / 2 - i);
        const at = j * stride + i;
        cells[at] = cells[at]! + part - beside;
        cells[at + 1] = cells[at + 1]! + beside;
      }
    }
    x = nextX;
    y = nextY;
  }
}

/** Adds the source's pixels to the sums. `map` leads from the tile to the result. */
export function addFlux(source: SourcePixels, map: PixelMap, quantity: Quantity, sums: Sums): void {
  const { box, values, variances } = source;
  const { share, value, variance } = sums;
  const { x0, y0, width, height } = sums.box;
  const conserve = quantity === 'flux';
  const corners = new CornerRows(map, box);
  for (let row = 0; row < box.height; row++) {
    corners.next();
    const { lowX, lowY, highX, highY } = corners;
    for (let column = 0; column < box.width; column++) {
      const index = row * box.width + column;
      const pixel = values[index]!;
      if (Number.isNaN(pixel)) continue;
      // Corners, around the pixel; what `area` does, with them at hand.
      const ax = lowX[column]!;
      const ay = lowY[column]!;
      const bx = lowX[column + 1]!;
      const by = lowY[column + 1]!;
      const cx = highX[column + 1]!;
      const cy = highY[column + 1]!;
      const dx = highX[column]!;
      const dy = highY[column]!;
      const size = Math.abs((cx - ax) * (dy - by) - (dx - bx) * (cy - ay)) / 2;
      // NaN too: a corner without sky.
      if (!(size > NOTHING)) continue;
      const i0 = Math.floor(Math.min(ax, bx, cx, dx));
      const j0 = Math.floor(Math.min(ay, by, cy, dy));
      const columns = Math.floor(Math.max(ax, bx, cx, dx)) - i0 + 1;
      const rows = Math.floor(Math.max(ay, by, cy, dy)) - j0 + 1;
      if (i0 >= x0 + width || j0 >= y0 + height || i0 + columns <= x0 || j0 + rows <= y0) continue;
      const density = conserve ? pixel / size : pixel;
      const noise = variances ? (conserve ? variances[index]! / (size * size) : variances[index]!) : 0;
      if (columns === 1 && rows === 1) {
        const at = (j0 - y0) * width + i0 - x0;
        share[at]! += size;
        value[at]! += size * density;
        if (variance) variance[at]! += size * size * noise;
        continue;
      }
      if (columns > LARGEST || rows > LARGEST) {
        throw new SkyError(
          'invalid_cutout',
          `one pixel of a tile covers ${columns} × ${rows} of the mosaic: its pixels are too small`,
        );
      }
      // A corner that lies on the border of the last cell writes one beyond it, and its difference one more.
      const stride = columns + 2;
      if (cells.length < stride * (rows + 1)) cells = new Float64Array(2 * stride * (rows + 1));
      addSide(stride, ax - i0, ay - j0, bx - i0, by - j0);
      addSide(stride, bx - i0, by - j0, cx - i0, cy - j0);
      addSide(stride, cx - i0, cy - j0, dx - i0, dy - j0);
      addSide(stride, dx - i0, dy - j0, ax - i0, ay - j0);
      const x1 = Math.min(columns, x0 + width - i0);
      for (let j = 0; j < rows; j++) {
        const first = j * stride;
        const row = j0 + j - y0;
        if (row >= 0 && row < height) {
          const at = row * width + i0 - x0;
          let running = 0;
          for (let i = 0; i < x1; i++) {
            running += cells[first + i]!;
            const overlap = Math.abs(running);
            if (overlap <= NOTHING || i0 + i < x0) continue;
            share[at + i] = share[at + i]! + overlap;
            value[at + i] = value[at + i]! + overlap * density;
            if (variance) variance[at + i] = variance[at + i]! + overlap * overlap * noise;
          }
        }
        for (let i = 0; i < stride; i++) cells[first + i] = 0;
      }
    }
  }
}
