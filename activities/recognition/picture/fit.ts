/** How a picture of any size is laid into the fixed input of a model, and how boxes come back out. */
import { placedSize } from '@darkroom/contract';
import type { Box } from '../model/detection.ts';

/** letterbox: keep the aspect, centred; letterbox-topleft: keep it, at the corner; stretch: fill, aspect lost. */
export type FitMode = 'letterbox' | 'letterbox-topleft' | 'stretch';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where the picture lies in the input: whole pixels of the input. */
export interface Fit {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Lays a picture of size `source` into an input of size `input`; at least one pixel each way remains. */
export function fit(source: Size, { width, height }: Size, mode: FitMode): Fit {
  const size = placedSize({ width, height, fit: mode }, source);
  if (mode === 'letterbox-topleft') return { left: 0, top: 0, ...size };
  return {
    left: Math.floor((width - size.width) / 2),
    top: Math.floor((height - size.height) / 2),
    ...size,
  };
}

export interface Corners {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Corners in the input → corners in the picture, not clipped. Exact inverse of `toInput`, per axis because of rounding. */
export function toSource({ x1, y1, x2, y2 }: Corners, placed: Fit, source: Size): Corners {
  const sx = source.width / placed.width;
  const sy = source.height / placed.height;
  return {
    x1: (x1 - placed.left) * sx,
    y1: (y1 - placed.top) * sy,
    x2: (x2 - placed.left) * sx,
    y2: (y2 - placed.top) * sy,
  };
}

/** Corners in the picture → corners in the input. */
export function toInput({ x1, y1, x2, y2 }: Corners, placed: Fit, source: Size): Corners {
  const sx = placed.width / source.width;
  const sy = placed.height / source.height;
  return {
    x1: x1 * sx + placed.left,
    y1: y1 * sy + placed.top,
    x2: x2 * sx + placed.left,
    y2: y2 * sy + placed.top,
  };
}

/** Clips corners to the picture; undefined when nothing, or less than a hundredth of a pixel, is left. */
export function clip({ x1, y1, x2, y2 }: Corners, source: Size): Box | undefined {
  const left = Math.min(Math.max(x1, 0), source.width);
  const top = Math.min(Math.max(y1, 0), source.height);
  const width = Math.min(Math.max(x2, 0), source.width) - left;
  const height = Math.min(Math.max(y2, 0), source.height) - top;
  return width >= 0.01 && height >= 0.01 ? { x: left, y: top, width, height } : undefined;
}
