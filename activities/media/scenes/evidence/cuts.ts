/** Hard cuts: a picture that has changed more than its neighbours and that movement does not explain. */
import { thresholds } from '../thresholds.ts';
import { hueChange } from './colour.ts';
import { unexplained } from './motion.ts';
import { type Sample, sketchDifference } from './sample.ts';
import { afterStrobe, type Known } from './strobe.ts';

const { cut, hue, motion, neighbours, picture } = thresholds;

/** What was seen of the change to a picture; what was not looked at, as the verdict was clear without it, is absent. */
export interface CutEvidence {
  /** `difference` to the picture before, as a multiple of what is usual around it. */
  readonly ratio?: number;
  /** Share of the pictures that movement does not explain, see `unexplained`. */
  readonly novelty?: number;
  /** Share of the picture whose hue has changed, see `hueChange`. */
  readonly hue?: number;
  /** Novelty as it is usual around it. */
  readonly usualNovelty?: number;
  /** Novelty between the pictures around it that are most alike: low if what was before comes again, as after a flash. */
  readonly lasting?: number;
  /** How different those two look, as a share of the change: `sketchDifference`. */
  readonly returned?: number;
  /** In thresholds, at least 1 for a cut; 0 where something speaks against one. */
  readonly score: number;
}

/**
 * Whether a cut lies before the picture at `i` (from 1), by the pictures around it; undefined where those that must follow are not known yet:
 * `now` is the time of the last, infinite at the end.
 */
export function judgeCut(
  samples: readonly Sample[],
  i: number,
  now: number,
  threshold: number,
): CutEvidence | undefined {
  const sample = samples[i]!;
  if (now <= sample.at + neighbours.flashSeconds) return undefined;
  const few = samples.length - 1 - i < neighbours.pictures;
  if (few && now < sample.at + thresholds.lag.most) return undefined;
  const { change } = sample;
  if (change < (isBare(samples[i - 1]!, sample) ? cut.leastBareChange : cut.leastChange)) return { score: 0 };
  const ratio = change / Math.max(cut.floor, usual(samples, i));
  const slow = isSlow(samples, i);
  if (ratio < (slow ? cut.leastSlowRatio : cut.leastRatio)) return { ratio, score: 0 };
  const far = slow ? motion.farReach : motion.reach;
  const novelty = noveltyAt(samples, i, far);
  const evidence = (slow ? novelty >= cut.leastSlowNovelty : isNovel(novelty, ratio))
    ? examine(samples, i, { ratio, novelty, far, spare: slow ? cut.slowSpare : cut.spare }, threshold)
    : examineHue(samples, i, { ratio, novelty }, threshold);
  if (evidence.score < 1) return evidence;
  const strobe: Known<boolean> = afterStrobe(samples, i, now);
  if (strobe === undefined) return undefined;
  return strobe ? { ...evidence, score: 0 } : evidence;
}

/** Two pictures that show next to nothing, so that movement explains nothing. */
const isBare = (a: Sample, b: Sample): boolean =>
  Math.min(a.contrast, b.contrast) <= picture.bare && Math.max(a.contrast, b.contrast) <= picture.plain;

const isNovel = (novelty: number, ratio: number): boolean =>
  novelty * Math.min(cut.mostRatio, ratio) ** cut.noveltyRoot >= cut.leastNovelty;

/** Whether the pictures around lie so far apart that more moves between them. */
function isSlow(samples: readonly Sample[], i: number): boolean {
  let pace = Number.POSITIVE_INFINITY;
  for (let n = Math.max(1, i - 2); n <= i + 2 && n < samples.length; n++)
    pace = Math.min(pace, samples[n]!.at - samples[n - 1]!.at);
  return pace > motion.farSeconds;
}

/** A glance at a quarter of the picture is enough if it is clear. */
function noveltyAt(samples: readonly Sample[], i: number, far: number): number {
  const glance = unexplained(samples[i - 1]!, samples[i]!, { step: 2, far });
  return glance < cut.clearNovelty ? glance : unexplained(samples[i - 1]!, samples[i]!, { far });
}

/** The rest of the evidence, costlier: whether movement explains less than usual, and whether the change lasts. */
function examine(
  samples: readonly Sample[],
  i: number,
  { ratio, novelty, far, spare }: Readonly<Record<'ratio' | 'novelty' | 'far' | 'spare', number>>,
  threshold: number,
): CutEvidence {
  const around = [i - 2, i - 1, i + 1, i + 2].filter(
    (n) => n > 0 && (samples[n]?.change ?? 0) >= neighbours.still,
  );
  const usualNovelty = median(around.map((n) => unexplained(samples[n - 1]!, samples[n]!, { far }))) ?? 0;
  const alike = mostAlike(samples, i);
  const lasting = alike ? Math.min(novelty, unexplained(alike.before, alike.after, { far })) : novelty;
  const returned = returnedBy(samples, i, alike);
  const rise = novelty / Math.max(cut.quietNovelty, usualNovelty);
  const score =
    lasting < cut.leastLasting * novelty || returned < cut.leastReturned
      ? 0
      : ((spare * ratio) / threshold) * rise ** cut.powerOfRise * novelty ** cut.powerOfNovelty;
  return { ratio, novelty, usualNovelty, lasting, returned, score };
}

