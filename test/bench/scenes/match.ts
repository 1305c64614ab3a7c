/** How well boundaries that were found agree with the true ones. */
import type { Change } from '../../../activities/media/testing/film/film.ts';

export interface Tally {
  readonly found: number;
  readonly right: number;
  readonly missed: number;
}

/**
 * Matches one to one, in order of time: a cut within ± 1 frame, a gradual change inside its transition (± 1 frame).
 * `frames` are the numbers of the frames at which new scenes were said to begin.
 */
export function match(
  changes: readonly Change[],
  frames: readonly number[],
  numbers: (at: number) => number,
): Tally {
  const open = [...frames].sort((a, b) => a - b);
  let right = 0;
  for (const change of changes) {
    const from = numbers(change.from) - 1;
    const to = numbers(change.to) + 1;
    const hit = open.findIndex((frame) => frame >= from && frame <= to);
    if (hit < 0) continue;
    open.splice(hit, 1);
    right++;
  }
  return { found: frames.length, right, missed: changes.length - right };
}

export const sum = (tallies: readonly Tally[]): Tally =>
  tallies.reduce(
    (all, tally) => ({
      found: all.found + tally.found,
      right: all.right + tally.right,
      missed: all.missed + tally.missed,
    }),
    { found: 0, right: 0, missed: 0 },
  );

export function rates({ found, right, missed }: Tally): { precision: number; recall: number; f1: number } {
  const precision = found === 0 ? 1 : right / found;
  const recall = right + missed === 0 ? 1 : right / (right + missed);
  return {
    precision,
    recall,
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
  };
}
