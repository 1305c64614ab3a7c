/** Where the items of each group lie, so that a group's follow one another whatever the order of the rows. */
import { ProblemError } from '@darkroom/contract';

/** Groups of one list at most; their names are held in memory. */
const mostGroups = 100_000;

/** Built of the groups of all rows in their order, four bytes a row; gives each row its ordinal. Groups lie in the order of their first rows. */
export class GroupedOrdinals {
  readonly #numbers = new Map<string | null, number>();
  readonly #counts: number[] = [];
  #groupOfRow = new Uint32Array(1024);
  #rows = 0;

  /** Notes the group of the next row. Throws ProblemError `too_many_items`. */
  add(group: string | null): void {
    let number = this.#numbers.get(group);
    if (number === undefined) {
      if (this.#numbers.size >= mostGroups)
        throw new ProblemError('too_many_items', `The rows belong to more than ${mostGroups} groups.`);
      number = this.#numbers.size;
      this.#numbers.set(group, number);
      this.#counts.push(0);
    }
    if (this.#rows === this.#groupOfRow.length) {
      const larger = new Uint32Array(this.#rows * 2);
      larger.set(this.#groupOfRow);
      this.#groupOfRow = larger;
    }
    this.#groupOfRow[this.#rows++] = number;
    this.#counts[number]!++;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Ordinals of the rows behind the first `before`, in the rows' order. */
  *ordinals(before = 0): Generator<number, undefined> {
    const next: number[] = [];
    let first = 1;
    for (const count of this.#counts) {
      next.push(first);
      first += count;
    }
    for (let row = 0; row < this.#rows; row++) {
      const ordinal = next[this.#groupOfRow[row]!]!++;
      if (row >= before) yield ordinal;
    }
  }
}
