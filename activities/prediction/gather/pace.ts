/** How fast batches come to their end, from what was seen: what a new request can expect. */

/** Share of the newest measurement. */
const newest = 0.2;

export class Pace {
  #perMs: number | undefined;
  #batchMs: number | undefined;
  /** Since when there was work all the time, or since the last batch ended. */
  #since: number | undefined;

  /** A batch was handed over at `now` (milliseconds, as all times here). */
  began(now: number): void {
    this.#since ??= now;
  }

  /** A batch of `items` came to its end, `tookMs` after it was handed over; `busy`: others are still under way. */
  ended(now: number, items: number, tookMs: number, busy: boolean): void {
    const elapsed = Math.max(1, now - (this.#since ?? now - tookMs));
    this.#perMs = mean(this.#perMs, items / elapsed);
    this.#batchMs = mean(this.#batchMs, tookMs);
    // A pause is nobody's slowness.
    this.#since = busy ? now : undefined;
  }

  /** Milliseconds until something that comes behind `waiting` others is done; 0 while nothing was seen. */
  expectedMs(waiting: number): number {
    return this.#perMs === undefined ? 0 : waiting / this.#perMs + (this.#batchMs ?? 0);
  }
}

const mean = (before: number | undefined, now: number): number =>
  before === undefined ? now : before + newest * (now - before);
