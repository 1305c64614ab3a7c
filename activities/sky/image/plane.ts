/**
 * Pixels of one image. Pixel (x, y) is `data[y * width + x]`; (0, 0) is the first pixel of the file (FITS pixel 1, 1), whose centre has the
 * coordinates 0, 0. Rows are in the order of the file: where north is up, the first is the southernmost.
 */

/** Pixels as they are worked on: physical values of images and weights (BSCALE, BZERO applied, NaN where blank), bits of masks. */
export type Pixels = Uint8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

export interface Plane<P extends Pixels = Pixels> {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly data: P;
}

/** Pixels x0 ≤ x < x0 + width, y0 ≤ y < y0 + height, which may lie outside of the image in part. */
export interface PixelBox {
  readonly x0: number;
  readonly y0: number;
  readonly width: number;
  readonly height: number;
}
