/** Counts of an attempt, written to the ledger at most once a second. */
import { type Fence, Fenced, recordProgress, setStage } from '@darkroom/records';
import type { FrameDeps } from './attempt.ts';

const interval = 1000;

export class ProgressReport {
  readonly #deps: FrameDeps;
  readonly #fence: Fence;
  readonly #itemStage: string;
  readonly #stages: readonly string[];
  readonly #onFenced: (error: Fenced) => void;
  readonly #reached = new Map<number, number>();
  readonly #counts = new Map<string, { done: number; total: number | null }>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    deps: FrameDeps,
    fence: Fence,
    /** Stage names of the kind, in order. */
    stages: readonly string[],
    itemStage: string,
    onFenced: (error: Fenced) => void,
  ) {
    this.#deps = deps;
    this.#fence = fence;
    this.#stages = stages;
    this.#itemStage = itemStage;
    this.#onFenced = onFenced;
  }

  /** An item has been through a stage. */
  reached(ordinal: number, stage: string): void {
    this.#reached.set(ordinal, this.ordinalOf(stage));
    this.#schedule();
  }

  /** Ordinal of a stage within the kind. */
  ordinalOf(stage: string): number {
    const ordinal = this.#stages.indexOf(stage);
    if (ordinal === -1) throw new TypeError(`The kind has no stage ${stage}.`);
    return ordinal;
  }

  /** Counts of a stage that has no items in the ledger. */
  counts(stage: string, done: number, total: number | null): void {
    this.#counts.set(stage, { done, total });
    this.#schedule();
  }

  /** Writes what is left. Throws {@link Fenced} when the attempt has been replaced. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    await this.#write();
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#write().catch((error: unknown) => {
        // Progress may be late while the records are away; a lost fence may not go unnoticed.
        if (error instanceof Fenced) this.#onFenced(error);
        else
          this.#deps.logger.warn({ jobId: this.#fence.jobId, err: error }, 'progress could not be written');
      });
    }, interval);
  }

  async #write(): Promise<void> {
    const reached = [...this.#reached].map(([ordinal, reached]) => ({ ordinal, reached }));
    const counts = [...this.#counts];
    this.#reached.clear();
    this.#counts.clear();
    const db = this.#deps.records.db;
    if (reached.length > 0) await recordProgress(db, this.#fence, { itemStage: this.#itemStage, reached });
    for (const [stage, count] of counts) await setStage(db, this.#fence, stage, count);
  }
}
