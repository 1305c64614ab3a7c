/**
 * Lanes that several pools have together: memory is bounded by what one lane may take, times this. Each pool gets what it asks for as long as there is room; where there is none,
 * lanes that have nothing in hand are ended, those first that have rested longest, then those of whoever has more than the one that asks, and at last pools take turns.
 */

/** A pool as the budget sees it. */
export interface Holder {
  /** Lanes that are open and are to go on. */
  readonly count: number;
  /** Since when the one that has rested longest has had nothing in hand, milliseconds of the budget's clock; undefined where none rests. */
  readonly restsSince: number | undefined;
  /** Since when its oldest one is open; undefined where none is. */
  readonly openSince: number | undefined;
  /** Whether its last lane is to be there for whoever comes next. */
  readonly keepsLast: boolean;
  /** Gives nothing more to one of them, a resting one first, and ends it when it has done with what it has in hand: settles then. */
  giveUp(): Promise<void>;
}

interface Waiting {
  readonly holder: Holder;
  /** Whether it can do nothing at all before. */
  readonly needed: () => boolean;
  begin(): void;
}

/** A pool's only lane is not taken from it before it was open for so long: opening one takes a second. */
const turnMs = 5000;

export class LaneBudget {
  readonly now: () => number;
  readonly #most: number;
  readonly #holders = new Set<Holder>();
  readonly #waiting = new Set<Waiting>();
  #taken = 0;
  /** Those that were told to end and have not. */
  #leaving = 0;
  #timer: NodeJS.Timeout | undefined;

  /** So many lanes; throws RangeError for less than 1. `now` in milliseconds. */
  constructor(most: number, now: () => number = () => performance.now()) {
    if (!(most >= 1)) throw new RangeError(`${most} lanes are too few`);
    this.#most = most;
    this.now = now;
  }

  /** Lanes for which there is room now. */
  get free(): number {
    return Math.max(0, this.#most - this.#taken - this.#waiting.size);
  }

  join(holder: Holder): void {
    this.#holders.add(holder);
  }

  leave(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /**
   * Room for one more lane of `holder`, which what is returned gives back; waits for it. `needed`: whether it can do nothing before. Rejects with the signal's reason when that
   * aborts before.
   */
  async take(holder: Holder, needed: () => boolean, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#taken >= this.#most || this.#waiting.size > 0) await this.#wait(holder, needed, signal);
    else this.#taken++;
    return () => {
      this.#taken--;
      this.#next();
    };
  }

  /** A holder has a lane that rests now, or is to go on with more of them. */
  look(): void {
    this.#next();
  }

  #wait(holder: Holder, needed: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiting);
        signal.removeEventListener('abort', giveUp);
      };
      const giveUp = (): void => {
        leave();
        reject(signal.reason);
        this.#next();
      };
      const waiting: Waiting = {
        holder,
        needed,
        begin: () => {
          leave();
          this.#taken++;
          resolve();
        },
      };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#next();
    });
  }

  /** Gives room to those who wait for it, those first who can do nothing without; has lanes end where there is none. */
  #next(): void {
    clearTimeout(this.#timer);
    const inOrder = [...this.#waiting].sort((a, b) => Number(b.needed()) - Number(a.needed()));
    const placed = inOrder.splice(0, Math.max(0, this.#most - this.#taken));
    for (const { begin } of placed) begin();
    // Of those that wait now, the first so many have a lane that is about to end.
    for (const waiting of inOrder.slice(this.#leaving)) {
      const victim = this.#victimFor(waiting);
      if (victim === undefined) continue;
      this.#leaving++;
      void victim.giveUp().finally(() => {
        this.#leaving--;
        this.#next();
      });
    }
  }

  #victimFor({ holder, needed: isNeeded }: Waiting): Holder | undefined {
    const needed = isNeeded();
    const others = [...this.#holders].filter(({ count }) => count > 0);
    const resting = others
      .filter(
        ({ restsSince, count, keepsLast }) => restsSince !== undefined && (needed || count > 1 || !keepsLast),
      )
      .sort((a, b) => Number(a.restsSince) - Number(b.restsSince));
    if (resting[0] !== undefined) return resting[0];
    const [richest] = others.sort((a, b) => b.count - a.count);
    if (richest !== undefined && richest.count > (needed ? 1 : holder.count + 1)) return richest;
    return needed ? this.#oldest(others) : undefined;
  }

  /** Whose only lane has been open longest, once that was long enough; looks again then. */
  #oldest(holders: readonly Holder[]): Holder | undefined {
    const [first] = holders
      .flatMap((holder) => (holder.openSince === undefined ? [] : { holder, since: holder.openSince }))
      .sort((a, b) => a.since - b.since);
    if (first === undefined) return undefined;
    const left = first.since + turnMs - this.now();
    if (left <= 0) return first.holder;
    this.#timer = setTimeout(() => this.#next(), left).unref();
    return undefined;
  }
}
