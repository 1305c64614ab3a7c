/**
 * How fast batches come to their end, from what was seen while there was more to do than could be done: what a new request can expect.
 * While nothing waits, how long a batch takes says nothing of how many could be made.
 */

/** What older batches still count beside a newer one. */
const kept = 0.8;

export class Pace {
  #items = 0;
  #elapsedMs = 0;
  #batchMs = 0;
  /** Of the last batch, for each of its items. */
  #itemMs = 0;
  /** When the last batch ended, as long as there was more to do ever since. */
  #since: number | undefined;

  /** How long a batch of so many items takes from its hand-over, milliseconds; 0 while none was seen. */
  takesMs(items: number): number {
    return Math.min(this.#batchMs, items * this.#itemMs);
  }

  /** How many items a batch may have that is to take `ms` at most, one at least; Infinity while none was seen. */
  itemsWithin(ms: number): number {
    return this.#itemMs === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(ms / this.#itemMs));
  }

  /**
   * A batch, of which `items` were worked on, came to its end at `now` (milliseconds, as all times here), `tookMs` after it was handed over.
   * `saturated`: others are under way in every place, and still others wait.
   */
  ended(now: number, items: number, tookMs: number, saturated: boolean): void {
    if (this.#since !== undefined) {
      // Sums, not a mean of ratios: of two batches that end together the second took no time.
      this.#items = kept * this.#items + items;
      this.#elapsedMs = kept * this.#elapsedMs + (now - this.#since);
      this.#batchMs = this.#batchMs === 0 ? tookMs : kept * this.#batchMs + (1 - kept) * tookMs;
      // The last one alone: a model that is slower than thought is to be found out before all are late.
      this.#itemMs = tookMs / items;
    }
    this.#since = saturated ? now : undefined;
  }

  /** Milliseconds until what comes behind `ahead` others is done; 0 while nothing was seen, Infinity where nothing is done in time any more. */
  expectedMs(ahead: number): number {
    return this.#elapsedMs === 0 ? 0 : (ahead + 1) * (this.#elapsedMs / this.#items);
  }
}
