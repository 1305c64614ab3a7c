/**
 * How fast batches come to their end, from what was seen while there was more to do than could be done: what a new request can expect.
 * While nothing waits, how long a batch takes says nothing of how many could be made, but for this: it is no slower than that.
 */

/** What older batches still count beside a newer one. */
const kept = 0.8;

export class Pace {
  #items = 0;
  #elapsedMs = 0;
  #batchMs = 0;
  /** Of the last batch, for each of its items. */
  #itemMs = 0;
  /** When the last batch ended of which some were worked on, as long as there was more to do ever since. */
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
    // All of it came too late to be worked on: the time that went counts with the next one.
    if (items > 0) {
      if (this.#since !== undefined) this.#learn(now - this.#since, items, tookMs);
      if (!saturated) this.#atMost(items, tookMs);
    }
    if (!saturated) this.#since = undefined;
    else if (items > 0 || this.#since === undefined) this.#since = now;
  }

  /** Milliseconds until what comes behind `ahead` others is done; 0 while nothing was seen. */
  expectedMs(ahead: number): number {
    return this.#items === 0 ? 0 : (ahead + 1) * (this.#elapsedMs / this.#items);
  }

  #learn(elapsedMs: number, items: number, tookMs: number): void {
    // Sums, not a mean of ratios: of two batches that end together the second took no time.
    this.#items = kept * this.#items + items;
    this.#elapsedMs = kept * this.#elapsedMs + elapsedMs;
    this.#batchMs = this.#batchMs === 0 ? tookMs : kept * this.#batchMs + (1 - kept) * tookMs;
    // The last one alone: a model that is slower than thought is to be found out before all are late.
    this.#itemMs = tookMs / items;
  }

  /**
   * Corrects what a stall has taught. By that everything may be refused or late, so that nothing waits any more and no other end would ever
   * teach better.
   */
  #atMost(items: number, tookMs: number): void {
    const itemMs = tookMs / items;
    this.#itemMs = Math.min(this.#itemMs, itemMs);
    this.#batchMs = Math.min(this.#batchMs, tookMs);
    this.#elapsedMs = Math.min(this.#elapsedMs, this.#items * itemMs);
  }
}
