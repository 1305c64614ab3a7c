/** What a stamp is: a function of its position and size alone. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Position } from './contract.ts';

const tileSize = 10_000;

/** The tile that a position lies on, `COLUMN-ROW`. */
export const tileOf = ({ x, y }: Pick<Position, 'x' | 'y'>): string =>
  `${Math.floor(x / tileSize)}-${Math.floor(y / tileSize)}`;

/** The stamp of a position, `bytes` long. */
export function stampOf({ x, y }: Position, bytes: number): Buffer {
  return Buffer.alloc(bytes, createHash('sha256').update(`${x} ${y}`).digest());
}

const corner = z.tuple([z.number(), z.number()]);

/** The smallest rectangle that holds positions, by its corners; null without any. */
export const extent = z.object({ from: corner, to: corner }).nullable();
export type Extent = z.infer<typeof extent>;

export function extend(known: Extent, { x, y }: Pick<Position, 'x' | 'y'>): Extent {
  const { from, to } = known ?? { from: [x, y], to: [x, y] };
  return { from: [Math.min(from[0], x), Math.min(from[1], y)], to: [Math.max(to[0], x), Math.max(to[1], y)] };
}
