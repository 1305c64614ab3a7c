/** What of two pictures movement explains. */
import { thresholds } from '../thresholds.ts';
import { block, type Levels, type Luma, levelsOf, pixels, searchBlock, takeBlock } from './blocks.ts';
import type { Sample } from './sample.ts';

const { reach, flat, strong, mostGain } = thresholds.motion;

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
  const a = levelsFor(one, other.contrast);
  const b = levelsFor(other, one.contrast);
  const forth = oneWay(a, b, step, far);
  const back = oneWay(b, a, step, far);
  return forth === undefined && back === undefined ? 1 : Math.max(forth ?? 0, back ?? 0);
}

/** How much of `to` is not found in `from`; undefined where nothing in it can be looked for. */
function oneWay(from: Levels, to: Levels, step: number, far: number): number | undefined {
  const { width, height } = to.fine;
  let left = 0;
  let all = 0;
  for (let y = 0; y + block <= height; y += step * block)
    for (let x = 0; x + block <= width; x += step * block) {
      const intra = takeBlock(to, x, y) / pixels;
      if (intra < flat * pixels) continue;
      const weight = Math.min(intra, strong * pixels);
      all += weight;
      left += weight * Math.min(1, searchBlock(from, x, y, far) / pixels / intra);
    }
  return all === 0 ? undefined : left / all;
}

/** Of pictures in their own contrast; most are compared several times. */
const known = new WeakMap<Measured, Levels>();

/** The picture with the contrast of another if that is clearly greater, about a medium grey. */
function levelsFor(picture: Measured, contrast: number): Levels {
  const gain = Math.min(mostGain, contrast / Math.max(1, picture.contrast));
  if (gain >= 1.1) return levelsOf(gained(picture, gain));
  const levels = known.get(picture) ?? levelsOf(picture);
  known.set(picture, levels);
  return levels;
}

function gained({ width, height, brightness, y: own }: Measured, gain: number): Luma {
  const y = new Uint8Array(own.length);
  for (let i = 0; i < y.length; i++)
    y[i] = Math.max(0, Math.min(255, Math.round(128 + (own[i]! - brightness) * gain)));
  return { width, height, y };
}
