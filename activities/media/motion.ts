import type { Sample } from './sample.ts';

/** Side of a block, pixels of a sample. */
const block = 8;
/** Farthest displacement looked for, pixels of a sample: a tenth of the width of a 16:9 picture. */
const reach = 8;
/** Texture below which a block tells nothing: mean absolute deviation from its mean, of 255. */
const flat = 1.5;

/** Contrasts of two pictures that are made alike before they are compared differ by this factor at most. */
const brightest = 5;

type Luma = Pick<Sample, 'y' | 'width' | 'height'>;
type Measured = Luma & Pick<Sample, 'brightness' | 'contrast'>;

/**
 * What share of two pictures cannot be explained as the same things moved: 0 alike or a camera that moves, 1 nothing in common.
 * Every block of one is looked for in the other within reach, by the least absolute difference after the blocks' means are taken off,
 * and after their contrasts are made alike, so that light that changes explains itself as well; what remains is put in relation to what the block's own mean leaves.
 * Inter cost against intra cost is how video encoders (x264 `scenecut`) tell a cut. Taken both ways, the larger counts:
 * a plain picture can be found in anything. Two plain pictures explain nothing: 1.
 * With `step` 2 a quarter of the blocks speaks for all.
 */
export function unexplained(one: Measured, other: Measured, step: 1 | 2 = 1): number {
  const a = lit(one, other.contrast);
  const b = lit(other, one.contrast);
  const coarseA = halved(a);
  const coarseB = halved(b);
  const forth = oneWay(a, b, coarseA, coarseB, step);
  const back = oneWay(b, a, coarseB, coarseA, step);
  return forth === undefined && back === undefined ? 1 : Math.max(forth ?? 0, back ?? 0);
}

/** How much of `to` is not found in `from`; undefined where nothing in it can be looked for. */
function oneWay(from: Luma, to: Luma, coarseFrom: Luma, coarseTo: Luma, step: number): number | undefined {
  let left = 0;
  let all = 0;
  for (let y = 0; y + block <= to.height; y += step * block)
    for (let x = 0; x + block <= to.width; x += step * block) {
      const intra = deviation(to, x, y);
      if (intra < flat * block * block) continue;
      all += intra;
      left += Math.min(intra, search(from, to, coarseFrom, coarseTo, x, y));
    }
  return all === 0 ? undefined : left / all;
}

/** Least difference of a block of `to` at (x, y) to one of `from`: coarse over the whole reach, then fine around the best. */
function search(from: Luma, to: Luma, coarseFrom: Luma, coarseTo: Luma, x: number, y: number): number {
  let bestX = 0;
  let bestY = 0;
  let best = matched(coarseFrom, coarseTo, x >> 1, y >> 1, 0, 0, block >> 1, Infinity);
  for (let dy = -reach >> 1; dy <= reach >> 1; dy++)
    for (let dx = -reach >> 1; dx <= reach >> 1; dx++) {
      const cost = matched(coarseFrom, coarseTo, x >> 1, y >> 1, dx, dy, block >> 1, best);
      if (cost < best) [best, bestX, bestY] = [cost, dx, dy];
    }
  let least = Infinity;
  for (let dy = 2 * bestY - 1; dy <= 2 * bestY + 1; dy++)
    for (let dx = 2 * bestX - 1; dx <= 2 * bestX + 1; dx++)
      least = Math.min(least, matched(from, to, x, y, dx, dy, block, least));
  return least;
}

/** Sum of absolute differences between two square blocks, their means taken off; `limit` or more once that is certain. */
function matched(
  from: Luma,
  to: Luma,
  x: number,
  y: number,
  dx: number,
  dy: number,
  side: number,
  limit: number,
): number {
  if (x + dx < 0 || y + dy < 0 || x + dx + side > from.width || y + dy + side > from.height) return Infinity;
  let offset = 0;
  for (let row = 0; row < side; row++) {
    const i = (y + row) * to.width + x;
    const j = (y + dy + row) * from.width + x + dx;
    for (let column = 0; column < side; column++) offset += to.y[i + column]! - from.y[j + column]!;
  }
  offset /= side * side;
  let sum = 0;
  for (let row = 0; row < side && sum < limit; row++) {
    const i = (y + row) * to.width + x;
    const j = (y + dy + row) * from.width + x + dx;
    for (let column = 0; column < side; column++)
      sum += Math.abs(to.y[i + column]! - from.y[j + column]! - offset);
  }
  return sum;
}

function deviation(picture: Luma, x: number, y: number): number {
  let mean = 0;
  for (let row = 0; row < block; row++)
    for (let column = 0; column < block; column++) mean += picture.y[(y + row) * picture.width + x + column]!;
  mean /= block * block;
  let sum = 0;
  for (let row = 0; row < block; row++)
    for (let column = 0; column < block; column++)
      sum += Math.abs(picture.y[(y + row) * picture.width + x + column]! - mean);
  return sum;
}

/** The picture with the contrast of another if that is clearly greater, about a medium grey. */
function lit(picture: Measured, contrast: number): Luma {
  const gain = Math.min(brightest, contrast / Math.max(1, picture.contrast));
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
