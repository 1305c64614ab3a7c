/** A turn of a delivery: files are on their way beside each other, and what it goes on from later is told in the order of the items. */
import { ProblemError } from '@darkroom/contract';
import { failpoint } from '@darkroom/platform';
import { type ItemPlace, type PublishedItem, publishedItems } from '@darkroom/records';
import {
  type DeliveredFile,
  inParallel,
  type Place,
  requirePlainPath,
  StorageError,
} from '@darkroom/storage';
import { z } from 'zod';
import type { Attempt } from '../attempt/attempt.ts';

/** The checkpoint: all items up to this one are delivered, which have so many files. */
export const deliveryCursor = z.object({
  after: z.object({ stage: z.string(), ordinal: z.int() }),
  files: z.int(),
});
export type DeliveryCursor = z.infer<typeof deliveryCursor>;

/** The turn's time is up, with more to do. */
export class TurnOver extends Error {
  override readonly name = 'TurnOver';
}

/** The platform's store has lost an object that was to be delivered. */
export class SourceLost extends Error {
  override readonly name = 'SourceLost';
  readonly uri: string;

  constructor(uri: string) {
    super(`The store has lost ${uri}.`);
    this.uri = uri;
  }
}

const savedEachMs = 1000;

export class DeliveryTurn {
  readonly #attempt: Attempt;
  readonly #place: Place;
  /** Files of all items. */
  readonly #total: number;
  readonly #until: number;
  readonly #save: (cursor: DeliveryCursor) => void;
  readonly #front: Front;
  #files: number;
  #savedAt = Date.now();
  #isSaving = false;

  constructor(
    attempt: Attempt,
    place: Place,
    given: {
      readonly total: number;
      /** When the turn is over, as `Date.now()` counts. */
      readonly until: number;
      readonly checkpoint: DeliveryCursor | undefined;
      readonly save: (cursor: DeliveryCursor) => void;
    },
  ) {
    this.#attempt = attempt;
    this.#place = place;
    this.#total = given.total;
    this.#until = given.until;
    this.#save = given.save;
    this.#front = new Front(given.checkpoint);
    this.#files = given.checkpoint?.files ?? 0;
  }

  /** Delivers the files of all items behind the checkpoint. Throws {@link TurnOver}, {@link SourceLost}, and what the place throws. */
  async items(): Promise<void> {
    const { signal } = this.#attempt;
    let isOver = false;
    const source = this.#behind(() => {
      isOver ||= Date.now() >= this.#until;
      return isOver;
    });
    await inParallel(source, { concurrency: this.#place.atOnce, signal }, async (item, linked) => {
      const delivered = this.#front.begin(item);
      for (const file of item.files ?? []) await this.file(file, linked);
      this.#files += item.files?.length ?? 0;
      delivered();
      this.#told();
      await this.#saveNowAndThen();
    });
    await this.#saveNow();
    if (isOver) throw new TurnOver('The turn is over.');
  }

  #told(): void {
    const { progress, call } = this.#attempt;
    progress.counts(call.stage, this.#files, this.#total);
  }

  /** At least one, so that each turn gets on. */
  async *#behind(isOver: () => boolean): AsyncGenerator<PublishedItem, undefined> {
    const { deps, call } = this.#attempt;
    for await (const page of publishedItems(deps.records.db, call.jobId, this.#front.after))
      for (const item of page) {
        yield item;
        if (isOver()) return;
      }
  }

  /** Has a file lie in the place. Throws {@link SourceLost}. */
  async file(file: DeliveredFile, signal: AbortSignal): Promise<void> {
    requirePlainPath(file.path);
    await failpoint('deliver.file', file.path);
    if (await this.#place.has(file, signal)) return;
    try {
      await this.#place.put(file, signal);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'source_not_found') throw error;
      if (await this.#isLost(file.uri, signal)) throw new SourceLost(file.uri);
      throw new ProblemError('target_unusable', error.message, { cause: error });
    }
    await failpoint('deliver.written', file.path);
  }

  async #isLost(uri: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#attempt.deps.storage.head(uri, { signal });
      return false;
    } catch (error) {
      if (error instanceof StorageError && error.code === 'source_not_found') return true;
      throw error;
    }
  }

  async #saveNowAndThen(): Promise<void> {
    if (this.#isSaving || Date.now() - this.#savedAt < savedEachMs) return;
    this.#isSaving = true;
    try {
      await this.#saveNow();
    } finally {
      this.#isSaving = false;
    }
  }

  async #saveNow(): Promise<void> {
    const { after, files } = this.#front;
    await this.#place.settle();
    if (after !== undefined) this.#save({ after, files });
    this.#savedAt = Date.now();
  }
}

/** Up to where all that was begun in order is done. */
class Front {
  after: ItemPlace | undefined;
  files: number;
  readonly #begun: { readonly item: PublishedItem; done: boolean }[] = [];

  constructor(from: DeliveryCursor | undefined) {
    this.after = from?.after;
    this.files = from?.files ?? 0;
  }

  /** Call what is returned when the item is done. */
  begin(item: PublishedItem): () => void {
    const entry = { item, done: false };
    this.#begun.push(entry);
    return () => {
      entry.done = true;
      while (this.#begun[0]?.done === true) {
        const { stage, ordinal, files } = this.#begun.shift()!.item;
        this.after = { stage, ordinal };
        this.files += files?.length ?? 0;
      }
    };
  }
}
