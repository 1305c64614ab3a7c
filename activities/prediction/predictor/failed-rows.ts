/**
 * Rows of predictions that were taken in and failed before a worker had them: gathered for some milliseconds and written by arrays, one
 * statement at a time, so that what is refused under load is no load of Postgres. Best effort: whoever asked is told in any case.
 */
import type { PredictionRecord } from '@darkroom/contract';
import type { Db } from '@darkroom/records';
import { recordPredictions } from '../records.ts';

const gatherMs = 100;
/** Of one statement. */
const mostAtOnce = 500;
/** Of those that wait to be written, where Postgres is slower than they come; those beyond have no row. */
const mostWaiting = 5000;

export class FailedRows {
  readonly #db: Db;
  #waiting: PredictionRecord[] = [];
  /** Ids of those that wait, or are being written. */
  readonly #unwritten = new Set<number>();
  #writing: Promise<void> | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  add(records: readonly PredictionRecord[]): void {
    const room = records.slice(0, mostWaiting - this.#waiting.length);
    if (room.length === 0) return;
    for (const { id } of room) this.#unwritten.add(id);
    this.#waiting.push(...room);
    this.#writing ??= this.#writeAll();
  }

  /** Whether the row of that one is still to be written. */
  has(id: number): boolean {
    return this.#unwritten.has(id);
  }

  /** Resolves when all that were added so far have been written, or given up. */
  async written(): Promise<void> {
    await this.#writing;
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, gatherMs));
    while (this.#waiting.length > 0) {
      const records = this.#waiting.splice(0, mostAtOnce);
      await recordPredictions(this.#db, '', records).catch(() => {});
      for (const { id } of records) this.#unwritten.delete(id);
    }
    this.#writing = undefined;
  }
}
