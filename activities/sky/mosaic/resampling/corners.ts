/** Corners of pixels, row by row, where a map has them: of both resamplings, whose inner loops these are. */
import type { PixelBox } from '../../image/plane.ts';
import type { PixelMap } from './pixel-map.ts';

/** Of a row of pixels after the other: pixel `column` lies between the columns `column` and `column + 1` of its lower and its upper border. */
export class CornerRows {
  readonly #map: PixelMap;
  readonly #x0: number;
  readonly #count: number;
  /** Of the row that is asked for next. */
  #row: number;
  lowX: Float64Array;
  lowY: Float64Array;
  highX: Float64Array;
  highY: Float64Array;

  constructor(map: PixelMap, { x0, y0, width }: PixelBox) {
    this.#map = map;
    this.#x0 = x0;
    this.#count = width + 1;
    this.#row = y0;
    this.lowX = new Float64Array(this.#count);
    this.lowY = new Float64Array(this.#count);
    this.highX = new Float64Array(this.#count);
    this.highY = new Float64Array(this.#count);
    map.row(x0, y0, 0, 0, this.#count, this.highX, this.highY);
  }

  /** Goes on to the next row, at first to that of `y0`: its lower border is the upper one of the row before. */
  next(): void {
    [this.lowX, this.highX] = [this.highX, this.lowX];
    [this.lowY, this.highY] = [this.highY, this.lowY];
    this.#map.row(this.#x0, ++this.#row, 0, 0, this.#count, this.highX, this.highY);
  }

  /** Of a pixel of the row, in pixels of where the map leads; NaN where a corner has no sky. */
  area(column: number): number {
    const { lowX, lowY, highX, highY } = this;
    const ax = lowX[column]!;
    const ay = lowY[column]!;
    const bx = lowX[column + 1]!;
    const by = lowY[column + 1]!;
    const cx = highX[column + 1]!;
    const cy = highY[column + 1]!;
    const dx = highX[column]!;
    const dy = highY[column]!;
    return Math.abs((cx - ax) * (dy - by) - (dx - bx) * (cy - ay)) / 2;
  }
}
