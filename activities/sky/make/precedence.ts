/** Of cutouts that are made in one process those go first that somebody waits for. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A cutout of a job makes way for so long at most, so that it gets on beside a crowd that never ends. */
const mostMs = 500;

/** One per process: what composes files is the one thread of all of them. */
export class Precedence {
  #waitedFor = 0;
  #over = Promise.withResolvers<void>();

  /** Somebody waits for a cutout, until what is returned is disposed of. */
  begin(): Disposable {
    this.#waitedFor++;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#waitedFor--;
        if (this.#waitedFor > 0) return;
        this.#over.resolve();
        this.#over = Promise.withResolvers();
      },
    };
  }

  /** Resolves when nobody waits, or that has been so for long enough. Throws the signal's reason. */
  async makeWay(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#waitedFor === 0) return;
    const enough = new AbortController();
    const patience = sleep(mostMs, undefined, { signal: AbortSignal.any([signal, enough.signal]) });
    patience.catch(() => {});
    await Promise.race([this.#over.promise, patience.catch(() => {})]);
    enough.abort();
    signal.throwIfAborted();
  }
}

export const precedence = new Precedence();
