/** Labels over the time of a video. */
import type { LabelOverTime } from '@darkroom/contract';
import { rounded } from '@darkroom/platform/rounded.ts';
import type { FoundScene } from './found-scene.ts';

/** Seconds, `from` ≤ `to`. */
interface Span {
  readonly from: number;
  readonly to: number;
}

interface Seen {
  count: number;
  bestScore: number;
  firstSeen: number;
  lastSeen: number;
  readonly spans: Span[];
}

/**
 * When each label was seen, the most frequent label first. First and last are the times of the frames in which it was found; the share is
 * that of the scenes in which it was found (their union) in the time of all scenes whose frame was analysed.
 */
export function labelTimeline(scenes: readonly FoundScene[]): LabelOverTime[] {
  const seen = new Map<string, Seen>();
  const analysed: Span[] = [];
  for (const { scene, detections } of scenes) {
    if (detections === null) continue;
    const span = { from: scene.start, to: scene.end };
    const { at } = scene.frame;
    analysed.push(span);
    for (const { label, score } of detections) {
      const so = seen.get(label);
      if (so === undefined) {
        seen.set(label, { count: 1, bestScore: score, firstSeen: at, lastSeen: at, spans: [span] });
        continue;
      }
      so.count += 1;
      so.bestScore = Math.max(so.bestScore, score);
      so.firstSeen = Math.min(so.firstSeen, at);
      so.lastSeen = Math.max(so.lastSeen, at);
      if (so.spans.at(-1) !== span) so.spans.push(span);
    }
  }
  const whole = covered(analysed);
  return [...seen]
    .map(([label, { spans, ...times }]) => ({ label, ...times, share: shareOf(covered(spans), whole) }))
    .sort((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1));
}

/** To four decimals. A video of a single frame has no length, and what is on it is on all of it. */
function shareOf(seconds: number, whole: number): number {
  return whole === 0 ? 1 : rounded(seconds / whole, 4);
}

/** Seconds that lie in at least one of the spans. */
function covered(spans: readonly Span[]): number {
  let seconds = 0;
  let reached = Number.NEGATIVE_INFINITY;
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    seconds += Math.max(0, to - Math.max(from, reached));
    reached = Math.max(reached, to);
  }
  return seconds;
}
