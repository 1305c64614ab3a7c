/**
 * Which frames are kept so that, whenever a scene turns out to end, the one nearest to the middle of its time is at hand. Pure.
 *
 * A frame `x` seconds into a scene is the middle of one of length 2 x, so the frames may lie the further apart the further in they are:
 * kept is the first of each of `pieces` parts, equal in ratio, of every doubling of x. As the middle moves on at half the speed of the
 * video and what lies before it is dropped, about `pieces` frames remain, however long the scene. Where the beginning of the scene is
 * not yet known, frames are kept as densely as the rest of the budget allows.
 */
import type { Outlook } from './segmenter.ts';

/** Frames at most, however small: enough for the middle to a hundredth of any scene, and their times fit into a cursor. */
const MOST = 96;
/** Frames at least, however large. */
const LEAST = 6;

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
    const pieces = Math.max(1, Math.floor((3 * room) / 8) - 1);
    const part = (at: number) => Math.floor(pieces * Math.log2(at - start));
    const kept: Candidate<Frame>[] = [];
    const older = this.#held.filter(({ at }) => at < open);
    for (const candidate of older) {
      const before = kept.at(-1);
      if (candidate.at < start) continue;
      // Of those before the first middle only the last can be the nearest, and of those after the last middle only the first.
      if (before !== undefined && candidate.at <= earliest) kept.pop();
      else if (before !== undefined && (before.at >= latest || part(before.at) === part(candidate.at)))
        continue;
      kept.push(candidate);
    }
    // The last of them may be the nearest to a middle that lies right behind `open`.
    const last = older.at(-1);
    if (last !== undefined && last.at >= start && last !== kept.at(-1)) kept.push(last);
    const first = this.#held[older.length];
    const passed = first === undefined ? 0 : added.index - first.index + 1;
    let stride = 1;
    while (passed > stride * Math.max(1, room - kept.length)) stride *= 2;
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
