/** For tests: chance out of a seed. */

/** Numbers from 0 to 1 (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number of the normal distribution around 0 with a standard deviation of 1, out of two such numbers. */
export const normalOf = (number: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - number())) * Math.cos(2 * Math.PI * number());
