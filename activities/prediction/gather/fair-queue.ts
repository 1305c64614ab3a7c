/** A queue in which priorities have shares, and the owners of one take turns. */

export interface Queued {
  readonly owner: string;
  /** 1 (first) to 5. */
  readonly priority: number;
  readonly bytes: number;
  /** When it came, milliseconds. */
  readonly since: number;
}

/** Those of one priority. */
interface Level<Entry> {
  readonly priority: number;
  /** Owners in the order of their turns, each with what it has waiting. */
  readonly turns: Map<string, Set<Entry>>;
  items: number;
  /** Entries that were taken of it, by its weight: the level that is behind the others is the next. */
  taken: number;
}

/** What a priority counts beside the others: twice as much as the next one. None waits for ever behind another. */
const weightOf = (priority: number): number => 2 ** (5 - priority);

export class FairQueue<Entry extends Queued> {
  readonly #levels = new Map<number, Level<Entry>>();
  #items = 0;
  #bytes = 0;
  /** `taken` of the level that was last in turn: what comes after a rest has no claim on the time before. */
  #now = 0;

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When the one that waits longest came; Infinity where none does. */
  get oldest(): number {
    // Each owner's first is its oldest.
    const firsts = this.#waiting().flatMap(({ turns }) => [...turns.values()].map(([first]) => first));
    return Math.min(...firsts.map((entry) => entry?.since ?? Number.POSITIVE_INFINITY));
  }

  /** How many are taken before a new one of that owner and priority, about: of its priority by turns, of the others by their shares. */
  ahead({ owner, priority }: Pick<Queued, 'owner' | 'priority'>): number {
    const turns = this.#levels.get(priority)?.turns;
    const own = turns?.get(owner)?.size ?? 0;
    const beside = [...(turns?.values() ?? [])].reduce((sum, { size }) => sum + Math.min(size, own + 1), 0);
    const others = this.#waiting().filter((level) => level.priority !== priority);
    return others.reduce((sum, level) => {
      const share = ((beside + 1) * weightOf(level.priority)) / weightOf(priority);
      return sum + Math.min(level.items, Math.ceil(share));
    }, beside);
  }

  /**
   * Which entry makes way for a new one of that owner and priority, where not all have room: the newest of who has most waiting, of the priority
   * that has most for its share. Undefined where the new one is the one too many: its priority would have most then, or its owner of that.
   */
  makesWay({ owner, priority }: Pick<Queued, 'owner' | 'priority'>): Entry | undefined {
    const load = ({ priority: of, items }: Level<Entry>): number =>
      (items + (of === priority ? 1 : 0)) / weightOf(of);
    const own = this.#levelOf(priority);
    const worst = this.#waiting().reduce((a, b) => (load(b) > load(a) ? b : a), own);
    const most = [...worst.turns.values()].reduce((a, b) => (b.size > a.size ? b : a), new Set<Entry>());
    if (worst === own && most.size <= (worst.turns.get(owner)?.size ?? 0) + 1) return undefined;
    return [...most].at(-1);
  }

  add(entry: Entry): void {
    const level = this.#levelOf(entry.priority);
    if (level.items === 0) level.taken = Math.max(level.taken, this.#now);
    const waiting = level.turns.get(entry.owner) ?? new Set();
    level.turns.set(entry.owner, waiting.add(entry));
    level.items++;
    this.#items++;
    this.#bytes += entry.bytes;
  }

  /** Whether it was there. */
  remove(entry: Entry): boolean {
    const level = this.#levelOf(entry.priority);
    const waiting = level.turns.get(entry.owner);
    if (waiting === undefined || !waiting.delete(entry)) return false;
    if (waiting.size === 0) level.turns.delete(entry.owner);
    level.items--;
    this.#items--;
    this.#bytes -= entry.bytes;
    return true;
  }

  /** Takes up to `items` entries that have `bytes` together at most; one that alone has more comes alone. */
  take(items: number, bytes: number): Entry[] {
    const taken: Entry[] = [];
    let left = bytes;
    for (let level = this.#next(); level !== undefined && taken.length < items; level = this.#next()) {
      const { turns } = level;
      const [[owner, waiting] = ['', new Set<Entry>()]] = turns;
      const [entry] = waiting;
      if (entry === undefined || (taken.length > 0 && entry.bytes > left)) break;
      this.remove(entry);
      this.#now = level.taken;
      level.taken += 1 / weightOf(level.priority);
      // Whose turn it was goes to the end of the line.
      if (turns.delete(owner)) turns.set(owner, waiting);
      taken.push(entry);
      left -= entry.bytes;
    }
    return taken;
  }

  #levelOf(priority: number): Level<Entry> {
    const known = this.#levels.get(priority);
    if (known !== undefined) return known;
    const level = { priority, turns: new Map(), items: 0, taken: 0 };
    this.#levels.set(priority, level);
    return level;
  }

  #waiting(): Level<Entry>[] {
    return [...this.#levels.values()].filter(({ items }) => items > 0);
  }

  /** The level whose turn it is; of two that have had as much, the one of the better priority. */
  #next(): Level<Entry> | undefined {
    const [next] = this.#waiting().sort((a, b) => a.taken - b.taken || a.priority - b.priority);
    return next;
  }
}
