/** Where the items of each group lie, so that a group's follow one another whatever the order of the rows. */
import { createHash } from 'node:crypto';
import { ProblemError } from '@darkroom/contract';
import type { PlannedItem } from './work.ts';

/** Groups of one list at most; their names are held in memory. */
const mostGroups = 100_000;

/**
 * Built of the places of all items in their order; gives each its ordinal. Groups lie in the order of their first items. Holds four bytes an
 * item, eight more where items have a place within their group, and while the ordinals are given another eight.
 */
export class GroupedOrdinals {
  readonly #numbers = new Map<string | undefined, number>();
  readonly #counts: number[] = [];
  #groups = new Uint32Array(1024);
  /** Places within the groups, once an item has one. */
  #places: Float64Array | undefined;
  #items = 0;

  /** Notes the place of the next item. Throws ProblemError `too_many_items`. */
  add({ group, at }: Pick<PlannedItem, 'group' | 'at'>): void {
    let number = this.#numbers.get(group);
    if (number === undefined) {
      if (this.#numbers.size >= mostGroups)
        throw new ProblemError('too_many_items', `The rows belong to more than ${mostGroups} groups.`);
      number = this.#numbers.size;
      this.#numbers.set(group, number);
      this.#counts.push(0);
    }
    if (this.#items === this.#groups.length) this.#grow();
    if (at !== undefined) this.#places ??= new Float64Array(this.#groups.length);
    if (this.#places !== undefined) this.#places[this.#items] = at ?? 0;
    this.#groups[this.#items++] = number;
    this.#counts[number]!++;
  }

  get items(): number {
    return this.#items;
  }

  /** Whether the item that was noted as the `index`th, from 0, was of this group. */
  isOf(index: number, group: string | undefined): boolean {
    return index < this.#items && this.#numbers.get(group) === this.#groups[index];
  }

  /** Of all groups and places that were noted: equal ones give equal ordinals. */
  digest(): string {
    const hash = createHash('sha256').update(JSON.stringify([...this.#numbers.keys()]));
    hash.update(this.#groups.subarray(0, this.#items));
    if (this.#places !== undefined) hash.update(this.#places.subarray(0, this.#items));
    return hash.digest('hex');
  }

  /** The ordinal of each item, in the order in which they were noted. */
  ordinals(): Uint32Array {
    const order = this.#order();
    const ordinals = new Uint32Array(this.#items);
    for (let place = 0; place < order.length; place++) ordinals[order[place]!] = place + 1;
    return ordinals;
  }

  /** The items, from 0, as they are to lie. */
  #order(): Uint32Array {
    const order = new Uint32Array(this.#items);
    /** Where the next item of each group lies. */
    const next: number[] = [];
    let first = 0;
    for (const count of this.#counts) {
      next.push(first);
      first += count;
    }
    for (let item = 0; item < this.#items; item++) order[next[this.#groups[item]!]!++] = item;
    const places = this.#places;
    if (places !== undefined)
      // The next item of a group would lie where its last one ends.
      this.#counts.forEach((count, number) => {
        const group = order.subarray(next[number]! - count, next[number]);
        group.sort((a, b) => places[a]! - places[b]! || a - b);
      });
    return order;
  }

  #grow(): void {
    const groups = new Uint32Array(this.#items * 2);
    groups.set(this.#groups);
    this.#groups = groups;
    if (this.#places === undefined) return;
    const places = new Float64Array(this.#items * 2);
    places.set(this.#places);
    this.#places = places;
  }
}
