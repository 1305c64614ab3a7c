/** Random numbers that are the same on every machine and at every run. */

/** xorshift32 of a seed: equal seeds, equal numbers. */
export class Numbers {
  #state: number;

  constructor(seed: number) {
    // Seeds that lie side by side are far apart after this.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
    for (let i = 0; i < 4; i++) this.bits();
  }

  /** 32 bits, as a signed integer. */
  bits(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x;
  }

  /** 0 ≤ n < 1. */
  next(): number {
    return (this.bits() >>> 0) / 2 ** 32;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.next();
  }

  /** Nearly normal, of mean 0 and deviation 1: eight bytes together. */
  normal(): number {
    const [a, b] = [this.bits(), this.bits()];
    const sum =
      (a & 255) +
      ((a >>> 8) & 255) +
      ((a >>> 16) & 255) +
      (a >>> 24) +
      (b & 255) +
      ((b >>> 8) & 255) +
      ((b >>> 16) & 255) +
      (b >>> 24);
    return (sum - 1020) / 209.02;
  }
}
