/**
 * From the pixels of one image to those of another, for millions of pixels: exact at the nodes of a lattice, linear between them. The lattice is
 * as fine as its error must be, and hangs on the first pixel of the image: which part of it is asked for, and in which order, changes nothing.
 */
import type { PixelBox } from '../../image/plane.ts';
import { mapPixels } from '../../wcs/frames.ts';
import type { Wcs } from '../../wcs/wcs.ts';

/** Pixels by which the straight line between two nodes may miss. */
const TOLERANCE = 1e-5;
const STEPS = [64, 32, 16, 8, 4, 2, 1];
/** Cells of the lattice that are looked at along each side of the image, to choose its step. */
const PROBES = 5;

/** Pixels to pixels, as pairs. */
type Exact = (pixels: Float64Array) => Float64Array;

export function exactly(from: Wcs, to: Wcs): Exact {
  return (pixels) => {
    const mapped = new Float64Array(pixels.length);
    mapPixels(from, to, pixels, mapped);
    return mapped;
  };
}

/** Worst miss, in pixels, of straight lines in a cell, by the middles of it and of its four sides. */
function missOf(map: Exact, u: number, v: number, step: number): number {
  const points = new Float64Array(18);
  for (let i = 0; i < 9; i++) {
    points[2 * i] = u + ((i % 3) * step) / 2 - 0.5;
    points[2 * i + 1] = v + (Math.floor(i / 3) * step) / 2 - 0.5;
  }
  const m = map(points);
  let worst = 0;
  for (let axis = 0; axis < 2; axis++) {
    const at = (i: number) => m[2 * i + axis]!;
    const between = (i: number, j: number, k: number) => Math.abs(at(j) - (at(i) + at(k)) / 2);
    const centre = Math.abs(at(4) - (at(0) + at(2) + at(6) + at(8)) / 4);
    const miss = Math.max(centre, between(0, 1, 2), between(6, 7, 8), between(0, 3, 6), between(2, 5, 8));
    // A cell without sky in part says nothing of the others.
    if (miss > worst) worst = miss;
  }
  return worst;
}

function fineStep(map: Exact, domain: PixelBox): number {
  for (const step of STEPS) {
    let worst = 0;
    for (let i = 0; i < PROBES * PROBES; i++) {
      const u = domain.x0 + Math.max(0, domain.width - step) * ((i % PROBES) / (PROBES - 1));
      const v = domain.y0 + Math.max(0, domain.height - step) * (Math.floor(i / PROBES) / (PROBES - 1));
      worst = Math.max(worst, missOf(map, u, v, step));
    }
    if (worst <= TOLERANCE) return step;
  }
  return 1;
}

export class PixelMap {
  readonly #exact: Exact;
  readonly #step: number;
  /** Nodes of the two rows last asked for, pairs x, y from column `#first` on. */
  readonly #rows = new Map<number, Float64Array>();
  #first = 0;
  #count = 0;

  /** @param domain pixels of `from` that will be asked for: the step is chosen there. */
  constructor(from: Wcs, to: Wcs, domain: PixelBox) {
    this.#exact = exactly(from, to);
    this.#step = fineStep(this.#exact, domain);
  }

  /**
   * Maps a row of places, counted from the outer corner of the first pixel (0.5 is that pixel's centre): u + shift, u + 1 + shift, … of `count`
   * in the row v + shiftV, where u and v are whole. What is put out counts in the same way. NaN where there is no sky.
   */
  row(
    u: number,
    v: number,
    shift: number,
    shiftV: number,
    count: number,
    outX: Float64Array,
    outY: Float64Array,
  ): void {
    const step = this.#step;
    const first = Math.floor((u + shift) / step);
    const cells = Math.floor((u + count - 1 + shift) / step) - first + 1;
    const row = Math.floor((v + shiftV) / step);
    if (first < this.#first || first + cells + 1 > this.#first + this.#count) {
      this.#rows.clear();
      this.#first = first;
      this.#count = cells + 1;
    }
    const low = this.#nodes(row);
    const high = this.#nodes(row + 1);
    const fy = (v - row * step + shiftV) / step;
    let i = 0;
    for (let cell = first; cell < first + cells; cell++) {
      const n = 2 * (cell - this.#first);
      const ax = low[n]! + (high[n]! - low[n]!) * fy;
      const ay = low[n + 1]! + (high[n + 1]! - low[n + 1]!) * fy;
      const bx = low[n + 2]! + (high[n + 2]! - low[n + 2]!) * fy;
      const by = low[n + 3]! + (high[n + 3]! - low[n + 3]!) * fy;
      const start = i;
      const origin = u - cell * step;
      while (i < count && origin + i + shift < step) {
        const f = (origin + i + shift) / step;
        outX[i] = ax + (bx - ax) * f;
        outY[i] = ay + (by - ay) * f;
        i++;
      }
      // A corner of the cell has no sky: each pixel of it is asked by itself.
      if (Number.isNaN(ax + bx + ay + by)) this.#exactly(u, v, shift, shiftV, start, i, outX, outY);
    }
  }

  #nodes(row: number): Float64Array {
    const known = this.#rows.get(row);
    if (known) return known;
    for (const other of this.#rows.keys()) if (Math.abs(other - row) > 1) this.#rows.delete(other);
    const points = new Float64Array(2 * this.#count);
    for (let i = 0; i < this.#count; i++) {
      points[2 * i] = (this.#first + i) * this.#step - 0.5;
      points[2 * i + 1] = row * this.#step - 0.5;
    }
    const nodes = this.#exact(points);
    for (let i = 0; i < nodes.length; i++) nodes[i]! += 0.5;
    this.#rows.set(row, nodes);
    return nodes;
  }

  #exactly(
    u: number,
    v: number,
    shift: number,
    shiftV: number,
    start: number,
    end: number,
    outX: Float64Array,
    outY: Float64Array,
  ): void {
    const points = new Float64Array(2 * (end - start));
    for (let i = start; i < end; i++) {
      points[2 * (i - start)] = u + i + shift - 0.5;
      points[2 * (i - start) + 1] = v + shiftV - 0.5;
    }
    const mapped = this.#exact(points);
    for (let i = start; i < end; i++) {
      outX[i] = mapped[2 * (i - start)]! + 0.5;
      outY[i] = mapped[2 * (i - start) + 1]! + 0.5;
    }
  }
}
