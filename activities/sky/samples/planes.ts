/** Image, weight and mask of a tile: noise, depth, and what detectors do. */
import type { Plane } from '../image/plane.ts';
import { Numbers } from './numbers.ts';
import { type Drawn, draw } from './render.ts';
import type { Source } from './sky.ts';

/** Bits of the samples' masks. */
export const maskBits = { bad: 0, saturated: 1, bleed: 2, noData: 30 } as const;

export interface Detector extends Drawn {
  /** Equal seeds, equal noise. */
  readonly seed: number;
  /** Deviation of the noise of one pixel of usual depth, in units of the image. */
  readonly noise: number;
  /** Units of the image above which a pixel is full. */
  readonly full: number;
}

export interface TilePlanes {
  readonly image: Plane<Float32Array>;
  /** Inverse variance. */
  readonly weight: Plane<Float32Array>;
  readonly mask: Plane<Int32Array>;
}

/** Draws a tile as that detector would have it. */
export function takeTile(sources: readonly Source[], detector: Detector): TilePlanes {
  const { width, height, noise, full, seed } = detector;
  const image = draw(sources, detector);
  const weight = new Float32Array(width * height);
  const mask = new Int32Array(width * height);
  const numbers = new Numbers(seed);
  // Exposures lie over each other in strips: not all are equally deep.
  const [edge, slope] = [numbers.between(0.3, 0.7) * width, numbers.between(-0.2, 0.2)];
  for (let y = 0, i = 0; y < height; y++) {
    const border = edge + slope * y;
    for (let x = 0; x < width; x++, i++) {
      const deviation = x < border ? noise : noise * 0.8;
      weight[i] = 1 / (deviation * deviation);
      if (image[i]! > full) {
        image[i] = full;
        mask[i]! |= 1 << maskBits.saturated;
      }
      image[i]! += deviation * numbers.normal();
    }
  }
  bleed(image, mask, { width, height, full });
  // Dead pixels by the thousand, and a column.
  for (let n = 0; n < (width * height) / 20_000; n++) markBad(Math.floor(numbers.next() * width * height));
  const column = Math.floor(numbers.between(0.1, 0.9) * width);
  for (let y = Math.floor(height * 0.55); y < height; y++) markBad(y * width + column);
  const of = <P extends Float32Array | Int32Array>(data: P): Plane<P> => ({ width, height, data });
  return { image: of(image), weight: of(weight), mask: of(mask) };

  function markBad(at: number): void {
    mask[at]! |= 1 << maskBits.bad;
    weight[at] = 0;
  }
}

/** Full pixels spill along their column, some pixels for each. */
function bleed(
  image: Float32Array,
  mask: Int32Array,
  { width, height, full }: { width: number; height: number; full: number },
): void {
  const saturated = 1 << maskBits.saturated;
  for (let x = 0; x < width; x++) {
    let count = 0;
    let sum = 0;
    for (let y = 0; y < height; y++)
      if (mask[y * width + x]! & saturated) {
        count++;
        sum += y;
      }
    if (count < 4) continue;
    const middle = Math.round(sum / count);
    for (let y = Math.max(0, middle - 4 * count); y <= Math.min(height - 1, middle + 4 * count); y++) {
      const at = y * width + x;
      if (mask[at]! & saturated) continue;
      mask[at]! |= 1 << maskBits.bleed;
      image[at]! += full * 0.05;
    }
  }
}
