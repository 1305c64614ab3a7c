/** Lets a process work on one thing alone: what is begun beside it waits, and it waits for what was begun before. */

/** One per process: items of all jobs share the process that dies. */
export class Solitude {
  #alone = false;
  #together = 0;
  readonly #line: { alone: boolean; enter: () => void }[] = [];

  /**
   * Runs `work`, with nothing beside it when `alone`. Turns are taken in the order of asking.
   * Throws the signal's reason when that aborts before its turn.
   */
  async run<R>(alone: boolean, signal: AbortSignal, work: () => Promise<R>): Promise<R> {
    await this.#turn(alone, signal);
    try {
      return await work();
    } finally {
      if (alone) this.#alone = false;
      else this.#together--;
      this.#admit();
    }
  }

  #turn(alone: boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#line.splice(this.#line.indexOf(place), 1);
        reject(signal.reason);
        this.#admit();
      };
      const enter = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const place = { alone, enter };
      this.#line.push(place);
      signal.addEventListener('abort', abort, { once: true });
      this.#admit();
    });
  }

  #admit(): void {
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      if (this.#alone || (first.alone && this.#together > 0)) return;
      this.#line.shift();
      if (first.alone) this.#alone = true;
      else this.#together++;
      first.enter();
    }
  }
}
