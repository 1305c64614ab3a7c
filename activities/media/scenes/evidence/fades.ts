/** Fades: the picture goes to one colour, by and by, and comes back from it. */
import { thresholds } from '../thresholds.ts';
import { unexplained } from './motion.ts';
import type { Sample } from './sample.ts';

const { full, steepest, slowest, waits, longest, same, pause, leastGrowth } = thresholds.fade;
const { plain, bare } = thresholds.picture;

/** A fade: `at` is the middle of the colour, or where a long one begins or ends. */
export interface Fade {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  /** Contrast that went or came. */
  readonly contrast: number;
}

/** Watches pictures of one colour come and go. */
export class FadeWatch {
  /** First picture of one colour, and first after it that is not. */
  #start: number | undefined;
  #end: number | undefined;
  /** Since when the colour is no longer pure, in a long run of it: the next scene may be coming. */
  #emergesAt: number | undefined;
  #followsContent = false;
  #long = false;

  /** Time from which on nothing is certain yet. */
  get open(): number | undefined {
    return this.#long ? (this.#emergesAt ?? this.#end) : this.#start;
  }

  /** Takes the last of the samples into account. */
  push(samples: readonly Sample[]): Fade | undefined {
    const last = samples[samples.length - 1]!;
    const isPlain = last.contrast <= plain;
    if (this.#start === undefined) {
      if (isPlain) this.#begin(last.at, samples.length > 1);
      return undefined;
    }
    if (this.#end === undefined) {
      if (last.contrast <= bare) this.#emergesAt = undefined;
      else if (samples[samples.length - 2]!.contrast <= bare) this.#emergesAt = last.at;
      else if (this.#emergesAt !== undefined && last.at - this.#emergesAt > waits)
        this.#emergesAt = undefined;
      if (!isPlain) this.#end = last.at;
      else if (!this.#long && last.at - this.#start > longest) return this.#becomeLong(samples);
      return undefined;
    }
    if (!isPlain && last.at - this.#end <= waits) return undefined;
    const fade = this.#judge(samples);
    this.#begin(isPlain ? last.at : undefined, true);
    return fade;
  }

  /** What is known when no picture follows. */
  end(samples: readonly Sample[]): Fade | undefined {
    return this.#end === undefined ? undefined : this.#judge(samples);
  }

  #begin(at: number | undefined, followsContent: boolean): void {
    this.#start = at;
    this.#end = undefined;
    this.#emergesAt = undefined;
    this.#followsContent = followsContent;
    this.#long = false;
  }

  #becomeLong(samples: readonly Sample[]): Fade | undefined {
    this.#long = true;
    const start = this.#start!;
    const out = ramp(samples, start, -1);
    if (!out || !this.#followsContent) return undefined;
    const pure = samples.find(({ at, contrast }) => at >= start && contrast <= bare);
    return { at: start, from: out.at, to: pure?.at ?? start, contrast: out.contrast };
  }

  /** Whether the picture before the colour is there again at `then`: a flash that died away. */
  #returns(samples: readonly Sample[], then: number): boolean {
    const before = samples.findLast(({ at }) => at < this.#start!);
    const after = samples.find(({ at }) => at >= then);
    return before !== undefined && after !== undefined && unexplained(before, after) < same;
  }

  #judge(samples: readonly Sample[]): Fade | undefined {
    const [start, end] = [this.#start!, this.#end!];
    const back = ramp(samples, end, 1);
    if (this.#long)
      return back && { at: end, from: this.#emergesAt ?? end, to: back.at, contrast: back.contrast };
    if (!this.#followsContent) return undefined;
    const out = ramp(samples, start, -1);
    if (!out && !back) return undefined;
    if (!(out && back) && this.#returns(samples, back?.at ?? end)) return undefined;
    return {
      at: (start + end) / 2,
      from: out?.at ?? start,
      to: back?.at ?? end,
      contrast: Math.max(out?.contrast ?? 0, back?.contrast ?? 0),
    };
  }
}

/**
 * Follows the contrast from the edge of the colour outwards (−1 back, +1 on) as long as it grows: where the fade begins or ends,
 * and how much contrast there is; undefined where it comes at once or stays low. `edge` is the time of the first picture of one
 * colour, or of the first that no longer is.
 */
function ramp(
  samples: readonly Sample[],
  edge: number,
  step: -1 | 1,
): { at: number; contrast: number } | undefined {
  const first = samples.findIndex(({ at }) => at >= edge) + (step < 0 ? -1 : 0);
  let top = 0;
  let last = first;
  let nearer = first;
  for (let n = first; n >= 0 && n < samples.length; n += step) {
    const { at, contrast } = samples[n]!;
    if (Math.abs(at - edge) > slowest || contrast < 0.95 * top - 0.5) break;
    top = Math.max(top, contrast);
    last = n;
    while (Math.abs(samples[nearer]!.at - at) > pause) nearer += step;
    if (nearer !== first && contrast > full && contrast - samples[nearer]!.contrast < leastGrowth * contrast)
      break;
  }
  if (top < full) return undefined;
  let between = 0;
  let before = 0;
  for (let n = first; n !== last + step; n += step) {
    const { at, contrast } = samples[n]!;
    if (contrast - before > steepest * top) return undefined;
    before = Math.max(before, contrast);
    if (contrast >= 0.92 * top) return between >= 2 ? { at, contrast: top } : undefined;
    if (contrast > 0.08 * top) between++;
  }
  return undefined;
}
