/** From a model's outputs to what is reported: pure. */
import { rounded } from '@darkroom/platform/rounded.ts';
import { clip, type Fit, type Size, toSource } from '../picture/fit.ts';
import { labelOf } from './card/card.ts';
import type { Candidate, Detection, Outputs } from './detection.ts';
import { heads } from './heads/index.ts';
import { MAX_DETECTIONS, type SuppressOptions, suppress } from './heads/suppress.ts';
import type { Understanding } from './understanding/understand.ts';

/** What a request wants reported. */
export interface Wanted {
  /** Lowest score that is reported, 0–1. */
  readonly threshold: number;
  /** In its place for some labels. */
  readonly thresholds?: Readonly<Record<string, number>> | undefined;
  /** Labels wanted; empty or absent means all. Filtering never changes what else is found. */
  readonly labels?: readonly string[] | undefined;
  /** Of two boxes of a label that overlap by more (intersection over union, 0–1) the better one stays; absent: as the model has it. */
  readonly iou?: number | undefined;
  /** Whether that holds for boxes of different labels too; absent: as the model has it. */
  readonly classAgnostic?: boolean | undefined;
  /** The best so many of what is wanted; absent: {@link MAX_DETECTIONS}. */
  readonly maxDetections?: number | undefined;
}

/** What boxes of different labels are suppressed at where neither request nor model says: Ultralytics' default. */
const PLAIN_IOU = 0.7;

/** Outputs of a model → detections in pixels of the source: decoded, suppressed, unfitted, clipped, labelled, filtered; best first. */
export function detect(
  outputs: Outputs,
  model: Pick<Understanding, 'head' | 'input' | 'labels' | 'suppress'>,
  placed: Fit,
  source: Size,
  wanted: Wanted,
): Detection[] {
  const { width, height } = model.input;
  const { threshold, thresholds = {}, labels = [], maxDetections = MAX_DETECTIONS } = wanted;
  const thresholdOf = new Map(Object.entries(thresholds));
  const lowest = Math.min(threshold, ...thresholdOf.values());
  const nameOf = ({ classId }: Candidate) => labelOf(model.labels, classId);
  // What is under its threshold is not there: nor does it beat what overlaps it.
  const candidates = heads[model.head]
    .decode(outputs, { width, height, threshold: lowest })
    .filter((candidate) => candidate.score >= (thresholdOf.get(nameOf(candidate)) ?? threshold));
  const only = new Set(labels);
  // Where nobody says how many, the labels wanted are looked for among so many of all, as ever.
  const most = wanted.maxDetections === undefined ? MAX_DETECTIONS : Number.POSITIVE_INFINITY;
  return suppress(candidates, suppression(model.suppress, wanted), most)
    .flatMap((candidate) => {
      const { classId, score } = candidate;
      const box = clip(toSource(candidate, placed, source), source);
      const label = nameOf(candidate);
      if (box === undefined || (only.size > 0 && !only.has(label))) return [];
      return [
        {
          label,
          classId,
          score: rounded(score, 4),
          box: {
            x: rounded(box.x, 2),
            y: rounded(box.y, 2),
            width: rounded(box.width, 2),
            height: rounded(box.height, 2),
          },
        },
      ];
    })
    .slice(0, maxDetections);
}

/** How a request's wishes change what a model is suppressed with. */
export function suppression(
  model: SuppressOptions,
  wanted: Pick<Wanted, 'iou' | 'classAgnostic'>,
): SuppressOptions {
  const { iou = model.iou, classAgnostic } = wanted;
  if (classAgnostic === false) return { iou, iouAcrossClasses: 1 };
  // 1 that was asked for keeps all; a model's own 1 only says that its boxes need no suppression within a label.
  if (classAgnostic === true) return { iou, iouAcrossClasses: wanted.iou ?? (iou < 1 ? iou : PLAIN_IOU) };
  // Across classes is among one class too: it must not be stricter than what was asked for.
  const isAcross = model.iouAcrossClasses < 1;
  return { iou, iouAcrossClasses: isAcross ? Math.max(model.iouAcrossClasses, iou) : 1 };
}
