/** A picture resized by the filter that a card names. */
import sharp from 'sharp';
import type { Filter, PillowFilter, VipsFilter } from '../../model/card/preprocess.ts';
import type { Size } from '../fit.ts';
import type { Raster } from '../prepare.ts';
import { type Pixels, resample, type SourceBox, type Window } from './pillow.ts';

export interface Resizing {
  /** Part of the source that is resized; pixels, fractions too. */
  readonly box: SourceBox;
  /** What that becomes. */
  readonly resized: Size;
  /** What is kept of it. */
  readonly window: Window;
}

/** The whole of a picture of size `source` becomes `resized`. */
export function wholly(source: Size, { width, height }: Size): Resizing {
  return {
    box: { left: 0, top: 0, right: source.width, bottom: source.height },
    resized: { width, height },
    window: { left: 0, top: 0, width, height },
  };
}

/** What is kept of the picture. The raster's pixels stay as they are. */
export async function resize(raster: Raster, to: Resizing, filter: Filter): Promise<Pixels> {
  return isPillow(filter) ? resample(raster, { ...to, filter }) : byLibvips(raster, to, filter);
}

const isPillow = (filter: Filter): filter is PillowFilter => filter.startsWith('pillow-');

/** libvips takes whole pixels: of a box with fractions it scales the picture until that is covered, and keeps the middle. */
async function byLibvips(
  { data, width, height }: Raster,
  { box, resized, window }: Resizing,
  kernel: VipsFilter,
): Promise<Pixels> {
  const isWhole = box.left === 0 && box.top === 0 && box.right === width && box.bottom === height;
  const pixels = await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .resize(resized.width, resized.height, { fit: isWhole ? 'fill' : 'cover', kernel })
    .extract(window)
    .raw()
    .toBuffer();
  return { data: pixels, width: window.width, height: window.height };
}
