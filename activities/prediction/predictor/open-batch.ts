/** A micro-batch that was handed over, and those who wait for their answers of it. */
import type { PredictionPlace, PredictionRow } from '../records.ts';

/** Who waits for a prediction. */
export interface Waiter {
  readonly place: PredictionPlace;
  answer(row: PredictionRow): void;
  refuse(error: unknown): void;
}

export class OpenBatch<Waits extends Waiter> {
  /** By id: a repeated Idempotency-Key waits for the same one twice. */
  readonly #waiting: Map<number, Waits[]>;
  readonly #ended = Promise.withResolvers<readonly Waits[]>();
  /** Whether its rows are being looked for. */
  looking = false;
  /** Something was told of it meanwhile. */
  again = false;
  /** When the engine is asked next what became of it, milliseconds. */
  askAt: number;

  constructor(waiters: readonly Waits[], askAt: number) {
    this.#waiting = Map.groupBy(waiters, ({ place }) => place.id);
    this.askAt = askAt;
  }

  /** Resolves when nobody waits any more, with those who got no answer. */
  get ended(): Promise<readonly Waits[]> {
    return this.#ended.promise;
  }

  /** Whose rows are not there yet. */
  get missing(): PredictionPlace[] {
    return [...this.#waiting.values()].flatMap(([first]) => first?.place ?? []);
  }

  /** Answers those whose rows these are. */
  answer(rows: readonly PredictionRow[]): void {
    for (const row of rows) {
      for (const waiter of this.#waiting.get(row.id) ?? []) waiter.answer(row);
      this.#waiting.delete(row.id);
    }
    if (this.#waiting.size === 0) this.#ended.resolve([]);
  }

  /** Nobody gets an answer any more. */
  refuse(error: unknown): void {
    const refused = [...this.#waiting.values()].flat();
    for (const waiter of refused) waiter.refuse(error);
    this.#waiting.clear();
    this.#ended.resolve(refused);
  }
}
