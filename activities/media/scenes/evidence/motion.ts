/** What of two pictures movement explains. */
import { thresholds } from '../thresholds.ts';
import type { Sample } from './sample.ts';

const { block, reach, flat, strong, mostGain } = thresholds.motion;

type Luma = Pick<Sample, 'y' | 'width' | 'height'>;
type Measured = Luma & Pick<Sample, 'brightness' | 'contrast'>;

/**
 * What share of two pictures cannot be explained as the same things moved: 0 alike or a camera that moves, 1 nothing in common.
 * Every block of one is looked for in the other within reach, by the least absolute difference after the blocks' means are taken off,
 * and after their contrasts are made alike, so that light that changes explains itself as well; what remains is put in relation to what the block's own mean leaves.
 * Inter cost against intra cost is how video encoders (x264 `scenecut`) tell a cut. Taken both ways, the larger counts:
 * a plain picture can be found in anything. Two plain pictures explain nothing: 1.
 * With `step` 2 a quarter of the blocks speaks for all. `far` is the farthest displacement, pixels of a sample.
 */
export function unexplained(
  one: Measured,
  other: Measured,
  { step = 1, far = reach }: { readonly step?: 1 | 2; readonly far?: number } = {},
): number {
  const a = levelsOf(withContrast(one, other.contrast));
  const b = levelsOf(withContrast(other, one.contrast));
  const forth = oneWay(a, b, step, far);
  const back = oneWay(b, a, step, far);
  return forth === undefined && back === undefined ? 1 : Math.max(forth ?? 0, back ?? 0);
}

/** A picture, and the sums of its pixels above and to the left, a row and a column wider. */
interface Level extends Luma {
  readonly sums: Int32Array;
}
/** In full and at half its size. */
type Levels = readonly [fine: Level, coarse: Level];

/** How much of `to` is not found in `from`; undefined where nothing in it can be looked for. */
function oneWay(from: Levels, to: Levels, step: number, far: number): number | undefined {
  const [fine, coarse] = to;
  const inFull = new Float32Array(block * block);
  const inHalf = new Float32Array((block * block) / 4);
  let left = 0;
  let all = 0;
  for (let y = 0; y + block <= fine.height; y += step * block)
    for (let x = 0; x + block <= fine.width; x += step * block) {
      const intra = cutOut(fine, x, y, block, inFull);
      if (intra < flat * block * block) continue;
      cutOut(coarse, x >> 1, y >> 1, block >> 1, inHalf);
      const weight = Math.min(intra, strong * block * block);
      all += weight;
      left += weight * Math.min(1, search(from, inFull, inHalf, { x, y, far }) / intra);
    }
  return all === 0 ? undefined : left / all;
}

/** Least difference of a block that lay at (x, y) to one of `from`: coarse over the whole reach, then fine around the best. */
function search(
  [fine, coarse]: Levels,
  inFull: Float32Array,
  inHalf: Float32Array,
  { x, y, far }: { readonly x: number; readonly y: number; readonly far: number },
): number {
  const half = block >> 1;
  let bestX = x >> 1;
  let bestY = y >> 1;
  let best = matched(coarse, inHalf, bestX, bestY, half, Number.POSITIVE_INFINITY);
  const right = Math.min(coarse.width - half, (x + far) >> 1);
  const bottom = Math.min(coarse.height - half, (y + far) >> 1);
  for (let row = Math.max(0, (y - far) >> 1); row <= bottom; row++)
    for (let column = Math.max(0, (x - far) >> 1); column <= right; column++) {
      const cost = matched(coarse, inHalf, column, row, half, best);
      if (cost >= best) continue;
      best = cost;
      bestX = column;
      bestY = row;
    }
  let least = Number.POSITIVE_INFINITY;
  for (let row = 2 * bestY - 1; row <= 2 * bestY + 1; row++)
    for (let column = 2 * bestX - 1; column <= 2 * bestX + 1; column++) {
      if (row < 0 || column < 0 || row + block > fine.height || column + block > fine.width) continue;
      least = Math.min(least, matched(fine, inFull, column, row, block, least));
    }
  return least;
}

/** Sum of absolute differences between a block without its mean and one of a picture without its own; `limit` or more once that is certain. */
function matched(from: Level, cut: Float32Array, x: number, y: number, side: number, limit: number): number {
  const { y: pixels, width } = from;
  const mean = sumOf(from, x, y, side) / (side * side);
  let sum = 0;
  for (let row = 0, n = 0; row < side && sum < limit; row++) {
    let i = (y + row) * width + x;
    for (const end = i + side; i < end; i++, n++) sum += Math.abs(pixels[i]! - mean - cut[n]!);
  }
  return sum;
}

/** Copies a block without its mean; what is left of it, in absolute values. */
function cutOut(picture: Level, x: number, y: number, side: number, cut: Float32Array): number {
  const mean = sumOf(picture, x, y, side) / (side * side);
  let sum = 0;
  for (let row = 0, n = 0; row < side; row++)
    for (let column = 0; column < side; column++, n++) {
      cut[n] = picture.y[(y + row) * picture.width + x + column]! - mean;
      sum += Math.abs(cut[n]!);
    }
  return sum;
}

function sumOf({ sums, width }: Level, x: number, y: number, side: number): number {
  const above = y * (width + 1) + x;
  const below = above + side * (width + 1);
  return sums[below + side]! - sums[below]! - sums[above + side]! + sums[above]!;
}

function levelsOf(picture: Luma): Levels {
  return [withSums(picture), withSums(halved(picture))];
}

function withSums({ y, width, height }: Luma): Level {
  const sums = new Int32Array((width + 1) * (height + 1));
  for (let row = 0; row < height; row++) {
    let sum = 0;
    const above = row * (width + 1) + 1;
    for (let column = 0; column < width; column++) {
      sum += y[row * width + column]!;
      sums[above + width + 1 + column] = sums[above + column]! + sum;
    }
  }
  return { y, width, height, sums };
}

/** The picture with the contrast of another if that is clearly greater, about a medium grey. */
function withContrast(picture: Measured, contrast: number): Luma {
  const gain = Math.min(mostGain, contrast / Math.max(1, picture.contrast));
  if (gain < 1.1) return picture;
  const { width, height, brightness } = picture;
  const y = new Uint8Array(picture.y.length);
  for (let i = 0; i < y.length; i++)
    y[i] = Math.max(0, Math.min(255, Math.round(128 + (picture.y[i]! - brightness) * gain)));
  return { width, height, y };
}

function halved(picture: Luma): Luma {
  const width = picture.width >> 1;
  const height = picture.height >> 1;
  const y = new Uint8Array(width * height);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const i = 2 * row * picture.width + 2 * column;
      y[row * width + column] =
        (picture.y[i]! +
          picture.y[i + 1]! +
          picture.y[i + picture.width]! +
          picture.y[i + picture.width + 1]! +
          2) >>
        2;
    }
  return { y, width, height };
}
