/** Lanes of one build that are kept open: how many, for how long, and what each has in hand. */
import { LaneEnded } from '../errors.ts';
import type { Lane } from '../parent/lane.ts';
import { residentBytes } from '../parent/watch.ts';
import type { LaneShape, Told } from '../shape.ts';
import type { Holder, LaneBudget } from './budget.ts';

export interface KeptLanesOptions<S extends LaneShape> {
  /** Opens a lane; throws what `openLane` throws. */
  readonly open: () => Promise<Lane<S>>;
  /** Lanes at most; one more for a while where an item is to be alone. The next one is opened when those there are have their hands full. */
  readonly lanes: number;
  /** Items that a lane has in hand at most. */
  readonly inHand: number;
  /** After this many items a lane is ended and followed by another. */
  readonly mostItems?: number;
  /** A lane that has nothing in hand and still more resident memory than this, bytes, is ended. */
  readonly mostBytes?: number;
  /** What two lanes say of themselves must be the same in this; where a new one differs, those before it are given nothing more. */
  readonly key?: (told: Told<S>) => string;
  /** What lanes of several pools share; without it, each has its own. */
  readonly budget?: LaneBudget;
  /** Whether one lane is kept where nobody asks for anything; asked each time. */
  readonly keepsOne?: () => boolean;
}

export interface KeptLane<S extends LaneShape> {
  readonly lane: Lane<S>;
  /** Places that are taken in it, those included whose item nobody waits for any more. */
  inHand: number;
  /** Items that somebody waits for. */
  wanted: number;
  done: number;
  /** It is given nothing more. */
  retired: boolean;
  /** Since when it is open, and has had nothing in hand: milliseconds. */
  readonly openSince: number;
  restsSince: number;
}

const openTries = 3;

export class KeptLanes<S extends LaneShape> implements Holder {
  readonly #options: KeptLanesOptions<S>;
  readonly #shared = new Set<KeptLane<S>>();
  readonly #opening = new Set<Promise<unknown>>();
  /** Those who wait for a place in a lane, and what tells them of one. */
  #placing = 0;
  #freed = Promise.withResolvers<void>();
  #left = false;
  /** Aborted when all are closed: nobody waits for room any more. */
  #closing = new AbortController();
  /** A lane in which nothing has been but items that were alone there, for the next of them. */
  #aside: KeptLane<S> | undefined;
  /** The one in which an item is alone now, and that which is being opened for one. */
  #lonely: KeptLane<S> | undefined;
  #openingAlone: Promise<KeptLane<S> | undefined> | undefined;

  constructor(options: KeptLanesOptions<S>) {
    this.#options = options;
    options.budget?.join(this);
  }

  /** Processes of the lanes that are open. */
  get pids(): readonly number[] {
    return this.#all().flatMap(({ lane }) => (lane.ended === undefined ? lane.pid : []));
  }

