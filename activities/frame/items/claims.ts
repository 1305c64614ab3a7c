/** The items of a page in their order, claimed some ahead of the work on them, so that a claim is one statement for many. */
import type { ItemRow } from '@darkroom/records';

export interface ReadyItem {
  readonly item: ItemRow;
  /** False of one that is to be claimed right before it is worked on, because a process has died under it. */
  readonly claimed: boolean;
}

/** How long the items claimed ahead may take: those that a process dies over count a death each, so they are to be few. */
const aheadMs = 100;
/** Items of one claim. */
const most = 64;

/** How many items to claim at a time when one takes this long, on the whole. */
export const claimSize = (msAnItem: number): number =>
  Math.max(1, Math.min(most, Math.floor(aheadMs / msAnItem)));

export class ClaimsAhead {
  readonly #rows: AsyncIterator<ItemRow>;
  readonly #claim: (rows: readonly ItemRow[]) => Promise<ItemRow[]>;
  readonly #mayHarm: (item: ItemRow) => boolean;
  readonly #size: () => number;
  readonly #ready: ReadyItem[] = [];
  /** Read, and not to be claimed with those before it. */
  #held: ItemRow | undefined;
  #filling: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #exhausted = false;

  constructor(
    rows: AsyncIterable<ItemRow>,
    {
      claim,
      mayHarm,
      size,
    }: {
      /** Takes items; those that somebody else has ended are left out. */
      readonly claim: (rows: readonly ItemRow[]) => Promise<ItemRow[]>;
      /** Whether the process may have died of an item: it stands alone then. */
      readonly mayHarm: (item: ItemRow) => boolean;
      /** Items of the next claim. */
      readonly size: () => number;
    },
  ) {
    this.#rows = rows[Symbol.asyncIterator]();
    this.#claim = claim;
    this.#mayHarm = mayHarm;
    this.#size = size;
  }

  /** The next item; undefined after the last. The next claim is under way when half of the last one is left. */
  async next(): Promise<ReadyItem | undefined> {
    while (this.#ready.length === 0) {
      if (this.#failure !== undefined) throw this.#failure.error;
      // The last of them may be read and not claimed yet.
      if (this.#exhausted && this.#filling === undefined) return undefined;
      await this.#fill();
    }
    const next = this.#ready.shift();
    if (!this.#exhausted && this.#ready.length <= this.#size() / 2) void this.#fill();
    return next;
  }

  /** Waits for a claim that is under way. */
  async settle(): Promise<void> {
    await this.#filling;
  }

  #fill(): Promise<void> {
    if (this.#failure !== undefined) return Promise.resolve();
    // Whoever asks next is told of its error.
    this.#filling ??= this.#claimNext()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#filling = undefined;
      });
    return this.#filling;
  }

  async #claimNext(): Promise<void> {
    const size = this.#size();
    const rows: ItemRow[] = [];
    while (rows.length < size) {
      const item = this.#held ?? (await this.#readOne());
      this.#held = undefined;
      if (item === undefined) break;
      if (this.#mayHarm(item)) {
        if (rows.length === 0) {
          this.#ready.push({ item, claimed: false });
          return;
        }
        this.#held = item;
        break;
      }
      rows.push(item);
    }
    if (rows.length === 0) return;
    for (const item of await this.#claim(rows)) this.#ready.push({ item, claimed: true });
  }

  async #readOne(): Promise<ItemRow | undefined> {
    const read = await this.#rows.next();
    if (read.done !== true) return read.value;
    this.#exhausted = true;
    return undefined;
  }
}
