/**
 * Places of several sorts that owners share by time: the next one that is free is for whoever has used them least, of all sorts together. In order of arrival, one whose items take
 * long would soon have all places, and others would get one as often as one of those items ends.
 */

interface Owner {
  /** Milliseconds that it has used places, without those that it has now. */
  used: number;
  /** The places that it has, and since when. */
  readonly has: Set<{ readonly since: number }>;
  /** In order of arrival. */
  readonly waiting: Set<Waiting>;
}

interface Waiting {
  readonly sort: string;
  readonly begin: () => void;
}

export class Turns<Sort extends string> {
  readonly #free: Record<Sort, number>;
  readonly #now: () => number;
  readonly #owners = new Map<string, Owner>();

  /** So many places of each sort; `now` in milliseconds. Throws RangeError for a count below 1. */
  constructor(places: Readonly<Record<Sort, number>>, now: () => number = () => performance.now()) {
    for (const [sort, count] of Object.entries<number>(places))
      if (!(count >= 1)) throw new RangeError(`${count} places are too few (${sort})`);
    this.#free = { ...places };
    this.#now = now;
  }

  /** How many wait for a place of that sort. */
  queued(sort: Sort): number {
    return this.#owners
      .values()
      .reduce((sum, { waiting }) => sum + [...waiting].filter((one) => one.sort === sort).length, 0);
  }

  /** Whether somebody else has a place or waits for one. */
  hasOthers(owner: string): boolean {
    return this.#owners.entries().some(([name, one]) => name !== owner && isBusy(one));
  }

  /** Runs `work` when `owner` has a place of that sort. Rejects with the signal's reason when it aborts before that. */
  async run<R>(sort: Sort, owner: string, work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    const leave = await this.#enter(sort, this.#ownerOf(owner), signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  #enter(sort: Sort, owner: Owner, signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal?.removeEventListener('abort', giveUp);
        const place = { since: this.#now() };
        owner.has.add(place);
        this.#free[sort]--;
        resolve(() => {
          owner.has.delete(place);
          owner.used += this.#now() - place.since;
          this.#free[sort]++;
          this.#next(sort);
        });
      };
      const giveUp = (): void => {
        owner.waiting.delete(waiting);
        reject(signal?.reason);
      };
      const waiting = { sort, begin };
      owner.waiting.add(waiting);
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#next(sort);
    });
  }

  #next(sort: Sort): void {
    while (this.#free[sort] > 0) {
      const [first] = [...this.#owners.values()]
        .flatMap((owner) => {
          const waiting = owner.waiting.values().find((one) => one.sort === sort);
          return waiting === undefined ? [] : { owner, waiting, used: this.#usedBy(owner) };
        })
        .sort((a, b) => a.used - b.used);
      if (first === undefined) return;
      first.owner.waiting.delete(first.waiting);
      first.waiting.begin();
    }
  }

  /** Who comes begins with what those have used who are there: time that nobody else wanted is not held against them, nor saved up by others. */
  #ownerOf(name: string): Owner {
    const busy = [...this.#owners.values()].filter(isBusy).map((owner) => this.#usedBy(owner));
    const least = busy.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...busy);
    for (const [other, owner] of this.#owners)
      if (other !== name && !isBusy(owner) && owner.used <= least) this.#owners.delete(other);
    const known = this.#owners.get(name);
    if (known !== undefined && isBusy(known)) return known;
    const from = Number.isFinite(least) ? Math.max(least, known?.used ?? 0) : 0;
    const owner: Owner = { used: from, has: new Set(), waiting: new Set() };
    this.#owners.set(name, owner);
    return owner;
  }

  #usedBy({ used, has }: Owner): number {
    const now = this.#now();
    return has.values().reduce((sum, { since }) => sum + now - since, used);
  }
}

const isBusy = ({ has, waiting }: Owner): boolean => has.size + waiting.size > 0;