  /** The lane that was opened last of those that are shared; opens one where there is none. Throws what opening throws. */
  async newest(): Promise<Lane<S>> {
    if (this.#living().length === 0) await (this.#opening.values().next().value ?? this.#add());
    return this.#living().at(-1)?.lane ?? this.newest();
  }

  get count(): number {
    return this.#living().length;
  }

  get restsSince(): number | undefined {
    return leastOf(this.#living().flatMap(({ inHand, restsSince }) => (inHand === 0 ? restsSince : [])));
  }

  get openSince(): number | undefined {
    return leastOf(this.#living().map(({ openSince }) => openSince));
  }

  get keepsLast(): boolean {
    return this.#options.keepsOne?.() === true;
  }

  async giveUp(): Promise<void> {
    const [least] = this.#living().sort((a, b) => a.inHand - b.inHand || a.restsSince - b.restsSince);
    if (least === undefined) return;
    this.#retire(least);
    await least.lane.gone;
  }

  /** Takes a place in a shared lane, and opens one if all are taken. Throws what opening throws. */
  async place(): Promise<KeptLane<S>> {
    this.#placing++;
    try {
      for (;;) {
        const { lanes, inHand } = this.#options;
        const living = this.#living();
        const [best] = living.filter((kept) => kept.inHand < inHand).sort((a, b) => a.inHand - b.inHand);
        if (best !== undefined) {
          best.inHand++;
          return best;
        }
        const mayAdd = living.length + this.#opening.size < lanes;
        if (mayAdd && (this.#options.budget?.free ?? 1) > 0) await this.#add();
        else {
          if (mayAdd) void this.#add().catch(() => {});
          // A lane that is there may have done with something before there is room for another.
          await Promise.race([...this.#opening, this.#freed.promise]);
        }
      }
    } finally {
      this.#placing--;
    }
  }

  /** Takes the place in a lane that is nobody else's; `used` where others were alone in it before. One at a time. */
  async placeAlone(): Promise<{ readonly kept: KeptLane<S>; readonly used: boolean }> {
    const aside = this.#aside?.lane.ended === undefined ? this.#aside : undefined;
    this.#aside = undefined;
    const kept = aside ?? (await this.#openAlone());
    this.#lonely = kept;
    kept.inHand++;
    return { kept, used: aside !== undefined };
  }

  /** The lane has done with one item. */
  done(kept: KeptLane<S>): void {
    kept.inHand--;
    kept.done++;
    if (kept.done >= (this.#options.mostItems ?? Number.POSITIVE_INFINITY)) kept.retired = true;
    if (kept.retired) this.#retire(kept);
    else if (kept.inHand === 0) {
      kept.restsSince = this.#now();
      this.#options.budget?.look();
      void this.#weigh(kept);
    }
    this.#freed.resolve();
    this.#freed = Promise.withResolvers();
  }

  /** A lane in which an item was alone, and which has done with it, is for the next of those if `others` wait, or for everybody, or for nobody. */
  doneAlone(kept: KeptLane<S>, others: boolean): void {
    this.#lonely = undefined;
    if (kept.lane.ended !== undefined) return;
    kept.restsSince = this.#now();
    if (others) this.#aside = kept;
    else if (this.#living().length + this.#opening.size < this.#options.lanes && !this.#differs(kept))
      this.#shared.add(kept);
    else void kept.lane.close();
  }

  /** Ends those that have nothing in hand, but for one where one is kept. */
  async endResting(): Promise<void> {
    const resting = this.#living().filter(({ inHand }) => inHand === 0);
    const ended = resting.slice(this.keepsLast && resting.length === this.count ? 1 : 0);
    for (const kept of ended) this.#retire(kept);
    await Promise.all(ended.map(({ lane }) => lane.gone));
  }

  /** Nothing is opened here any more. */
  leave(): void {
    this.#left = true;
    this.#options.budget?.leave(this);
  }

  /** Ends all; what they have in hand fails by LaneEnded. */
  async close(): Promise<void> {
    this.#closing.abort(new LaneEnded('The processes were closed before there was room for another.'));
    this.#closing = new AbortController();
    await Promise.allSettled([...this.#opening, this.#openingAlone]);
    const all = this.#all();
    this.#shared.clear();
    this.#aside = undefined;
    await Promise.all(all.map(({ lane }) => lane.close()));
  }

  #all(): KeptLane<S>[] {
    return [...this.#shared, ...[this.#aside, this.#lonely].flatMap((kept) => kept ?? [])];
  }

  #living(): KeptLane<S>[] {
    for (const kept of this.#shared) if (kept.lane.ended !== undefined) this.#shared.delete(kept);
    return [...this.#shared];
  }

  /** Whether there are lanes that say something else of themselves. */
  #differs({ lane }: KeptLane<S>): boolean {
    const { key } = this.#options;
    return key !== undefined && this.#living().some((other) => key(other.lane.told) !== key(lane.told));
  }

  /** Gives it nothing more, and ends it when it has nothing in hand. */
  #retire(kept: KeptLane<S>): void {
    kept.retired = true;
    this.#shared.delete(kept);
    if (kept.inHand === 0) void kept.lane.close();
  }

  async #weigh(kept: KeptLane<S>): Promise<void> {
    const { mostBytes = Number.POSITIVE_INFINITY } = this.#options;
    const resident = await residentBytes(kept.lane.pid);
    if (resident > mostBytes && kept.inHand === 0) this.#retire(kept);
  }

  async #openAlone(): Promise<KeptLane<S>> {
    const opening = this.#open(
      () => true,
      () => true,
    );
    this.#openingAlone = opening;
    const kept = await opening;
    if (kept === undefined) throw new LaneEnded('It was not wanted any more.');
    return kept;
  }

  async #add(): Promise<void> {
    const needed = () => this.count === 0;
    const opening = this.#open(needed, () => needed() || this.#placing > 0);
    this.#opening.add(opening);
    try {
      const kept = await opening;
      if (kept === undefined) return;
      const { key } = this.#options;
      for (const other of this.#shared)
        if (key !== undefined && key(other.lane.told) !== key(kept.lane.told)) this.#retire(other);
      this.#shared.add(kept);
    } finally {
      this.#opening.delete(opening);
    }
  }

  /** Opens one when there is room, if it is `wanted` then; what ends it as it opens is no item's fault. */
  async #open(needed: () => boolean, wanted: () => boolean): Promise<KeptLane<S> | undefined> {
    const { budget, open } = this.#options;
    if (this.#left) throw new LaneEnded('These processes are not used any more.');
    const giveBack = await budget?.take(this, needed, this.#closing.signal);
    try {
      if (!wanted()) {
        giveBack?.();
        return undefined;
      }
      const lane = await opened(open);
      if (giveBack) void lane.gone.then(giveBack);
      const now = this.#now();
      return { lane, inHand: 0, wanted: 0, done: 0, retired: false, openSince: now, restsSince: now };
    } catch (error) {
      giveBack?.();
      throw error;
    }
  }

  #now(): number {
    return this.#options.budget?.now() ?? performance.now();
  }
}

async function opened<S extends LaneShape>(open: () => Promise<Lane<S>>): Promise<Lane<S>> {
  for (let tries = 1; ; tries++) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof LaneEnded) || tries >= openTries) throw error;
    }
  }
}

const leastOf = (times: readonly number[]): number | undefined =>
  times.length === 0 ? undefined : Math.min(...times);
