/**
 * Gathers requests to micro-batches. With nothing under way a request is sent at once; else it waits for others until there are enough of
 * them or it has waited long enough, and for a batch under way to end where so many are that another one would only wait elsewhere.
 *
 * What cannot be done in time is refused as it comes in, not when its time is over: by how many may wait, and by how fast those before it
 * went. Times are milliseconds of `now`.
 */
import { ProblemError } from '@darkroom/contract';
import { FairQueue, type Queued } from './fair-queue.ts';
import { Pace } from './pace.ts';

export interface GatherOptions<Work> {
  /** Of one batch: items, bytes, how long its first item waits for others, and how long it may take: its items are answered when it is done. */
  readonly batch: {
    readonly items: number;
    readonly bytes: number;
    readonly waitMs: number;
    readonly mostMs: number;
  };
  /** Of all that wait. */
  readonly queue: { readonly items: number; readonly bytes: number };
  /** Batches under way at once, at most; asked each time. */
  readonly underWay: () => number;
  readonly now: () => number;
  /**
   * Has a batch done; resolves when the batch has come to its end, with how many of it were worked on (those whose time was over by then were
   * not), and throws where it was not done.
   */
  readonly send: (batch: readonly Work[]) => Promise<number>;
  /** Told of what was taken in and is sent to nobody: it makes way for others, or would not be done in time any more. */
  readonly drop: (work: Work, why: 'overloaded' | 'late') => void;
}

export interface Wanted<Work> extends Omit<Queued, 'since'> {
  /** When nobody waits for it any more. */
  readonly until: number;
  readonly work: Work;
}

type Entry<Work> = Wanted<Work> & Queued;

/**
 * A request is taken in if it would be done in time at this much less than the pace: what is expected just in time is late half of the times, and
 * the time of a batch that is late for all of it is lost. At a pace that wanders by a quarter, 1.25 has several times as many late as this,
 * and makes no more in time: two thirds of a deadline's work are enough never to run out of it.
 */
const caution = 1.5;

/** Items for which another batch goes on its way. */
const itemsOfPlace = 16;
/** A batch of no more items is not made smaller. */
const leastShare = 8;

export class Gatherer<Work> {
  readonly #options: GatherOptions<Work>;
  readonly #queue = new FairQueue<Entry<Work>>();
  readonly #pace = new Pace();
  #underWay = 0;
  #itemsUnderWay = 0;
  /** When a place came free where there was none. */
  #freeAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #idle = Promise.withResolvers<void>();

  constructor(options: GatherOptions<Work>) {
    this.#options = options;
    this.#idle.resolve();
  }

  /** What waits here, and what was handed over and has not come to its end; all 0 at rest. */
  get load(): {
    readonly waiting: number;
    readonly bytes: number;
    readonly batches: number;
    readonly items: number;
  } {
    return {
      waiting: this.#queue.items,
      bytes: this.#queue.bytes,
      batches: this.#underWay,
      items: this.#itemsUnderWay,
    };
  }

  /** What {@link add} would throw now. */
  refusalOf(wanted: Omit<Wanted<Work>, 'work'>): ProblemError | undefined {
    const room = this.#roomFor(wanted, this.#options.now());
    return room instanceof ProblemError ? room : undefined;
  }

