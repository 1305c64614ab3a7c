/** Dissolves: pictures that are mixtures of one before and one after, which are not of the same scene. */
import { thresholds } from '../thresholds.ts';
import { unexplained } from './motion.ts';
import { type Sample, sketchDifference } from './sample.ts';

const { dissolve, motion } = thresholds;
const { plain } = thresholds.picture;

export interface DissolveEvidence {
  /** Seconds; the earlier of the two pictures that are compared. */
  readonly since: number;
  /** Seconds; where the mixture begins and ends, extrapolated. */
  readonly from: number;
  readonly to: number;
  /** `sketchDifference` of the ends. */
  readonly change: number;
  /** How far the pictures between lie from the straight line between the ends, root mean square as a share of its length. */
  readonly bend: number;
  /** Largest step from one picture to the next along that line, 0–1; a cut is one step. */
  readonly step: number;
  /** Detail in the middle in relation to that of the ends: about a half where two unrelated pictures are mixed (Lienhart 1999), 1 where a camera moves. */
  readonly detail: number;
  /** Correlation of the ends' luma: near 1 if one is the other, darker or brighter. */
  readonly likeness: number;
  /** Share of the ends that movement does not explain. */
  novelty(): number;
}

/** Of samples: the numbers of two, and of the one in the middle of their time. */
export interface Ends {
  readonly first: number;
  readonly middle: number;
  readonly last: number;
}

/** The last of the samples, the one `span` seconds before it, and the one in the middle; undefined where there are none so far apart. */
export function endsOf(samples: readonly Sample[], span: number): Ends | undefined {
  const last = samples.length - 1;
  const b = samples[last]!;
  let middle = last;
  while (middle > 0 && samples[middle]!.at > b.at - span / 2) middle--;
  let first = middle;
  while (first > 0 && samples[first]!.at > b.at - span + 1e-6) first--;
  const a = samples[first]!;
  if (b.at - a.at < span - 1e-6 || b.at - a.at > 1.5 * span || middle === first) return undefined;
  return { first, middle, last };
}

/** Whether the picture in the middle has less detail than both ends: cheap, and true some time before a dissolve is over. */
export function fallsInDetail(samples: readonly Sample[], { first, middle, last }: Ends): boolean {
  const [a, b] = [samples[first]!, samples[last]!];
  if (samples[middle]!.detail > dissolve.suspiciousDetail * ((a.detail + b.detail) / 2)) return false;
  return sketchDifference(a.sketch, b.sketch) >= dissolve.floor / 2;
}

/** What speaks for a dissolve from the first to the last; undefined where little does. */
export function mixture(
  samples: readonly Sample[],
  { first, middle, last }: Ends,
): DissolveEvidence | undefined {
  const a = samples[first]!;
  const b = samples[last]!;
  const change = sketchDifference(a.sketch, b.sketch);
  if (change < dissolve.floor) return undefined;
  const length = squaredDistance(a.sketch, b.sketch);
  const place = (sample: Sample) => along(a.sketch, b.sketch, sample.sketch, length);
  const half = place(samples[middle]!);
  if (half.share < 0.25 || half.share > 0.75 || half.off > 0.5) return undefined;

  const inner = samples.slice(first + 1, last);
  // A fade comes through one colour; a mixture of two pictures keeps most of their contrast.
  const pale = Math.max(plain, 0.35 * Math.min(a.contrast, b.contrast));
  if (a.contrast <= plain || b.contrast <= plain || inner.some(({ contrast }) => contrast <= pale))
    return undefined;
  let previous = 0;
  let step = 0;
  let squares = 0;
  let fall = 0;
  let details = 0;
  let detailsOfEnds = 0;
  const line: { at: number; share: number }[] = [];
  for (const sample of inner) {
    const { share, off } = place(sample);
    step = Math.max(step, share - previous);
    fall = Math.max(fall, previous - share);
    previous = share;
    squares += off * off;
    if (share > 0.3 && share < 0.7) {
      details += sample.detail;
      detailsOfEnds += a.detail + (b.detail - a.detail) * share;
    }
    if (share > 0.15 && share < 0.85) line.push({ at: sample.at, share });
  }
  step = Math.max(step, 1 - previous);
  if (line.length < 2 || detailsOfEnds === 0 || fall > 0.15) return undefined;
  const { from, to } = extrapolate(line);
  if (!(to > from)) return undefined;
  const bend = Math.sqrt(squares / inner.length);
  return {
    since: a.at,
    from: Math.max(a.at, from),
    to: Math.min(b.at, to),
    change,
    bend,
    step,
    detail: details / detailsOfEnds,
    likeness: correlation(a.sketch, b.sketch),
    novelty: () => unexplained(a, b, { far: bend > dissolve.bent ? motion.farReach : motion.reach }),
  };
}

/** Where a picture lies along the line from a to b (0 … 1), and how far off it; both as shares of the line's length. */
function along(
  a: Float32Array,
  b: Float32Array,
  s: Float32Array,
  length: number,
): { share: number; off: number } {
  let dot = 0;
  let square = 0;
  for (let i = 0; i < s.length; i++) {
    const own = s[i]! - a[i]!;
    dot += own * (b[i]! - a[i]!);
    square += own * own;
  }
  const share = dot / length;
  return { share, off: Math.sqrt(Math.max(0, square / length - share * share)) };
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}

/** Of the first third of two sketches, which is luma. */
function correlation(a: Float32Array, b: Float32Array): number {
  const n = a.length / 3;
  let sumA = 0;
  let sumB = 0;
  let aa = 0;
  let bb = 0;
  let ab = 0;
  for (let i = 0; i < n; i++) {
    sumA += a[i]!;
    sumB += b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
    ab += a[i]! * b[i]!;
  }
  const spread = Math.sqrt(Math.max(0, aa - (sumA * sumA) / n) * Math.max(0, bb - (sumB * sumB) / n));
  return spread === 0 ? 0 : (ab - (sumA * sumB) / n) / spread;
}

/** Where a straight line through the points (least squares) reaches 0 and 1. */
export function extrapolate(line: readonly { at: number; share: number }[]): { from: number; to: number } {
  const n = line.length;
  const at = line.reduce((sum, point) => sum + point.at, 0) / n;
  const share = line.reduce((sum, point) => sum + point.share, 0) / n;
  let slope = 0;
  let spread = 0;
  for (const point of line) {
    slope += (point.at - at) * (point.share - share);
    spread += (point.at - at) ** 2;
  }
  slope /= spread;
  return { from: at - share / slope, to: at + (1 - share) / slope };
}

/** In thresholds, without regard to novelty. Below 1 it is no dissolve. */
export function dissolveStrength(evidence: DissolveEvidence, threshold: number): number {
  const { change, bend, step, detail, likeness } = evidence;
  const { floor, mostBend, mostStep, mostDetail, mostLikeness } = dissolve;
  if (bend > mostBend || step > mostStep || detail > mostDetail || likeness > mostLikeness) return 0;
  return change / floor / (threshold / 3);
}
