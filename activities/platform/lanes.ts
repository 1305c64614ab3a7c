/** A semaphore: at most so many at once, the rest in order of arrival. */
export class Lanes {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  /** Throws RangeError for a count below 1. */
  constructor(count: number) {
    if (!(count >= 1)) throw new RangeError(`${count} lanes are too few`);
    this.free = count;
  }

  /** How many wait for a lane. */
  get queued(): number {
    return this.waiting.length;
  }

  /** One more at once from now on. */
  widen(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  }

  /** Runs `work` when a lane is free. Rejects with the signal's reason when it aborts before that. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.enter(signal);
    try {
      return await work();
    } finally {
      this.widen();
    }
  }

  private enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.free > 0) {
      this.free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(enter), 1);
        reject(signal?.reason);
      };
      this.waiting.push(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}
