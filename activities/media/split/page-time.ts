/** How long a page of a split goes on. Pure but for the clock it is given. */

/** Milliseconds of new pictures after which a page ends at the next checkpoint, so that what it found is recognised while the rest is split. */
const PAGE_MS = 20_000;
/** Of the time of a page, at most a tenth is spent on pictures that were decoded before: nine times as long as those took. */
const WORTH = 9;
/** Not longer than this for their sake: an activity has ten minutes, and the next checkpoint may be some time off. */
const MOST_MS = 300_000;

export class PageTime {
  readonly #now: () => number;
  #began: number;
  #budget = PAGE_MS;
  #fresh: boolean;

  /** `goesOn`: with a pass that was kept, whose first picture is a new one. `now` in milliseconds. */
  constructor(goesOn: boolean, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#began = now();
    this.#fresh = goesOn;
  }

  /** A new picture was passed: the first one ends what a pass has to decode again. */
  passed(): void {
    if (this.#fresh) return;
    this.#fresh = true;
    const again = this.#now() - this.#began;
    this.#budget = Math.max(PAGE_MS, Math.min(MOST_MS, WORTH * again));
    this.#began += again;
  }

  get over(): boolean {
    return this.#now() - this.#began > this.#budget;
  }
}