  /**
   * Takes a request in. Returns what takes it back: true where it was still waiting, so that it is sent to nobody. Throws `overloaded` for
   * one too many, and for one that would not be done in time.
   */
  add(wanted: Wanted<Work>): () => boolean {
    const now = this.#options.now();
    const other = this.#roomFor(wanted, now);
    if (other instanceof ProblemError) throw other;
    if (other !== undefined) {
      this.#queue.remove(other);
      this.#options.drop(other.work, 'overloaded');
    }
    const entry = { ...wanted, since: now };
    if (this.#isIdle()) this.#idle = Promise.withResolvers();
    this.#queue.add(entry);
    this.#sendWhatIsDue();
    return () => {
      const waited = this.#queue.remove(entry);
      if (waited && this.#isIdle()) this.#idle.resolve();
      return waited;
    };
  }

  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void> {
    return this.#idle.promise;
  }

  get #allItems(): number {
    return this.#queue.items + this.#itemsUnderWay;
  }

  /** Items of a batch at most: fewer where so many would take too long. */
  #mostItems(): number {
    const { items, mostMs } = this.#options.batch;
    return Math.min(items, this.#pace.itemsWithin(mostMs));
  }

  /** Batches that may be under way: half of the most, so that nobody rests, or two, of which one is on its way; more where there are items for them. */
  #places(): number {
    const most = this.#options.underWay();
    const wanted = Math.ceil(this.#allItems / itemsOfPlace);
    return Math.max(1, Math.min(most, Math.max(2, Math.ceil(most / 2), wanted)));
  }

  /**
   * What one place takes of all that there is. Whoever asks again when it is answered comes with those of its batch: small batches beside large
   * ones would stay so, and one of few items costs as much as one of many.
   */
  #shareOfPlace(): number {
    return Math.max(leastShare, Math.ceil(this.#allItems / this.#places()));
  }

  #isIdle(): boolean {
    return this.#queue.items === 0 && this.#underWay === 0;
  }

  /** Which entry makes way for one more, of whoever has most; undefined where there is room, the problem where there is none. */
  #roomFor(wanted: Omit<Wanted<Work>, 'work'>, now: number): Entry<Work> | ProblemError | undefined {
    const { queue } = this.#options;
    const [items, all] = [this.#queue.items, this.#queue.bytes];
    const expectedMs = this.#pace.expectedMs(this.#queue.ahead(wanted) + this.#itemsUnderWay);
    // What is sent as soon as it comes is no later than it would be anywhere.
    const hasPlace = this.#underWay < this.#places() && items < this.#mostItems();
    const hasRoom = items < queue.items && (items === 0 || all + wanted.bytes <= queue.bytes);
    if (hasPlace || now + caution * expectedMs <= wanted.until) {
      if (hasRoom) return undefined;
      const other = this.#queue.makesWay(wanted);
      if (other !== undefined) return other;
    }
    return new ProblemError(
      'overloaded',
      `${items} predictions wait, and ${this.#itemsUnderWay} are under way.`,
      { retryAfterSeconds: Math.max(1, Math.ceil(expectedMs / 1000)) },
    );
  }

  #sendWhatIsDue(): void {
    const { batch, now } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#queue.items > 0 && this.#underWay < this.#places()) {
      const most = Math.min(this.#mostItems(), this.#shareOfPlace());
      // Whoever was answered just now may ask again, and goes with those who wait.
      const waitedMs = now() - Math.max(this.#queue.oldest, this.#freeAt);
      const isDue =
        this.#underWay === 0 ||
        this.#queue.items >= most ||
        this.#queue.bytes >= batch.bytes ||
        waitedMs >= batch.waitMs;
      if (!isDue) {
        this.#timer = setTimeout(() => this.#sendWhatIsDue(), batch.waitMs - waitedMs);
        return;
      }
      const inTime = this.#inTime(this.#queue.take(most, batch.bytes));
      if (inTime.length > 0) void this.#send(inTime);
    }
    if (this.#isIdle()) this.#idle.resolve();
  }

  /** Those that can still be done in time: nobody would wait for the others when they are, and they would keep later ones from it. */
  #inTime(entries: readonly Entry<Work>[]): Entry<Work>[] {
    const { now, drop } = this.#options;
    const done = now() + (this.#underWay > 0 ? this.#pace.takesMs(entries.length) : 0);
    const late = entries.filter(({ until }) => until < done);
    for (const { work } of late) drop(work, 'late');
    return entries.filter((entry) => !late.includes(entry));
  }

  async #send(entries: readonly Entry<Work>[]): Promise<void> {
    const { now, send } = this.#options;
    const began = now();
    this.#underWay++;
    this.#itemsUnderWay += entries.length;
    // `send` has answered those who wait; whatever became of this batch, the next one is sent.
    const done = await send(entries.map(({ work }) => work)).catch(() => undefined);
    const wasFull = this.#underWay >= this.#places();
    this.#underWay--;
    this.#itemsUnderWay -= entries.length;
    if (wasFull) this.#freeAt = now();
    if (done !== undefined) this.#pace.ended(now(), done, now() - began, wasFull && this.#queue.items > 0);
    this.#sendWhatIsDue();
  }
}
