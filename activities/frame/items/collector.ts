/** Gathers what many have to write while a write is under way. Pure. */

interface Waiting<T, R> {
  readonly value: T;
  resolve(result: R): void;
  reject(error: unknown): void;
}

/**
 * Hands over what has come in since the last hand-over began, all at once: a statement about many rows costs hardly more than one about
 * a single row, and who comes alone does not wait for others.
 */
export class Collector<T, R> {
  readonly #handOver: (batch: readonly T[]) => Promise<readonly R[]>;
  readonly #concernsAll: (error: unknown) => boolean;
  readonly #most: number;
  readonly #waiting: Waiting<T, R>[] = [];
  #busy = false;

  constructor(
    /** Resolves with a result for each value, in order. */
    handOver: (batch: readonly T[]) => Promise<readonly R[]>,
    {
      most,
      concernsAll,
    }: {
      readonly most: number;
      /** Any other error may be that of one value: each is handed over alone then, and gets its own. */
      readonly concernsAll: (error: unknown) => boolean;
    },
  ) {
    this.#handOver = handOver;
    this.#most = most;
    this.#concernsAll = concernsAll;
  }

  add(value: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ value, resolve, reject });
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    // What comes in at the same turn goes along.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) await this.#flush(this.#waiting.splice(0, this.#most));
    this.#busy = false;
  }

  async #flush(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await this.#handOver(batch.map(({ value }) => value));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as R);
    } catch (error) {
      if (batch.length === 1 || this.#concernsAll(error)) {
        for (const { reject } of batch) reject(error);
      } else {
        for (const one of batch) await this.#flush([one]);
      }
    }
  }
}
