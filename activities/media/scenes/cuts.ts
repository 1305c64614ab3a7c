/** Hard cuts: a picture that has changed more than its neighbours and that movement does not explain. */
import { unexplained } from './motion.ts';
import { type Sample, sketchDifference } from './sample.ts';

/** Seconds to either side in which a change has its neighbours. */
const window = 0.1;
/** A slow frame rate has its neighbours farther away: two to either side are looked for within so many seconds. */
const wide = 0.35;
const fewest = 2;
/** Change below which a picture is the one before once more (telecine, variable frame rate), as a share of what is usual around it. */
const repeated = 0.2;
/** The same without regard to its neighbours, in `difference`. */
const still = 0.3;
/** A picture that stood for longer may change by more, but not without end. */
const longestWait = 2.5;

/** Seconds after a cut that are needed to judge it; a flash is over by then. */
export const horizon = 0.35;

export interface CutEvidence {
  /** `difference` to the picture before, as a multiple of what is usual around it. */
  readonly ratio: number;
  /** Share of the pictures that movement does not explain, see `unexplained`. */
  readonly novelty: number;
  /** The same as it is usual around it. */
  readonly usualNovelty: number;
  /** The same between the pictures around it that are most alike: low if what was before comes again, as after a flash. */
  readonly lasting: number;
  /** How different those two look, as a share of the change: `sketchDifference`. */
  readonly returned: number;
}

/** Change of the sample at `i` as a multiple of what is usual around it: cheap. `floor` is the least that counts as usual. */
export function ratioAt(samples: readonly Sample[], i: number, floor: number): number {
  return samples[i]!.change / Math.max(floor, usual(samples, i));
}

/** Change of the distinct pictures around the one at `i`, their median: as for a picture that stood as long as that one. */
function usual(samples: readonly Sample[], i: number): number {
  const { at } = samples[i]!;
  const around: number[] = [];
  for (let n = i - 1; n > 0 && at - samples[n]!.at <= wide; n--) around.push(samples[n]!.change);
  for (let n = i + 1; n < samples.length && samples[n]!.at - at <= wide; n++) around.push(samples[n]!.change);
  around.sort((a, b) => a - b);
  const distinct = Math.max(still, repeated * (around[Math.floor(0.7 * around.length)] ?? 0));
  const before = standing(samples, i, distinct);
  const neighbours: number[] = [];
  for (const step of [-1, 1]) {
    let found = 0;
    for (let n = i + step; n > 0 && n < samples.length; n += step) {
      const far = Math.abs(samples[n]!.at - at);
      if (far > wide || (far > window && found >= fewest)) break;
      if (samples[n]!.change < distinct) continue;
      found++;
      const wait = Math.min(longestWait, Math.max(1, before / standing(samples, n, distinct)));
      neighbours.push(samples[n]!.change * wait);
    }
    // Where nothing moves, that is what is usual.
    for (; found < fewest; found++) neighbours.push(0);
  }
  return median(neighbours) ?? 0;
}

/** Seconds for which the picture before the one at `i` stood, repetitions of it included. */
function standing(samples: readonly Sample[], i: number, distinct: number): number {
  let n = i - 1;
  while (n > 0 && samples[n]!.change < distinct) n--;
  return samples[i]!.at - samples[n]!.at;
}

/** Whether the change can be movement: see `CutEvidence.novelty`. A glance at a quarter of the picture is enough if it is clear. */
export function noveltyAt(samples: readonly Sample[], i: number, clear: number): number {
  const glance = unexplained(samples[i - 1]!, samples[i]!, 2);
  return glance < clear ? glance : unexplained(samples[i - 1]!, samples[i]!);
}

/** The rest of the evidence, costlier: whether movement explains less than usual, and whether the change lasts. */
export function examine(
  samples: readonly Sample[],
  i: number,
  novelty: number,
): Pick<CutEvidence, 'usualNovelty' | 'lasting' | 'returned'> {
  const around = [i - 2, i - 1, i + 1, i + 2].filter((n) => n > 0 && (samples[n]?.change ?? 0) >= still);
  const usualNovelty = median(around.map((n) => unexplained(samples[n - 1]!, samples[n]!))) ?? 0;
  const alike = mostAlike(samples, i);
  if (!alike) return { usualNovelty, lasting: novelty, returned: 1 };
  const far = sketchDifference(samples[i - 1]!.sketch, samples[i]!.sketch);
  return {
    usualNovelty,
    lasting: Math.min(novelty, unexplained(alike.before, alike.after)),
    returned: Math.min(1, alike.far / far),
  };
}

function median(values: number[]): number | undefined {
  if (values.length === 0) return undefined;
  values.sort((a, b) => a - b);
  const half = values.length >> 1;
  return values.length % 2 === 1 ? values[half] : (values[half - 1]! + values[half]!) / 2;
}

/** Of the pictures before against the first after, and the last before against those after: the two most alike. */
function mostAlike(
  samples: readonly Sample[],
  i: number,
): { before: Sample; after: Sample; far: number } | undefined {
  const last = samples[i - 1]!;
  const first = samples[i]!;
  let pair: { before: Sample; after: Sample; far: number } | undefined;
  const offer = (before: Sample, after: Sample): void => {
    const far = sketchDifference(before.sketch, after.sketch);
    if (pair === undefined || far < pair.far) pair = { before, after, far };
  };
  for (let n = i - 2; n >= 0 && last.at - samples[n]!.at <= horizon; n--) offer(samples[n]!, first);
  for (let n = i + 1; n < samples.length && samples[n]!.at - first.at <= horizon; n++)
    offer(last, samples[n]!);
  return pair;
}
