/** How alike two pictures of a shot are some seconds apart: the camera may have moved meanwhile. Pure. */
import type { SmallPicture } from './picture.ts';

/** A picture in coarse cells, its planes one after the other. */
export interface Glance {
  readonly columns: number;
  readonly rows: number;
  readonly cells: Float32Array;
}

/** Pixels of a small picture's luma that a cell is wide and high. */
const side = 8;
/** Furthest that the camera is followed, as a share of the picture. */
const reach = 0.3;
/** Steps of 255 that noise and coding make of nothing. */
const noise = 1.5;

export function glance({ width, height, y, u, v }: SmallPicture): Glance {
  const columns = Math.floor(width / side);
  const rows = Math.floor(height / side);
  const cells = new Float32Array(3 * columns * rows);
  for (const [n, plane] of [y, u, v].entries()) {
    const size = n === 0 ? side : side / 2;
    const stride = n === 0 ? width : width / 2;
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let dy = 0; dy < size; dy++) {
          const from = (row * size + dy) * stride + column * size;
          for (let dx = 0; dx < size; dx++) sum += plane[from + dx]!;
        }
        cells[(n * rows + row) * columns + column] = sum / (size * size);
      }
  }
  return { columns, rows, cells };
}

/**
 * About 0 for the same picture, about 1 for two that have nothing to do with each other: what differs after the best shift of one over the
 * other, as a share of what differs within them.
 */
export function unlikeness(a: Glance, b: Glance): number {
  const { columns, rows } = a;
  const far = Math.floor(reach * columns);
  const high = Math.floor(reach * rows);
  let least = Number.POSITIVE_INFINITY;
  for (let dy = -high; dy <= high; dy++)
    for (let dx = -far; dx <= far; dx++) least = Math.min(least, shifted(a, b, dx, dy));
  return least / (noise + Math.min(spread(a), spread(b)));
}

/** Mean absolute difference of Y, U and V, added, where `b` moved by whole cells covers `a`. */
function shifted(a: Glance, b: Glance, dx: number, dy: number): number {
  const { columns, rows } = a;
  let sum = 0;
  for (let plane = 0; plane < 3; plane++)
    for (let row = Math.max(0, dy); row < Math.min(rows, rows + dy); row++) {
      const at = (plane * rows + row) * columns;
      const from = at - dy * columns - dx;
      for (let column = Math.max(0, dx); column < Math.min(columns, columns + dx); column++)
        sum += Math.abs(a.cells[at + column]! - b.cells[from + column]!);
    }
  return sum / ((columns - Math.abs(dx)) * (rows - Math.abs(dy)));
}

/** Mean absolute distance of Y, U and V from their means, added. */
function spread({ columns, rows, cells }: Glance): number {
  const size = columns * rows;
  let sum = 0;
  for (let plane = 0; plane < 3; plane++) {
    const part = cells.subarray(plane * size, (plane + 1) * size);
    const mean = part.reduce((total, value) => total + value, 0) / size;
    for (const value of part) sum += Math.abs(value - mean);
  }
  return sum / size;
}
