/**
 * What is in hand in this process of kinds that do not wait for each other: those that take hours stand outside the solitude of the others,
 * and each in one of its own. A process that dies while a suspect has such company may have died of either.
 */

export interface InHand {
  /** Items of one circle wait for each other's solitude. */
  readonly circle: string;
  /** May be in hand for hours: whoever works in other circles meanwhile comes and goes beside it. */
  readonly hours: boolean;
  readonly suspect: boolean;
  /** Somebody is about to begin beside this suspect: it is waited for. */
  readonly joined: () => Promise<void>;
}

/** One per process. */
export class Company {
  readonly #counts = new Map<string, number>();
  readonly #suspects = new Set<InHand>();

  /**
   * Runs `work` when the suspects that it is company to have heard of it. It is told whether `one`, a suspect, has company itself: one that
   * takes hours by anything of another circle, one that takes seconds by a suspect.
   */
  async run<R>(one: InHand, work: (beside: boolean) => Promise<R>): Promise<R> {
    const { circle, hours, suspect } = one;
    const suspects = [...this.#suspects].filter((other) => other.circle !== circle);
    const others = [...this.#counts].some(([other, count]) => other !== circle && count > 0);
    const beside = suspect && (hours ? others : suspects.length > 0);
    this.#count(circle, 1);
    if (suspect) this.#suspects.add(one);
    try {
      await Promise.all(suspects.map((other) => (other.hours || suspect ? other.joined() : undefined)));
      return await work(beside);
    } finally {
      this.#suspects.delete(one);
      this.#count(circle, -1);
    }
  }

  #count(circle: string, by: number): void {
    this.#counts.set(circle, (this.#counts.get(circle) ?? 0) + by);
  }
}
