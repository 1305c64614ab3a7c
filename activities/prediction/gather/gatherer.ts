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
  /** Of one batch: items, bytes, and how long its first item waits for others. */
  readonly batch: { readonly items: number; readonly bytes: number; readonly waitMs: number };
  /** Of all that wait. */
  readonly queue: { readonly items: number; readonly bytes: number };
  /** Batches under way at once, at most; asked each time. */
  readonly underWay: () => number;
  readonly now: () => number;
  /** Has a batch done; ends, however it does, when the batch has come to its end. */
  readonly send: (batch: readonly Work[]) => Promise<void>;
}

export interface Wanted<Work> extends Omit<Queued, 'since'> {
  /** When nobody waits for it any more. */
  readonly until: number;
  readonly work: Work;
}

type Entry<Work> = Wanted<Work> & Queued;

export class Gatherer<Work> {
  readonly #options: GatherOptions<Work>;
  readonly #queue = new FairQueue<Entry<Work>>();
  readonly #pace = new Pace();
  #underWay = 0;
  #itemsUnderWay = 0;
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

  /**
   * Takes a request in. Returns what takes it back: true where it was still waiting, so that it is sent to nobody. Throws `overloaded` for
   * one too many, and for one that would not be done in time.
   */
  add(wanted: Wanted<Work>): () => boolean {
    const now = this.#options.now();
    this.#refuse(wanted, now);
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

  #isIdle(): boolean {
    return this.#queue.items === 0 && this.#underWay === 0;
  }

  #refuse({ bytes, until }: Wanted<Work>, now: number): void {
    const { queue } = this.#options;
    const [items, all] = [this.#queue.items, this.#queue.bytes];
    const expectedMs = this.#pace.expectedMs(items + this.#itemsUnderWay);
    // Nobody before it: how slow the last ones were is no reason to find out no more.
    const isLate = items + this.#itemsUnderWay > 0 && now + expectedMs > until;
    if (items < queue.items && (items === 0 || all + bytes <= queue.bytes) && !isLate) return;
    throw new ProblemError(
      'overloaded',
      `${items} predictions wait, and ${this.#itemsUnderWay} are under way.`,
      { retryAfterSeconds: Math.max(1, Math.ceil(expectedMs / 1000)) },
    );
  }

  #sendWhatIsDue(): void {
    const { batch, underWay, now } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#queue.items > 0 && this.#underWay < Math.max(1, underWay())) {
      const waitedMs = now() - this.#queue.oldest;
      const isDue =
        this.#underWay === 0 ||
        this.#queue.items >= batch.items ||
        this.#queue.bytes >= batch.bytes ||
        waitedMs >= batch.waitMs;
      if (!isDue) {
        this.#timer = setTimeout(() => this.#sendWhatIsDue(), batch.waitMs - waitedMs);
        return;
      }
      void this.#send(this.#queue.take(batch.items, batch.bytes));
    }
  }

  async #send(entries: readonly Entry<Work>[]): Promise<void> {
    const { now, send } = this.#options;
    const began = now();
    this.#underWay++;
    this.#itemsUnderWay += entries.length;
    this.#pace.began(began);
    try {
      await send(entries.map(({ work }) => work));
    } catch {
      // `send` has answered those who wait; whatever became of this batch, the next one is sent.
    }
    this.#underWay--;
    this.#itemsUnderWay -= entries.length;
    this.#pace.ended(now(), entries.length, now() - began, this.#underWay > 0);
    this.#sendWhatIsDue();
    if (this.#isIdle()) this.#idle.resolve();
  }
}
