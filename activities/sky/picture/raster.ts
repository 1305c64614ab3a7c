/** Pictures before they are encoded: counts, as screens show them. */
import type { Plane } from '../image/plane.ts';

/** Physical values, NaN (or an infinity) where there are none. */
export type FloatPlane = Plane<Float32Array | Float64Array>;

/** 1: grey, 2: grey and alpha, 3: red, green, blue, 4: with alpha. Alpha is full or 0 until something is drawn over. */
export type Channels = 1 | 2 | 3 | 4;

/** Counts of 8 bits or 16, channels beside each other. The order of the rows is its maker's to tell. */
export interface Raster<C extends Uint8Array | Uint16Array = Uint8Array | Uint16Array> {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly channels: Channels;
  readonly data: C;
}

export type Depth = 8 | 16;

/** The count of white. */
export const whiteOf = (depth: Depth): number => (depth === 8 ? 255 : 65_535);

/** All black, and opaque where there is an alpha. */
export function emptyRaster(width: number, height: number, channels: Channels, depth: Depth): Raster {
  const length = width * height * channels;
  return { width, height, channels, data: depth === 8 ? new Uint8Array(length) : new Uint16Array(length) };
}