/** The same where movement explains all there is to see but the hue. */
function examineHue(
  samples: readonly Sample[],
  i: number,
  { ratio, novelty }: { readonly ratio: number; readonly novelty: number },
  threshold: number,
): CutEvidence {
  const step = (n: number) => hueChange(samples[n - 1]!.sketch, samples[n]!.sketch);
  const { share, mean } = step(i);
  if (share < hue.leastShare) return { ratio, novelty, hue: share, score: 0 };
  const around = [i - 2, i - 1, i + 1, i + 2].filter((n) => n > 0 && n < samples.length);
  const usualHue = Math.max(cut.floor, ...around.map((n) => step(n).mean));
  const alike = mostAlike(samples, i);
  const lasting = alike ? hueChange(alike.before.sketch, alike.after.sketch).share : share;
  const returned = returnedBy(samples, i, alike);
  const score =
    lasting < cut.leastLasting * share || returned < cut.leastReturned
      ? 0
      : mean / usualHue / (hue.leastRatio * threshold);
  return { ratio, novelty, hue: share, lasting: Math.min(share, lasting), returned, score };
}

/** Change of the distinct pictures around the one at `i`, their median: as for a picture that stood as long as that one. */
function usual(samples: readonly Sample[], i: number): number {
  const { at } = samples[i]!;
  const isNear = (n: number): boolean =>
    Math.abs(n - i) <= neighbours.pictures || Math.abs(samples[n]!.at - at) <= neighbours.seconds;
  const around: number[] = [];
  for (const step of [-1, 1])
    for (let n = i + step; n > 0 && n < samples.length && isNear(n); n += step)
      around.push(samples[n]!.change);
  around.sort((a, b) => a - b);
  const distinct = Math.max(
    neighbours.still,
    neighbours.repeated * (around[Math.floor(0.7 * around.length)] ?? 0),
  );
  const before = standing(samples, i, distinct);
  const changes: number[] = [];
  for (const step of [-1, 1]) {
    let found = 0;
    for (let n = i + step; n > 0 && n < samples.length && isNear(n); n += step) {
      if (Math.abs(samples[n]!.at - at) > neighbours.window && found >= neighbours.distinct) break;
      if (samples[n]!.change < distinct) continue;
      found++;
      const wait = Math.min(neighbours.longestWait, Math.max(1, before / standing(samples, n, distinct)));
      changes.push(samples[n]!.change * wait);
    }
    // Where nothing moves, that is what is usual; of pictures far apart those that there are tell.
    const last = i + step * neighbours.pictures;
    if (isSlow(samples, i) && (last < 1 || last >= samples.length)) continue;
    for (; found < neighbours.distinct; found++) changes.push(0);
  }
  return median(changes) ?? 0;
}

/** Seconds for which the picture before the one at `i` stood, repetitions of it included. */
function standing(samples: readonly Sample[], i: number, distinct: number): number {
  let n = i - 1;
  while (n > 0 && samples[n]!.change < distinct) n--;
  return samples[i]!.at - samples[n]!.at;
}

function median(values: number[]): number | undefined {
  if (values.length === 0) return undefined;
  values.sort((a, b) => a - b);
  const half = values.length >> 1;
  return values.length % 2 === 1 ? values[half] : (values[half - 1]! + values[half]!) / 2;
}

interface Pair {
  readonly before: Sample;
  readonly after: Sample;
  readonly far: number;
}

function returnedBy(samples: readonly Sample[], i: number, alike: Pair | undefined): number {
  if (alike === undefined) return 1;
  return Math.min(1, alike.far / sketchDifference(samples[i - 1]!.sketch, samples[i]!.sketch));
}

/** Of the pictures before against the first after, and the last before against those after: the two most alike. */
function mostAlike(samples: readonly Sample[], i: number): Pair | undefined {
  const last = samples[i - 1]!;
  const first = samples[i]!;
  let pair: Pair | undefined;
  const offer = (before: Sample, after: Sample): void => {
    const far = sketchDifference(before.sketch, after.sketch);
    if (pair === undefined || far < pair.far) pair = { before, after, far };
  };
  const { flashSeconds, flashPictures } = neighbours;
  for (let n = i - 2; n >= 0; n--) {
    if (last.at - samples[n]!.at > flashSeconds && i - 1 - n > flashPictures) break;
    offer(samples[n]!, first);
  }
  for (let n = i + 1; n < samples.length; n++) {
    if (samples[n]!.at - first.at > flashSeconds && n - i > flashPictures) break;
    offer(last, samples[n]!);
  }
  return pair;
}
