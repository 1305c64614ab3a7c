/** Lines drawn over a picture, smooth at their edges, by arithmetic that is the same on every machine. */
import type { Raster } from '../raster.ts';

/** From one point to another, in pixels of the picture; 0, 0 is the centre of the first one, rows from the top. */
export type Segment = readonly [x0: number, y0: number, x1: number, y1: number];

/** White lines `width` pixels wide with round ends, and a dark seam about them, so that they are seen on any sky. */
export function drawStrokes(raster: Raster, segments: readonly Segment[], width: number): void {
  const radius = width / 2;
  const seam = Math.max(1, width * 0.6);
  ink(raster, segments, radius + seam, 0, 0.55);
  ink(raster, segments, radius, 1, 1);
}

/** `shade`: 0 black to 1 white. */
function ink(
  raster: Raster,
  segments: readonly Segment[],
  radius: number,
  shade: number,
  opacity: number,
): void {
  const reach = radius + 1;
  const xs = segments.flatMap(([x0, , x1]) => [x0, x1]);
  const ys = segments.flatMap(([, y0, , y1]) => [y0, y1]);
  const left = Math.max(0, Math.floor(Math.min(...xs) - reach));
  const right = Math.min(raster.width - 1, Math.ceil(Math.max(...xs) + reach));
  const top = Math.max(0, Math.floor(Math.min(...ys) - reach));
  const bottom = Math.min(raster.height - 1, Math.ceil(Math.max(...ys) + reach));
  if (right < left || bottom < top) return;
  const across = right - left + 1;
  // Where lines cross, the nearest counts: they are one shape, not one over the other.
  const cover = new Float32Array(across * (bottom - top + 1));
  for (const segment of segments) coverBy(segment, radius, cover, { left, top, right, bottom });
  for (let y = top; y <= bottom; y++)
    for (let x = left; x <= right; x++) {
      const part = cover[(y - top) * across + x - left]! * opacity;
      if (part > 0) blend(raster, (y * raster.width + x) * raster.channels, shade, part);
    }
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function coverBy([x0, y0, x1, y1]: Segment, radius: number, cover: Float32Array, box: Box): void {
  const reach = radius + 1;
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy;
  const across = box.right - box.left + 1;
  const fromY = Math.max(box.top, Math.floor(Math.min(y0, y1) - reach));
  const toY = Math.min(box.bottom, Math.ceil(Math.max(y0, y1) + reach));
  const fromX = Math.max(box.left, Math.floor(Math.min(x0, x1) - reach));
  const toX = Math.min(box.right, Math.ceil(Math.max(x0, x1) + reach));
  for (let y = fromY; y <= toY; y++)
    for (let x = fromX; x <= toX; x++) {
      const along = squared === 0 ? 0 : ((x - x0) * dx + (y - y0) * dy) / squared;
      const t = Math.max(0, Math.min(1, along));
      const [ex, ey] = [x - x0 - t * dx, y - y0 - t * dy];
      const part = Math.min(1, radius + 0.5 - Math.sqrt(ex * ex + ey * ey));
      const at = (y - box.top) * across + x - box.left;
      if (part > cover[at]!) cover[at] = part;
    }
}

function blend({ data, channels }: Raster, at: number, shade: number, part: number): void {
  const white = data instanceof Uint8Array ? 255 : 65_535;
  const colours = channels < 3 ? 1 : 3;
  const below = channels === colours ? 1 : data[at + colours]! / white;
  const alpha = part + below * (1 - part);
  for (let channel = 0; channel < colours; channel++) {
    const light = (shade * white * part + data[at + channel]! * below * (1 - part)) / alpha;
    data[at + channel] = Math.round(light);
  }
  if (channels !== colours) data[at + colours] = Math.round(alpha * white);
}
