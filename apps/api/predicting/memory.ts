/** What the pictures of requests may take of a process's memory, together. */
import { ProblemError } from '@darkroom/contract';

export class PictureMemory {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get held(): number {
    return this.#held;
  }

  /** Holds room for a picture before it comes; returns what gives it back, once. Throws `overloaded`; one alone always has room. */
  hold(bytes: number): () => void {
    if (this.#held > 0 && this.#held + bytes > this.#most)
      throw new ProblemError(
        'overloaded',
        `Pictures of ${this.#held} bytes wait (PREDICTION_MEMORY_BYTES).`,
        {
          retryAfterSeconds: 1,
        },
      );
    this.#held += bytes;
    let holds = true;
    return () => {
      if (holds) this.#held -= bytes;
      holds = false;
    };
  }
}
