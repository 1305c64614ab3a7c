/** Greedy non-maximum suppression. */
import type { Candidate } from '../detection.ts';

/** No picture reports more objects than this, unless more are asked for; COCO's own evaluation stops at 100. */
export const MAX_DETECTIONS = 300;

/** The best candidates that are looked at; bounds the quadratic work when the threshold is near 0. */
const MAX_CANDIDATES = 3000;

export interface SuppressOptions {
  /** Of two candidates of one class with a greater IoU, the better stays. 1 keeps all. */
  readonly iou: number;
  /** The same among all classes, after the first; 1 keeps all. */
  readonly iouAcrossClasses: number;
}

/** Intersection over union of two boxes, 0–1; 0 when both are empty. */
export function intersectionOverUnion(a: Candidate, b: Candidate): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const intersection = width * height;
  const union = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - intersection;
  return union > 0 ? intersection / union : 0;
}

/** Best first; equal scores by class, then by place, so that the order never depends on the sort. */
function compare(a: Candidate, b: Candidate): number {
  return (
    b.score - a.score || a.classId - b.classId || a.x1 - b.x1 || a.y1 - b.y1 || a.x2 - b.x2 || a.y2 - b.y2
  );
}

/** The candidates that remain, best first, at most `most`. */
export function suppress(
  candidates: readonly Candidate[],
  options: SuppressOptions,
  most = MAX_DETECTIONS,
): Candidate[] {
  const sorted = candidates.toSorted(compare).slice(0, MAX_CANDIDATES);
  const perClass = greedy(sorted, options.iou, (a, b) => a.classId === b.classId);
  const remaining = greedy(perClass, options.iouAcrossClasses, () => true);
  return remaining.slice(0, most);
}

function greedy(
  sorted: readonly Candidate[],
  threshold: number,
  rivals: (a: Candidate, b: Candidate) => boolean,
): Candidate[] {
  if (threshold >= 1) return [...sorted];
  const kept: Candidate[] = [];
  for (const candidate of sorted) {
    const beaten = kept.some(
      (better) => rivals(better, candidate) && intersectionOverUnion(better, candidate) > threshold,
    );
    if (!beaten) kept.push(candidate);
  }
  return kept;
}
