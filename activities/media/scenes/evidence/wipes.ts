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
  if (way.cells < 8) return undefined;
  const half = way.place(samples[middle]!.sketch, wipe.mostOff);
  if (half === undefined || half.before + half.after < wipe.leastSided) return undefined;
  if (Math.min(half.before, half.after) < wipe.leastEach) return undefined;
  if (way.together(samples[middle]!.sketch) < wipe.leastTogether) return undefined;
  let previous = 0;
  let step = 0;
  let fall = 0;
  let off = 0;
  let between = 0;
  const line: { at: number; share: number }[] = [];
  for (let n = first + 1; n < last; n++) {
    const { share, off: own } = way.place(samples[n]!.sketch)!;
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
    novelty: () => unexplained(a, b, { far: thresholds.motion.farReach }),
  };
}

/** Where a picture lies on the way from one sketch to another. */
interface Place {
  /** Mean share of their way that the cells have gone. */
  readonly share: number;
  /** What lies off the way, in relation to its length. */
  readonly off: number;
  /** Shares of the cells that show one end and the other. */
  readonly before: number;
  readonly after: number;
}

/** The way of each cell from one sketch to another. Made for each picture and span, so that it keeps nothing by cell. */
class Way {
  /** How many change. */
  readonly cells: number;
  /** Their share of all. */
  readonly covered: number;
  readonly #a: Float32Array;
  readonly #b: Float32Array;
  readonly #columns: number;
  readonly #all: number;
  /** Of all ways. */
  readonly #length: number;

  constructor(a: Float32Array, b: Float32Array, columns: number) {
    this.#a = a;
    this.#b = b;
    this.#columns = columns;
    const all = a.length / 3;
    let cells = 0;
    let sum = 0;
    for (let y = 0, u = all, v = 2 * all; y < all; y++, u++, v++) {
      const length = Math.abs(b[y]! - a[y]!) + Math.abs(b[u]! - a[u]!) + Math.abs(b[v]! - a[v]!);
      if (length < leastStep) continue;
      cells++;
      sum += length;
    }
    this.#all = all;
    this.#length = sum;
    this.cells = cells;
    this.covered = cells / all;
  }

  /** Of a picture between; undefined where more than `mostOff` lies off the way, which most show long before they are looked at as a whole. */
  place(s: Float32Array, mostOff = Number.POSITIVE_INFINITY): Place | undefined {
    const a = this.#a;
    const b = this.#b;
    const all = this.#all;
    // Sums that are rounded otherwise are not to decide.
    const certain = mostOff * this.#length * (1 + 1e-9);
    let gone = 0;
    let off = 0;
    let before = 0;
    let after = 0;
    for (let y = 0, u = all, v = 2 * all; y < all; y++, u++, v++) {
      const wayY = b[y]! - a[y]!;
      const wayU = b[u]! - a[u]!;
      const wayV = b[v]! - a[v]!;
      if (Math.abs(wayY) + Math.abs(wayU) + Math.abs(wayV) < leastStep) continue;
      const ownY = s[y]! - a[y]!;
      const ownU = s[u]! - a[u]!;
      const ownV = s[v]! - a[v]!;
      const dot = wayY * ownY + wayU * ownU + wayV * ownV;
      const share = Math.min(1, Math.max(0, dot / (wayY * wayY + wayU * wayU + wayV * wayV)));
      off += Math.abs(ownY - share * wayY);
      off += Math.abs(ownU - share * wayU);
      off += Math.abs(ownV - share * wayV);
      if (off > certain) return undefined;
      gone += share;
      if (share < wipe.side) before++;
      else if (share > 1 - wipe.side) after++;
    }
    const { cells } = this;
    off /= this.#length;
    if (off > mostOff) return undefined;
    return { share: gone / cells, off, before: before / cells, after: after / cells };
  }

  /** Of the cells that show an end and have a neighbour to the right or below that shows one as well, the share of those that show the same. */
  together(s: Float32Array): number {
    const sides = this.#sidesOf(s);
    let pairs = 0;
    let same = 0;
    for (const [cell, own] of sides.entries()) {
      if (own === 0) continue;
      const right = (cell + 1) % this.#columns === 0 ? 0 : sides[cell + 1]!;
      for (const other of [right, sides[cell + this.#columns] ?? 0]) {
        if (other === 0) continue;
        pairs++;
        if (other === own) same++;
      }
    }
    return pairs === 0 ? 0 : same / pairs;
  }

  /** Which end each cell shows: −1 the one, 1 the other, 0 neither or the cell does not change. */
  #sidesOf(s: Float32Array): Int8Array {
    const sides = new Int8Array(this.#all);
    for (let cell = 0; cell < this.#all; cell++) {
      let length = 0;
      let dot = 0;
      let square = 0;
      for (let i = cell; i < s.length; i += this.#all) {
        const way = this.#b[i]! - this.#a[i]!;
        length += Math.abs(way);
        dot += way * (s[i]! - this.#a[i]!);
        square += way * way;
      }
      if (length < leastStep) continue;
      const share = Math.min(1, Math.max(0, dot / square));
      sides[cell] = share < wipe.side ? -1 : share > 1 - wipe.side ? 1 : 0;
    }
    return sides;
  }
}
