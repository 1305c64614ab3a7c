/** How far two arrays are apart: pure. */
import { createHash } from 'node:crypto';
import type { Hop } from './expected.ts';

/** Values row by row. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Uint8Array | Uint8ClampedArray | Float32Array;
}

export type Difference =
  | { readonly kind: 'numbers'; readonly largest: number; readonly mean: number }
  /** By the digest, where no values are given. */
  | { readonly kind: 'unlike' }
  | { readonly kind: 'shape'; readonly ours: readonly number[]; readonly theirs: readonly number[] };

/** Whether shapes are the same but for axes of length 1, as a batch of one is. */
export const isAlike = (a: readonly number[], b: readonly number[]): boolean =>
  a.filter((length) => length !== 1).join() === b.filter((length) => length !== 1).join();

/** Ours against theirs. NaN on one side is infinitely far away. */
export function differenceOf({ shape, data }: Values, theirs: Hop): Difference {
  if (!isAlike(shape, theirs.shape)) return { kind: 'shape', ours: shape, theirs: theirs.shape };
  if (theirs.sha256 === createHash('sha256').update(data).digest('hex'))
    return { kind: 'numbers', largest: 0, mean: 0 };
  if (theirs.values === undefined) return { kind: 'unlike' };
  let largest = 0;
  let sum = 0;
  theirs.values.forEach((value, i) => {
    const apart = Math.abs(value - (data[i * theirs.every] ?? Number.NaN));
    const counted = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
    largest = Math.max(largest, counted);
    sum += counted;
  });
  return { kind: 'numbers', largest, mean: sum / Math.max(1, theirs.values.length) };
}

export const isWithin = (difference: Difference, tolerance: number): boolean =>
  difference.kind === 'numbers' && difference.largest <= tolerance;
