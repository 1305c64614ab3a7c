/** Pictures of one colour for a moment, after which the same is seen again: a strobe, or a black frame. */
import { thresholds } from '../thresholds.ts';
import { unexplained } from './motion.ts';
import type { Sample } from './sample.ts';

const { strobe, picture } = thresholds;

/** Undefined where pictures that follow have to tell. */
export type Known<T> = T | undefined;

const isPlain = ({ contrast }: Sample): boolean => contrast <= picture.plain;

/**
 * Whether the change to the picture at `i` is none of scene: one into such a moment (it belongs to what was before), or out of it to the same again.
 * `now` is the time of the last picture, infinite at the end.
 */
export function afterStrobe(samples: readonly Sample[], i: number, now: number): Known<boolean> {
  const into = isPlain(samples[i]!);
  if (into === isPlain(samples[i - 1]!)) return false;
  if (!into) {
    let first = i - 1;
    while (first > 0 && isPlain(samples[first - 1]!)) first--;
    return first > 0 && isMoment(samples, first, i) && isSame(samples[first - 1]!, samples[i]!);
  }
  let end = i + 1;
  while (end < samples.length && isPlain(samples[end]!)) end++;
  if (end < samples.length) return isMoment(samples, i, end) && isSame(samples[i - 1]!, samples[end]!);
  return now - samples[i]!.at <= strobe.seconds ? undefined : false;
}

const isMoment = (samples: readonly Sample[], first: number, end: number): boolean =>
  end - first <= strobe.pictures || samples[end]!.at - samples[first]!.at <= strobe.seconds;

const isSame = (a: Sample, b: Sample): boolean =>
  unexplained(a, b, { far: thresholds.motion.farReach }) < strobe.same;
