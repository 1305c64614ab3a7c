/** Pages over a stage's items, of one size or as the time that items have taken allows. Deterministic: what is measured comes out of the history. */
import type { Page } from '@darkroom/contract';

/** Items of the first pages, of which nothing is known. */
const first = 24;
const most = 5000;
/** Milliseconds that a page is to take; where others wait for its slot it is cut short before. */
const pageMs = 5000;

/**
 * Pages over ordinals 1 to `items`, from ordinal `from`. An activity costs about a tenth of a second, so that many items which take next to
 * nothing are to share one; of items that take long a page has few, or the last ones would wait for each other in one page.
 */
export class MeasuredPages implements Iterable<Page> {
  readonly #items: number;
  #next: number;
  #itemMs: number | undefined;

  constructor(items: number, from = 1) {
    this.#items = items;
    this.#next = from;
  }

  /** Whether one page would be all there is, before anything is measured. */
  get isOne(): boolean {
    return this.#next === 1 && this.#items <= first;
  }

  /** Notes what an item of a page took. */
  measured(itemMs: number | undefined): void {
    if (itemMs === undefined) return;
    // A page under way was begun with less known: the last word counts as much as all before.
    this.#itemMs = this.#itemMs === undefined ? itemMs : (this.#itemMs + itemMs) / 2;
  }

  *[Symbol.iterator](): Generator<Page> {
    while (this.#next <= this.#items) {
      const from = this.#next;
      this.#next = Math.min(from + this.#size(), this.#items + 1);
      yield { from, to: this.#next };
    }
  }

  #size(): number {
    if (this.#itemMs === undefined) return first;
    // Not more than a few pages at once can share: the last ones end together.
    const share = Math.max(first, Math.ceil((this.#items + 1 - this.#next) / 4));
    return Math.max(1, Math.min(most, share, Math.floor(pageMs / Math.max(this.#itemMs, 0.01))));
  }
}

/** Pages of `size` items over ordinals 1 to `items`, from ordinal `from`. */
export function* pagesOf(items: number, size: number, from = 1): Generator<Page> {
  for (let start = from; start <= items; start += size) {
    yield { from: start, to: Math.min(start + size, items + 1) };
  }
}

/** Pages over ordinals 1 to `items`, from ordinal `from`, as many items in each as their measured time allows: from one to some thousands. */
export const pagesByTime = (items: number, from = 1): Iterable<Page> => new MeasuredPages(items, from);
