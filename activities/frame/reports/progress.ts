/** Counts of an attempt, written to the ledger about once a second. */
import { type Fence, Fenced, recordProgress, setStage } from '@darkroom/records';
import type { FrameDeps } from '../attempt/attempt.ts';
import { PeriodicWriter } from './periodic-writer.ts';

/** What remains of a second is for the write: whoever follows is to hear of it every second. */
const interval = 900;

export class ProgressWriter {
  readonly #deps: FrameDeps;
  readonly #fence: Fence;
  readonly #itemStage: string;
  readonly #stages: readonly string[];
  readonly #reached = new Map<number, number>();
  /** Whether items have ended since the last report. */
  #ended = false;
  #endedItems = 0;
  readonly #counts = new Map<string, { done: number; total: number | null }>();
  /** Counts as they were told last. */
  readonly #told = new Map<string, { done: number; total: number | null }>();
  readonly #writer: PeriodicWriter;
  /** Says that the work gets on, where no count tells it. */
  readonly moved: () => void;

  constructor(
    deps: FrameDeps,
    fence: Fence,
    /** Stage names of the kind, in order. */
    stages: readonly string[],
    itemStage: string,
    onFenced: (error: Fenced) => void,
    /** Told whenever the work gets on. */
    moved: () => void = () => {},
  ) {
    this.moved = moved;
    this.#deps = deps;
    this.#fence = fence;
    this.#stages = stages;
    this.#itemStage = itemStage;
    this.#writer = new PeriodicWriter(
      interval,
      () => this.#write(),
      (error) => {
        deps.logger.warn({ jobId: fence.jobId, err: error }, 'progress could not be written');
        // Progress may be late while the records are away; a lost fence ends the attempt.
        if (!(error instanceof Fenced)) return true;
        onFenced(error);
        return false;
      },
    );
  }

  /** An item has been through a stage. */
  reached(ordinal: number, stage: string): void {
    this.#reached.set(ordinal, this.ordinalOf(stage));
    this.moved();
    this.#writer.schedule();
  }

  /** An item has ended, and its end has been counted: followers are to hear of it. */
  ended(ordinal: number): void {
    this.#reached.delete(ordinal);
    this.#ended = true;
    this.#endedItems++;
    this.moved();
    this.#writer.schedule();
  }

  /** What the attempt has told so far: counts of its stage, or how many items have ended in it. */
  get shown(): { done: number; total: number | null } | { ended: number } {
    return this.#told.get(this.#itemStage) ?? { ended: this.#endedItems };
  }

  /** The work gets on where no count tells it: followers are to hear how the stages stand all the same. */
  goesOn(): void {
    this.moved();
    this.#ended = true;
    this.#writer.schedule();
  }

  /** Ordinal of a stage within the kind. */
  ordinalOf(stage: string): number {
    const ordinal = this.#stages.indexOf(stage);
    if (ordinal === -1) throw new TypeError(`The kind has no stage ${stage}.`);
    return ordinal;
  }

  /** Counts of a stage that has no items in the ledger. */
  counts(stage: string, done: number, total: number | null): void {
    // The same counts again are no sign that the work gets on.
    const told = this.#told.get(stage);
    if (told?.done !== done || told.total !== total) this.moved();
    this.#told.set(stage, { done, total });
    this.#counts.set(stage, { done, total });
    this.#writer.schedule();
  }

  /** Writes what is left. Throws {@link Fenced} when the attempt has been replaced. */
  close(): Promise<void> {
    return this.#writer.flush();
  }

  /** Writes what the end of the job, which follows, does not count itself: it goes by the ledger. Throws {@link Fenced}. */
  closeBeforeEnd(): Promise<void> {
    this.#reached.clear();
    this.#ended = false;
    return this.close();
  }

  async #write(): Promise<void> {
    const reached = new Map(this.#reached);
    const counts = new Map(this.#counts);
    const ended = this.#ended;
    this.#reached.clear();
    this.#counts.clear();
    this.#ended = false;
    const { db } = this.#deps.records;
    let told = false;
    try {
      if (reached.size > 0 || ended) {
        await recordProgress(db, this.#fence, {
          itemStage: this.#itemStage,
          reached: [...reached].map(([ordinal, stage]) => ({ ordinal, reached: stage })),
        });
        reached.clear();
        told = true;
      }
      for (const [stage, count] of counts) {
        await setStage(db, this.#fence, stage, count);
        counts.delete(stage);
      }
    } catch (error) {
      this.#ended ||= ended && !told;
      putBack(this.#reached, reached);
      putBack(this.#counts, counts);
      throw error;
    }
  }
}

/** Takes up again what was not written; what has been told since is newer and stays. */
function putBack<K, V>(waiting: Map<K, V>, unwritten: ReadonlyMap<K, V>): void {
  for (const [key, value] of unwritten) if (!waiting.has(key)) waiting.set(key, value);
}
