/**
 * Waits for the rows of micro-batches: Postgres tells of them, and where a word of it was lost they are looked for once a second. What
 * the engine has given up never has rows; those who wait for it are told.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ProblemError, predictionsChannel } from '@darkroom/contract';
import type { Records } from '@darkroom/records';
import { predictionsAt } from '../records.ts';
import { OpenBatch, type Waiter } from './open-batch.ts';

/** How late a batch is found whose notification was lost. */
const lookMs = 1000;
/** How often the engine is asked what became of a batch that takes long, where nobody says. */
const usualAskMs = 5000;

export interface RowsToComeDeps {
  readonly records: Pick<Records, 'db' | 'listen'>;
  /** Whether the engine still works on the batch, or means to. */
  readonly isOpen: (batch: string) => Promise<boolean>;
  /** How often that is asked of a batch that takes long, milliseconds. */
  readonly askMs?: number;
}

/** The engine has tried for long enough. */
export const gaveUp = (batch: string): ProblemError =>
  new ProblemError('internal', `The work on batch ${batch} has ended without a result.`);

export class RowsToCome<Waits extends Waiter> {
  readonly #deps: RowsToComeDeps;
  readonly #askMs: number;
  /** What looks for the rows of each batch that is waited for. */
  readonly #open = new Map<string, () => void>();
  #listening: Promise<{ unlisten(): Promise<void> }> | undefined;
  #looking: NodeJS.Timeout | undefined;

  constructor(deps: RowsToComeDeps) {
    this.#deps = deps;
    this.#askMs = deps.askMs ?? usualAskMs;
  }

  /** With the first batch: a process of which nobody wants predictions has no connection for them. */
  #listen(): void {
    if (this.#listening !== undefined) return;
    const look = (batch: string): void => this.#open.get(batch)?.();
    const lookForAll = (): void => {
      for (const look of this.#open.values()) look();
    };
    // What was told while nobody listened is lost, so that all are looked for after each (re)connection.
    this.#listening = this.#deps.records.listen(predictionsChannel, look, lookForAll);
    this.#looking = setInterval(lookForAll, lookMs);
    this.#looking.unref();
  }

  /** Answers the waiters of a batch as its rows come. Resolves when nobody waits any more, with those who never got one; never rejects. */
  async wait(batch: string, waiters: readonly Waits[]): Promise<readonly Waits[]> {
    const open = new OpenBatch(waiters, Date.now() + this.#askMs);
    // Whoever tells of its rows, the queries for them are of its own trace.
    const look = AsyncLocalStorage.bind(() => void this.#look(batch, open));
    this.#open.set(batch, look);
    this.#listen();
    // Its rows may be there: it is of a repeated request, or was faster than we are.
    look();
    const refused = await open.ended;
    this.#open.delete(batch);
    return refused;
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await (await this.#listening)?.unlisten();
  }

  async #look(batch: string, open: OpenBatch<Waits>): Promise<void> {
    // A look that takes long is not begun again beside itself, but what it has asked may be older than what is told now.
    open.again = true;
    if (open.looking) return;
    open.looking = true;
    try {
      while (open.again) {
        open.again = false;
        await this.#lookOnce(batch, open);
      }
    } catch {
      // Postgres or the engine is away: the next look comes in a second.
    } finally {
      open.looking = false;
    }
  }

  async #lookOnce(batch: string, open: OpenBatch<Waits>): Promise<void> {
    open.answer(await predictionsAt(this.#deps.records.db, open.missing));
    if (open.missing.length === 0 || Date.now() < open.askAt) return;
    open.askAt = Date.now() + this.#askMs;
    if (await this.#deps.isOpen(batch)) return;
    // It may have ended between the two questions.
    open.answer(await predictionsAt(this.#deps.records.db, open.missing));
    open.refuse(gaveUp(batch));
  }
}
