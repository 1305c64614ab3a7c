/** Tells the engine of queued runs, behind the answers to those who asked for them. */
import { AsyncLocalStorage } from 'node:async_hooks';

/** What waits in this process; beyond it rows are left to the sweep, which needs no memory. */
const mostWaiting = 5000;

/** Starts under way at once: more would only queue in the engine, where nobody's turn counts. */
const startsAtOnce = 4;

/**
 * Carries out starts, a few at a time, the owners by turns: who submits a thousand jobs does not hold up another one's. It is a short cut
 * only: a row that nobody told of stays queued, and the sweep tells it.
 */
export class Launcher {
  readonly #waiting = new Map<string, (() => Promise<void>)[]>();
  readonly #idle = new Set<() => void>();
  readonly #atOnce: number;
  #count = 0;
  #working = 0;

  /** `atOnce` are under way at a time. */
  constructor(atOnce = startsAtOnce) {
    this.#atOnce = atOnce;
  }

  /**
   * Resolves when `start` has ended, however, or was left out because too many wait. `start` is told whether it had to wait for its turn:
   * what it is to tell may have changed meanwhile.
   */
  launch(owner: string, start: (waited: boolean) => Promise<void>): Promise<void> {
    if (this.#count >= mostWaiting) return Promise.resolve();
    const waits = this.#working >= this.#atOnce;
    return new Promise((resolve) => {
      const queue = this.#waiting.get(owner) ?? [];
      // Another's end begins it: bound to its own context, its spans belong to its own trace.
      queue.push(AsyncLocalStorage.bind(() => start(waits).then(resolve, resolve)));
      this.#waiting.set(owner, queue);
      this.#count++;
      this.#next();
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  async settled(): Promise<void> {
    if (this.#count + this.#working === 0) return;
    await new Promise<void>((resolve) => this.#idle.add(resolve));
  }

  #next(): void {
    while (this.#working < this.#atOnce) {
      const start = this.#take();
      if (start === undefined) break;
      this.#working++;
      void start().then(() => {
        this.#working--;
        this.#next();
      });
    }
    if (this.#count + this.#working > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  #take(): (() => Promise<void>) | undefined {
    for (const [owner, queue] of this.#waiting) {
      const start = queue.shift();
      // Whoever was served goes behind the others.
      this.#waiting.delete(owner);
      if (queue.length > 0) this.#waiting.set(owner, queue);
      this.#count--;
      return start;
    }
    return undefined;
  }
}
