/** Writes what gathers now and then: one write at a time, and again what could not be written. */

export class PeriodicWriter {
  readonly #intervalMs: number;
  readonly #write: () => Promise<void>;
  readonly #onError: (error: unknown) => boolean;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #began = Number.NEGATIVE_INFINITY;
  #more = false;

  /**
   * `write` takes what has gathered, and puts it back before it throws. `onError` is told why a write in the background failed;
   * what it returns says whether to try again.
   */
  constructor(intervalMs: number, write: () => Promise<void>, onError: (error: unknown) => boolean) {
    this.#intervalMs = intervalMs;
    this.#write = write;
    this.#onError = onError;
  }

  /**
   * Something has gathered: it is written within the interval. Writes begin an interval apart, however long they take, so that who follows
   * hears of them at a steady pace; but half of it passes between two, or a slow database would be written to without a pause.
   */
  schedule(): void {
    if (this.#writing !== undefined) this.#more = true;
    else this.#timer ??= setTimeout(() => this.#inBackground(), this.#delay());
  }

  #delay(): number {
    const since = performance.now() - this.#began;
    return Math.max(this.#intervalMs / 2, this.#intervalMs - since);
  }

  /** Writes what is left, after the write under way. Throws what `write` throws; what it put back is not tried again by itself. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const write = this.#begin();
    this.#writing = write.then(
      () => this.#done(false),
      () => this.#done(false),
    );
    await write;
  }

  #inBackground(): void {
    this.#timer = undefined;
    this.#writing = this.#begin().then(
      () => this.#done(false),
      (error: unknown) => this.#done(this.#onError(error)),
    );
  }

  #begin(): Promise<void> {
    this.#began = performance.now();
    return this.#write();
  }

  #done(again: boolean): void {
    this.#writing = undefined;
    if (this.#more || again) {
      this.#more = false;
      this.schedule();
    }
  }
}
