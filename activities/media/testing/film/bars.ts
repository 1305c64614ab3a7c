/**
 * The number of a frame in its pixels: two rows of cells across the top, the lower one the complement of the upper, so that a cell
 * is read by comparing it with the one below and no loss, scaling or tone mapping short of ruin mistakes it. The code is Gray's,
 * so that only two cells change from frame to frame (the bit and the parity), and detectors of cuts see no flicker.
 */
import { type Planes, paint } from './planes.ts';

const BITS = 18;
/** Height of a row of cells as a share of the picture's. */
const ROW = 1 / 20;
/** Smallest mean difference of two cells, of 255, that counts as read. */
const CONTRAST = 24;

const parity = (code: number) => {
  let odd = 0;
  for (let rest = code; rest > 0; rest >>= 1) odd ^= rest & 1;
  return odd;
};

/** Draws `number` (0 … 262 143) over the top tenth of the picture. */
export function drawBars(target: Planes, number: number): void {
  if (number < 0 || number >= 2 ** BITS)
    throw new RangeError(`the bars hold 0 … ${2 ** BITS - 1}, not ${number}`);
  const code = number ^ (number >> 1);
  const cells = [...Array.from({ length: BITS }, (_, bit) => (code >> bit) & 1), parity(code)];
  const edge = (n: number, size: number, count: number) => Math.round((n * size) / count);
  for (const [n, bit] of cells.entries()) {
    const x = edge(n, target.width, cells.length);
    const width = edge(n + 1, target.width, cells.length) - x;
    for (const row of [0, 1]) {
      const y = edge(row, target.height, 1 / ROW);
      const height = edge(row + 1, target.height, 1 / ROW) - y;
      paint(target, { x, y, width, height }, [bit !== row ? 235 : 16, 128, 128]);
    }
  }
}

/** Pixels in rows from the top; `channels` of a pixel side by side, the first of which is read (grey, R or luma). */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** The number in a picture of any size that shows the whole frame; undefined where none can be read. */
export function readBars({ width, height, channels, data }: Raster): number | undefined {
  const cells = BITS + 1;
  const mean = (cell: number, row: number) => {
    const at = (n: number, size: number, count: number) => Math.floor((n * size) / count);
    let sum = 0;
    let count = 0;
    for (let y = at(row + 0.3, height, 1 / ROW); y <= at(row + 0.7, height, 1 / ROW); y++)
      for (let x = at(cell + 0.3, width, cells); x <= at(cell + 0.7, width, cells); x++) {
        sum += data[(y * width + x) * channels]!;
        count++;
      }
    return sum / count;
  };
  let code = 0;
  let odd = 0;
  for (let cell = 0; cell < cells; cell++) {
    const difference = mean(cell, 0) - mean(cell, 1);
    if (Math.abs(difference) < CONTRAST) return undefined;
    const bit = difference > 0 ? 1 : 0;
    odd ^= bit;
    if (cell < BITS) code |= bit << cell;
  }
  if (odd !== 0) return undefined;
  let number = 0;
  for (let rest = code; rest > 0; rest >>= 1) number ^= rest;
  return number;
}
