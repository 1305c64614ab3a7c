/**
 * Blocks of one picture looked for in another. The hottest code of the pass: whole numbers in arrays of their type, nothing allocated for a
 * block. All differences are of blocks without their means, times the block's pixels (a power of two), so that no step is rounded.
 */
import { thresholds } from '../thresholds.ts';

/** Pixels of a side. */
export const block = thresholds.motion.block;
/** Of a block. */
export const pixels = block * block;
const half = block >> 1;
const shift = 2 * Math.log2(block);
const halfShift = 2 * Math.log2(half);
/** More than any difference. */
const most = 2 ** 30;

export interface Luma {
  readonly y: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A picture to look in, and to look for blocks of. */
export interface Levels {
  readonly fine: Luma;
  /** Sums of the pixels above and to the left, a row and a column wider. */
  readonly sums: Int32Array;
  /** Half the size. */
  readonly coarse: Luma;
  /** Of each of its pixels, the sum of that, the next, and the two below. */
  readonly squares: Uint16Array;
}

/** The block in hand, in full and at half its size. */
const full = new Int32Array(pixels);
const small = new Int32Array(half * half);

/** Takes the block at (x, y) of a picture in hand; what is left of it without its mean, in absolute values. */
export function takeBlock({ fine, coarse }: Levels, x: number, y: number): number {
  cutOut(coarse, x >> 1, y >> 1, half, halfShift, small);
  return cutOut(fine, x, y, block, shift, full);
}

function cutOut(from: Luma, x: number, y: number, side: number, by: number, to: Int32Array): number {
  const { y: luma, width } = from;
  const first = y * width + x;
  let total = 0;
  for (let row = 0, i = first; row < side; row++, i += width - side)
    for (const end = i + side; i < end; i++) total += luma[i]!;
  let sum = 0;
  for (let n = 0, i = first; n < to.length; i += width - side)
    for (const end = i + side; i < end; i++, n++) {
      const left = (luma[i]! << by) - total;
      to[n] = left;
      sum += Math.abs(left);
    }
  return sum;
}

/**
 * Least difference of the block in hand, which lay at (x, y), to one of a picture at most `far` pixels away: at half the size over the whole
 * reach, then in full around the best.
 */
export function searchBlock(levels: Levels, x: number, y: number, far: number): number {
  const { fine, coarse } = levels;
  const best = nearest(levels, x >> 1, y >> 1, far >> 1);
  const bestX = 2 * (best % coarse.width);
  const bestY = 2 * Math.floor(best / coarse.width);
  let least = most;
  for (let row = bestY - 1; row <= bestY + 1; row++)
    for (let column = bestX - 1; column <= bestX + 1; column++)
      if (row >= 0 && column >= 0 && row + block <= fine.height && column + block <= fine.width)
        least = Math.min(least, difference(levels, column, row, least));
  return least;
}

/** Where in the plane of half the size the block in hand is found best: where it lay if nowhere better, else the first of equals. */
function nearest({ coarse, squares }: Levels, x: number, y: number, far: number): number {
  const { width, height } = coarse;
  // The quarters of two blocks differ by no more than their pixels do: mostly they are enough to know that it is not here.
  const q1 = quarter(0);
  const q2 = quarter(2);
  const q3 = quarter(8);
  const q4 = quarter(10);
  const below = 2 * width;
  const right = Math.min(width - half, x + far);
  const bottom = Math.min(height - half, y + far);
  let place = y * width + x;
  let best = smallDifference(coarse, squares, place, most);
  for (let row = Math.max(0, y - far); row <= bottom; row++)
    for (let i = row * width + Math.max(0, x - far), end = row * width + right; i <= end; i++) {
      const s1 = squares[i]!;
      const s2 = squares[i + 2]!;
      const s3 = squares[i + below]!;
      const s4 = squares[i + below + 2]!;
      const mean = (s1 + s2 + s3 + s4) << 2;
      const least =
        Math.abs((s1 << halfShift) - mean - q1) +
        Math.abs((s2 << halfShift) - mean - q2) +
        Math.abs((s3 << halfShift) - mean - q3) +
        Math.abs((s4 << halfShift) - mean - q4);
      if (least >= best) continue;
      const found = smallDifference(coarse, squares, i, best);
      if (found >= best) continue;
      best = found;
      place = i;
    }
  return place;
}

/** Of the small block in hand, the sum of its pixel `n`, the next, and the two below. */
const quarter = (n: number): number => small[n]! + small[n + 1]! + small[n + half]! + small[n + half + 1]!;

/** Of the small block in hand and one that begins at `place`; `limit` or more once that is certain. */
function smallDifference({ y, width }: Luma, squares: Uint16Array, place: number, limit: number): number {
  const below = place + 2 * width;
  const total = squares[place]! + squares[place + 2]! + squares[below]! + squares[below + 2]!;
  let sum = 0;
  for (let n = 0, i = place; n < half * half && sum < limit; i += width, n += half)
    sum +=
      Math.abs((y[i]! << halfShift) - total - small[n]!) +
      Math.abs((y[i + 1]! << halfShift) - total - small[n + 1]!) +
      Math.abs((y[i + 2]! << halfShift) - total - small[n + 2]!) +
      Math.abs((y[i + 3]! << halfShift) - total - small[n + 3]!);
  return sum;
}

/** Of the block in hand and the one at (x, y); `limit` or more once that is certain. */
function difference({ fine, sums }: Levels, x: number, y: number, limit: number): number {
  const { y: luma, width } = fine;
  const above = y * (width + 1) + x;
  const below = above + block * (width + 1);
  const total = sums[below + block]! - sums[below]! - sums[above + block]! + sums[above]!;
  let sum = 0;
  for (let n = 0, start = y * width + x; n < pixels && sum < limit; start += width)
    for (let i = start; i < start + block; i += 4, n += 4)
      sum +=
        Math.abs((luma[i]! << shift) - total - full[n]!) +
        Math.abs((luma[i + 1]! << shift) - total - full[n + 1]!) +
        Math.abs((luma[i + 2]! << shift) - total - full[n + 2]!) +
        Math.abs((luma[i + 3]! << shift) - total - full[n + 3]!);
  return sum;
}

/** What blocks of a picture are looked for by. */
export function levelsOf(fine: Luma): Levels {
  const coarse = halved(fine);
  return { fine, sums: sumsOf(fine), coarse, squares: squaresOf(coarse) };
}

function sumsOf({ y, width, height }: Luma): Int32Array {
  const sums = new Int32Array((width + 1) * (height + 1));
  for (let row = 0, i = 0, to = width + 2; row < height; row++, to++) {
    let sum = 0;
    for (const end = i + width; i < end; i++, to++) {
      sum += y[i]!;
      sums[to] = sums[to - width - 1]! + sum;
    }
  }
  return sums;
}

function squaresOf({ y, width }: Luma): Uint16Array {
  const squares = new Uint16Array(y.length);
  for (let i = 0, last = y.length - width - 1; i < last; i++)
    squares[i] = y[i]! + y[i + 1]! + y[i + width]! + y[i + width + 1]!;
  return squares;
}

function halved(picture: Luma): Luma {
  const width = picture.width >> 1;
  const height = picture.height >> 1;
  const y = new Uint8Array(width * height);
  for (let row = 0, to = 0; row < height; row++)
    for (let i = 2 * row * picture.width, end = to + width; to < end; i += 2, to++)
      y[to] =
        (picture.y[i]! +
          picture.y[i + 1]! +
          picture.y[i + picture.width]! +
          picture.y[i + picture.width + 1]! +
          2) >>
        2;
  return { y, width, height };
}
