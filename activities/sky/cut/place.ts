/** Which pixels a place and a size are. */
import { SkyError } from '../errors.ts';
import type { PixelBox } from '../image/plane.ts';
import { fromIcrs } from '../wcs/frames.ts';
import { pixelScales } from '../wcs/geometry.ts';
import type { Wcs } from '../wcs/wcs.ts';
import type { CutSize, Length } from './request.ts';

export interface Placed {
  /** Pixels to cut, which may lie outside of the image in part. */
  readonly box: PixelBox;
  /** Where the place is, in pixels from the centre of the first one. */
  readonly centre: readonly [x: number, y: number];
}

/**
 * The pixels of a cutout about a place (ICRS, degrees). Sizes in degrees become pixels by the scale of the pixels there, along each axis; then
 * whole ones, halves to the even. Throws SkyError `no_coverage` where the projection cannot show the place, `invalid_cutout` for less than a pixel.
 */
export function placeCut(wcs: Wcs, ra: number, dec: number, size: CutSize): Placed {
  const [x, y] = wcs.toPixel(...fromIcrs(wcs.frame, ra, dec));
  if (!(Number.isFinite(x) && Number.isFinite(y))) {
    throw new SkyError('no_coverage', `${ra}, ${dec} is not on the image.`);
  }
  const scales = pixelScales(wcs, x, y);
  const width = wholePixels(size.width, scales[0]);
  const height = wholePixels(size.height, scales[1]);
  return { box: cutBox(x, y, width, height), centre: [x, y] };
}

/**
 * The pixels about x, y: the first is ceil(x − width / 2), as astropy's `Cutout2D` has it. An odd width has the pixel that is nearest to x in its
 * middle; of an even one x lies within half a pixel of the border between the two in the middle.
 */
export function cutBox(x: number, y: number, width: number, height: number): PixelBox {
  return { x0: Math.ceil(x - width / 2) || 0, y0: Math.ceil(y - height / 2) || 0, width, height };
}

/** Of a size: at least one pixel. Halves go to the even number. Throws SkyError `invalid_cutout`. */
export function wholePixels({ value, unit }: Length, degreesPerPixel: number): number {
  const pixels = unit === 'px' ? value : value / degreesPerPixel;
  const floor = Math.floor(pixels);
  const whole = pixels - floor === 0.5 ? floor + (floor % 2) : Math.round(pixels);
  if (!(whole >= 1 && Number.isSafeInteger(whole))) {
    throw new SkyError('invalid_cutout', `A size of ${value} ${unit} is ${pixels} pixels: less than one.`);
  }
  return whole;
}

/** The part of a box that lies on an image; undefined where none does. */
export function onImage(box: PixelBox, width: number, height: number): PixelBox | undefined {
  const x0 = Math.max(0, box.x0);
  const y0 = Math.max(0, box.y0);
  const columns = Math.min(width, box.x0 + box.width) - x0;
  const rows = Math.min(height, box.y0 + box.height) - y0;
  return columns > 0 && rows > 0 ? { x0, y0, width: columns, height: rows } : undefined;
}
