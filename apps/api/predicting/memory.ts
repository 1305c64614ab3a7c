/** What the pictures of requests, and answers that are not taken yet, may take of a process's memory, together. */
import { ProblemError } from '@darkroom/contract';

/** Of all that there is, what the pictures of one owner may take: others always find some. */
const share = 0.75;

/** Room for a picture that comes in, and then for its answer. */
export interface Room {
  /** Takes so many bytes more. Throws `overloaded`. */
  grow(bytes: number): void;
  /** Takes so many bytes in place of all that it has: where these are fewer, there is always room. Throws `overloaded`. */
  become(bytes: number): void;
  /** Gives all of it back; again, nothing. */
  free(): void;
}

export class PictureMemory {
  readonly #most: number;
  readonly #ofOwner = new Map<string, number>();
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get held(): number {
    return this.#held;
  }

  /** Room for a picture of an owner's, taken as its bytes come. One alone always has room. */
  open(owner: string): Room {
    let own = 0;
    const take = (bytes: number): void => {
      own += bytes;
      this.#held += bytes;
      const left = (this.#ofOwner.get(owner) ?? 0) + bytes;
      if (left === 0) this.#ofOwner.delete(owner);
      else this.#ofOwner.set(owner, left);
    };
    const grow = (bytes: number): void => {
      const ofOwner = (this.#ofOwner.get(owner) ?? 0) + bytes;
      const isAlone = this.#held === own;
      if (bytes > 0 && !isAlone && (this.#held + bytes > this.#most || ofOwner > share * this.#most))
        throw new ProblemError(
          'overloaded',
          `Pictures of ${this.#held} bytes wait (PREDICTION_MEMORY_BYTES).`,
          { retryAfterSeconds: 1 },
        );
      take(bytes);
    };
    return { grow, become: (bytes) => grow(bytes - own), free: () => take(-own) };
  }
}
