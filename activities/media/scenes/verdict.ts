/** What evidence is enough: the thresholds, chosen on the tuning half of `npm run bench -- scenes`. */
import type { CutEvidence } from './cuts.ts';
import type { DissolveEvidence } from './dissolves.ts';
import { bare, plain, type Sample } from './sample.ts';

/** Change that counts as usual even where there is less. */
export const cutFloor = 1;
/** Change of `sketchDifference` between the ends of a dissolve, at least. */
export const dissolveFloor = 8;

const leastChange = 2;
/** The same between pictures that show next to nothing, and the contrast that one of them has at most. */
const leastBareChange = 6;
/** Ratio from which a change is worth a closer look. */
const leastRatio = 1.15;
/** Novelty of a cut, see `CutEvidence`: the less is needed the more the change stands out, by the root and up to the ratio named. */
const leastNovelty = 0.78;
const root = 0.2;
const mostRatio = 8;
/** What of the novelty must last: less is a flash, or something that passed. */
const leastLasting = 0.89;
const leastReturned = 0.15;
/** Novelty below which what is usual does not count as less. */
const quiet = 0.15;
/** A cut of ratio `threshold` has this much to spare, as its novelty rises above the usual as well. */
const spare = 1.5;

/** Of a quarter of the picture; below, the whole need not be looked at. */
export const clearNovelty = 0.4;

/** Whether two pictures show next to nothing, so that movement explains nothing: such are the steps at the dark end of a fade. */
export const isBare = (a: Sample, b: Sample): boolean =>
  Math.min(a.contrast, b.contrast) <= bare && Math.max(a.contrast, b.contrast) <= plain;
export const isChange = (change: number, between: boolean): boolean =>
  change >= (between ? leastBareChange : leastChange);
export const standsOut = (ratio: number): boolean => ratio >= leastRatio;

export const isNovel = (novelty: number, ratio: number): boolean =>
  novelty * Math.min(mostRatio, ratio) ** root >= leastNovelty;

/** In thresholds: what movement does not explain of the change, in relation to what is usual. Below 1 it is no cut. */
export function cutStrength(
  { ratio, novelty, usualNovelty, lasting, returned }: CutEvidence,
  threshold: number,
): number {
  if (lasting < leastLasting * novelty || returned < leastReturned) return 0;
  return ((spare * ratio) / threshold) * (novelty / Math.max(quiet, usualNovelty));
}

const largestBend = 0.4;
const largestStep = 0.5;
const mostDetail = 0.7;
const mostLikeness = 0.8;
const leastEndNovelty = 0.6;

/** In thresholds, without regard to novelty. Below 1 it is no dissolve. */
export function dissolveStrength(evidence: DissolveEvidence, threshold: number): number {
  const { change, bend, step, detail, likeness } = evidence;
  if (bend > largestBend || step > largestStep || detail > mostDetail || likeness > mostLikeness) return 0;
  return change / dissolveFloor / (threshold / 3);
}

export const endsDiffer = (novelty: number): boolean => novelty >= leastEndNovelty;
