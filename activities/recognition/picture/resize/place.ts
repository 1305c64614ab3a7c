/** What of a picture the network sees, as its card says: geometry alone. */
import type { Preprocess } from '../../model/card/preprocess.ts';
import { inputSizeOf, sizeOf } from '../../model/card/preprocess.ts';
import { type Fit, fit, type Size } from '../fit.ts';
import type { SourceBox, Window } from './pillow.ts';
import { type Resizing, wholly } from './resize.ts';

export interface Placing extends Resizing {
  /** Where in the model's input what is kept lies. */
  readonly placed: Fit;
}

/** Where a picture of size `source` goes. */
export function place(source: Size, how: Preprocess): Placing {
  const { resize, crop } = how;
  const input = inputSizeOf(how);
  if (resize.mode === 'letterbox') {
    const placed = fit(source, input, resize.position === 'center' ? 'letterbox' : 'letterbox-topleft');
    return { ...wholly(source, placed), placed };
  }
  const resized = resize.mode === 'shortest-edge' ? shortestEdge(source, resize.size) : sizeOf(resize.size);
  const whole = wholly(source, resized);
  return {
    box: resize.mode === 'cover' ? middleOf(source, resized) : whole.box,
    resized,
    window: crop === undefined ? whole.window : centreOf(resized, sizeOf(crop.size), crop.rounding),
    placed: { left: 0, top: 0, ...input },
  };
}

/** torchvision's `_compute_resized_output_size`. */
function shortestEdge({ width, height }: Size, size: number): Size {
  const longer = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: size, height: longer } : { width: longer, height: size };
}

/** The largest part of the source with the aspect of `wanted`, about its middle: `ImageOps.fit` of Pillow. */
function middleOf(source: Size, wanted: Size): SourceBox {
  const aspect = wanted.width / wanted.height;
  const own = source.width / source.height;
  const width = own > aspect ? aspect * source.height : source.width;
  const height = own < aspect ? source.width / aspect : source.height;
  const left = (source.width - width) * 0.5;
  const top = (source.height - height) * 0.5;
  return { left, top, right: left + width, bottom: top + height };
}

function centreOf(whole: Size, size: Size, rounding: 'half-even' | 'down'): Window {
  const round = rounding === 'down' ? Math.floor : halfEven;
  return {
    left: round((whole.width - size.width) / 2),
    top: round((whole.height - size.height) / 2),
    ...size,
  };
}

/** Python's `round`. */
function halfEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
