/**
 * Which frames are kept so that, whenever a scene turns out to end, one near the middle of its time is at hand. Pure.
 *
 * A frame `x` seconds into a scene is the middle of one of length 2 x, so the frames may lie the further apart the further in they are:
 * one is let go of when its neighbours are no further apart than a share of x (a hundredth of the scene on either side), or are the
 * next but one. As the middle moves on at half the speed of the video and what lies before it is dropped, some twenty frames remain,
 * however long the scene. Where the beginning of the scene is not yet known, every frame or every other one is kept, as far as the
 * rest of the budget allows.
 */
import type { Outlook } from './segmenter.ts';

/** Frames at most, however small: enough for the middle to a hundredth of any scene, and their times fit into a cursor. */
const MOST = 96;
/** Frames at least, however large. */
const LEAST = 6;
/** Distance of neighbours as a share of the time into the scene: half of it is a hundredth of a scene twice as long. */
const SHARE = 0.04;
/** Frames behind the last settled place that are kept without a gap; of more every other one will do, or what there is room for. */
const OPEN = 16;
/** Seconds into a scene for which every frame is kept: they are few. */
const DENSE = 1;

export interface Candidate<Frame> {
  /** Of the frame in the pass, from 0. */
  readonly index: number;
  /** Seconds. */
  readonly at: number;
  /** Absent where it is remembered from an earlier pass and would have to be decoded again. */
  readonly frame: Frame | undefined;
}

export interface Releasable {
  release(): void;
}

export class Candidates<Frame extends Releasable> {
  readonly #budget: number;
  #held: Candidate<Frame>[];

  /** `budget` in bytes; `remembered` from an earlier pass. */
  constructor(budget: number, remembered: readonly Omit<Candidate<Frame>, 'frame'>[] = []) {
    this.#budget = budget;
    this.#held = remembered.map(({ index, at }) => ({ index, at, frame: undefined }));
  }

  /** In order of time. */
  get held(): readonly Candidate<Frame>[] {
    return this.#held;
  }

  /** Adds a frame that is newer than all, `bytes` large as all are; those that are not needed are released, it too. */
  add(added: Candidate<Frame>, bytes: number, { start, earliest, latest, open }: Outlook): void {
    this.#held.push(added);
    const room = Math.min(MOST, Math.max(LEAST, Math.floor(this.#budget / bytes)));
    // Few of large frames: at worst two remain for each such share of a doubling of x, and a quarter of the room for what is open.
    const share = Math.max(SHARE, 2 ** (1 / Math.max(1, Math.floor((3 * room) / 8) - 1)) - 1);
    const older = this.#held.filter(({ at }) => at < open);
    const within = older.filter(({ at }) => at >= start);
    // Of those before the first middle only the last can be the nearest, and of those after the last middle only the first.
    const first = Math.max(
      0,
      within.findLastIndex(({ at }) => at <= earliest),
    );
    const end = within.findIndex(({ at }) => at >= latest);
    const kept = thinned(within.slice(first, end === -1 ? undefined : end + 1), start, share);
    // The last of them may be the nearest to a middle that lies right behind `open`.
    const last = within.at(-1);
    if (last !== undefined && last !== kept.at(-1)) kept.push(last);
    const opening = this.#held[older.length];
    const passed = opening === undefined ? 0 : added.index - opening.index + 1;
    const left = Math.max(1, room - kept.length);
    let stride = passed > Math.min(OPEN, left) ? 2 : 1;
    while (passed > stride * left) stride *= 2;
    for (const candidate of this.#held.slice(older.length))
      if (candidate.index % stride === 0) kept.push(candidate);
    const needed = new Set(kept);
    for (const candidate of this.#held) if (!needed.has(candidate)) candidate.frame?.release();
    this.#held = kept;
  }

  /** Of those in [start, end) the nearest to the middle, the earlier of two. */
  nearest(start: number, end: number): Candidate<Frame> | undefined {
    const middle = (start + end) / 2;
    let best: Candidate<Frame> | undefined;
    for (const candidate of this.#held) {
      if (candidate.at < start || candidate.at >= end) continue;
      if (best === undefined || Math.abs(candidate.at - middle) < Math.abs(best.at - middle))
        best = candidate;
    }
    return best;
  }

  release(): void {
    for (const { frame } of this.#held) frame?.release();
    this.#held = [];
  }
}

/** Without those whose neighbours are near enough to each other; the first and the last remain. */
function thinned<Frame>(
  candidates: readonly Candidate<Frame>[],
  start: number,
  share: number,
): Candidate<Frame>[] {
  const kept: Candidate<Frame>[] = [];
  for (const [n, candidate] of candidates.entries()) {
    const before = kept.at(-1);
    const next = candidates[n + 1];
    if (before !== undefined && next !== undefined) {
      const into = before.at - start;
      if (next.at - before.at <= share * into) continue;
      if (into >= DENSE && next.index - before.index <= 2) continue;
    }
    kept.push(candidate);
  }
  return kept;
}
