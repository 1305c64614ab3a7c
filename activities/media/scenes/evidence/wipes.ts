/**
 * Wipes: every part of the picture goes over from what was before to what comes after for itself, one after the other (wipes, irises, blinds,
 * soft or hard), where a dissolve changes all of them alike.
 */
import { thresholds } from '../thresholds.ts';
import { type Ends, extrapolate } from './dissolves.ts';
import { unexplained } from './motion.ts';
import { columnsOf, type Sample, sketchDifference } from './sample.ts';

const { wipe } = thresholds;

export interface WipeEvidence {
  /** Seconds; the earlier of the two pictures that are compared. */
  readonly since: number;
  /** Seconds; where the wipe begins and ends, extrapolated. */
  readonly from: number;
  readonly to: number;
  /** `sketchDifference` of the ends. */
  readonly change: number;
  /** Share of the change that lies off the way between the ends, mean of the pictures between. */
  readonly off: number;
  /** Share of the picture that changes. */
  readonly covered: number;
  /** Whether it can be a wipe by all but novelty; else something like one may be under way. */
  readonly whole: boolean;
  /** Share of the ends that movement does not explain. */
  novelty(): number;
}

/** Cells that are changed by less, in steps of Y, U and V added, tell nothing. */
const leastStep = 12;

/** What speaks for a wipe between the ends; undefined where little does. */
export function wipeBetween(
  samples: readonly Sample[],
  { first, middle, last }: Ends,
): WipeEvidence | undefined {
  const a = samples[first]!;
  const b = samples[last]!;
  const change = sketchDifference(a.sketch, b.sketch);
  if (change < wipe.floor / 2) return undefined;
  const way = new Way(a.sketch, b.sketch, columnsOf(a));
  if (way.cells.length < 8) return undefined;
  const half = way.place(samples[middle]!.sketch);
  if (half.off > wipe.mostOff || half.before + half.after < wipe.leastSided) return undefined;
  if (Math.min(half.before, half.after) < wipe.leastEach || half.together < wipe.leastTogether)
    return undefined;
  let previous = 0;
  let step = 0;
  let fall = 0;
  let off = 0;
  let between = 0;
  const line: { at: number; share: number }[] = [];
  for (let n = first + 1; n < last; n++) {
    const { share, off: own } = way.place(samples[n]!.sketch);
    step = Math.max(step, share - previous);
    fall = Math.max(fall, previous - share);
    previous = share;
    off += own;
    if (share > 0.05 && share < 0.95) between++;
    if (share > 0.1 && share < 0.9) line.push({ at: samples[n]!.at, share });
  }
  off /= last - first - 1;
  step = Math.max(step, 1 - previous);
  if (line.length < 2 || off > wipe.mostOff || fall > 0.1) return undefined;
  const { from, to } = extrapolate(line);
  if (!(to > from)) return undefined;
  const covered = way.covered;
  return {
    since: a.at,
    from: Math.max(a.at, from),
    to: Math.min(b.at, to),
    change,
    off,
    covered,
    whole:
      change >= wipe.floor &&
      covered >= wipe.leastCovered &&
      step <= wipe.mostStep &&
      between >= wipe.leastPictures,
    novelty: () => unexplained(a, b),
  };
}

/** The way of each cell from one sketch to another. */
class Way {
  /** Numbers of the cells that change. */
  readonly cells: number[] = [];
  readonly covered: number;
  readonly #a: Float32Array;
  readonly #b: Float32Array;
  readonly #lengths: number[] = [];
  readonly #columns: number;

  constructor(a: Float32Array, b: Float32Array, columns: number) {
    this.#a = a;
    this.#b = b;
    this.#columns = columns;
    const cells = a.length / 3;
    for (let n = 0; n < cells; n++) {
      let length = 0;
      for (let i = n; i < a.length; i += cells) length += Math.abs(b[i]! - a[i]!);
      if (length < leastStep) continue;
      this.cells.push(n);
      this.#lengths.push(length);
    }
    this.covered = this.cells.length / cells;
  }

  /**
   * Of a picture between: the mean share of their way that the cells have gone; what lies off it in relation to its length; the shares of the
   * cells that show one end and the other, and of those of them with a neighbour to the right or below that shows an end as well, those that show the same.
   */
  place(s: Float32Array): { share: number; off: number; before: number; after: number; together: number } {
    const cells = s.length / 3;
    const sides = new Int8Array(cells);
    let gone = 0;
    let off = 0;
    let all = 0;
    let before = 0;
    let after = 0;
    for (const [n, cell] of this.cells.entries()) {
      let dot = 0;
      let square = 0;
      for (let i = cell; i < s.length; i += cells) {
        const way = this.#b[i]! - this.#a[i]!;
        dot += way * (s[i]! - this.#a[i]!);
        square += way * way;
      }
      const share = Math.min(1, Math.max(0, dot / square));
      for (let i = cell; i < s.length; i += cells)
        off += Math.abs(s[i]! - this.#a[i]! - share * (this.#b[i]! - this.#a[i]!));
      all += this.#lengths[n]!;
      gone += share;
      if (share < wipe.side) {
        before++;
        sides[cell] = -1;
      } else if (share > 1 - wipe.side) {
        after++;
        sides[cell] = 1;
      }
    }
    const count = this.cells.length;
    const together = this.#together(sides);
    return { share: gone / count, off: off / all, before: before / count, after: after / count, together };
  }

  #together(sides: Int8Array): number {
    let pairs = 0;
    let same = 0;
    for (const cell of this.cells) {
      if (sides[cell] === 0) continue;
      const right = (cell + 1) % this.#columns === 0 ? 0 : sides[cell + 1]!;
      for (const other of [right, sides[cell + this.#columns] ?? 0]) {
        if (other === 0) continue;
        pairs++;
        if (other === sides[cell]) same++;
      }
    }
    return pairs === 0 ? 0 : same / pairs;
  }
}
