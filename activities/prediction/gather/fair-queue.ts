/** A queue in which owners take turns, those of a better priority first. */

export interface Queued {
  readonly owner: string;
  /** 1 (first) to 5. */
  readonly priority: number;
  readonly bytes: number;
  /** When it came, milliseconds. */
  readonly since: number;
}

/** Of one priority: owners in the order of their turns, each with what it has waiting. */
type Turns<Entry> = Map<string, Set<Entry>>;

export class FairQueue<Entry extends Queued> {
  readonly #levels = new Map<number, Turns<Entry>>();
  #items = 0;
  #bytes = 0;

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When the one that waits longest came; Infinity where none does. */
  get oldest(): number {
    // Each owner's first is its oldest.
    const firsts = [...this.#levels.values()].flatMap((turns) => [...turns.values()].map(([first]) => first));
    return Math.min(...firsts.map((entry) => entry?.since ?? Number.POSITIVE_INFINITY));
  }

  /** How many are taken before a new one of that owner and priority. */
  ahead({ owner, priority }: Pick<Queued, 'owner' | 'priority'>): number {
    let ahead = 0;
    for (const [level, turns] of this.#levels) {
      if (level > priority) continue;
      const own = turns.get(owner)?.size ?? 0;
      for (const waiting of turns.values())
        ahead += level < priority ? waiting.size : Math.min(waiting.size, own + 1);
    }
    return ahead;
  }

  /**
   * Which entry makes way for a new one of that owner and priority, where not all have room: the newest of who has most waiting, of a worse
   * priority, or of the same one where that owner would still have no less. Undefined where the new one is the one too many.
   */
  makesWay({ owner, priority }: Pick<Queued, 'owner' | 'priority'>): Entry | undefined {
    const worst = Math.max(...this.#levels.keys());
    const turns = this.#levels.get(worst);
    if (turns === undefined || worst < priority) return undefined;
    const most = [...turns.values()].reduce((a, b) => (b.size > a.size ? b : a));
    if (worst === priority && most.size <= (turns.get(owner)?.size ?? 0) + 1) return undefined;
    return [...most].at(-1);
  }

  add(entry: Entry): void {
    const turns: Turns<Entry> = this.#levels.get(entry.priority) ?? new Map();
    this.#levels.set(entry.priority, turns);
    const waiting = turns.get(entry.owner) ?? new Set();
    turns.set(entry.owner, waiting.add(entry));
    this.#items++;
    this.#bytes += entry.bytes;
  }

  /** Whether it was there. */
  remove(entry: Entry): boolean {
    const turns = this.#levels.get(entry.priority);
    const waiting = turns?.get(entry.owner);
    if (turns === undefined || waiting === undefined || !waiting.delete(entry)) return false;
    if (waiting.size === 0) turns.delete(entry.owner);
    if (turns.size === 0) this.#levels.delete(entry.priority);
    this.#items--;
    this.#bytes -= entry.bytes;
    return true;
  }

  /** Takes up to `items` entries that have `bytes` together at most; one that alone has more comes alone. */
  take(items: number, bytes: number): Entry[] {
    const taken: Entry[] = [];
    let left = bytes;
    for (let next = this.#next(); next !== undefined && taken.length < items; next = this.#next()) {
      if (taken.length > 0 && next.bytes > left) break;
      const turns = this.#levels.get(next.priority);
      const waiting = turns?.get(next.owner);
      this.remove(next);
      // Whose turn it was goes to the end of the line.
      if (turns?.delete(next.owner) && waiting !== undefined) turns.set(next.owner, waiting);
      taken.push(next);
      left -= next.bytes;
    }
    return taken;
  }

  #next(): Entry | undefined {
    const [first, ...others] = this.#levels.keys();
    if (first === undefined) return undefined;
    const [[, waiting] = []] = this.#levels.get(Math.min(first, ...others)) ?? [];
    const [entry] = waiting ?? [];
    return entry;
  }
}
