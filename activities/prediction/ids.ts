/** Ids of predictions, distinct over all processes: taken by the block, given one by one. */
import { type Db, write } from '@darkroom/records';
import { sql } from 'drizzle-orm';
import { idsAtOnce } from './schema.ts';

const nextBlock = write(async (db: Db): Promise<number> => {
  const { rows } = await db.execute<{ first: string }>(sql`select nextval('prediction_ids') as first`);
  return Number(rows[0]?.first);
});

/** A block is given from for so long: of two processes, ids of the quiet one are not days behind those of the other in a list. */
const freshMs = 10_000;

/** Gives ids. What is left of a block when the process ends is never given: gaps are allowed, repetitions are not. */
export class PredictionIds {
  readonly #db: Db;
  #next = 0;
  #end = 0;
  #takenAt = 0;
  #taking: Promise<void> | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  /** An id nobody else has. Throws `records_unavailable`. */
  async next(): Promise<number> {
    while (this.#next >= this.#end || performance.now() - this.#takenAt > freshMs) await this.#take();
    return this.#next++;
  }

  /** However many wait, one asks. */
  #take(): Promise<void> {
    this.#taking ??= (async () => {
      try {
        this.#next = await nextBlock(this.#db);
        this.#end = this.#next + idsAtOnce;
        this.#takenAt = performance.now();
      } finally {
        this.#taking = undefined;
      }
    })();
    return this.#taking;
  }
}
