/** The bytes of a cutout that was made, in memory or on disk, as long as somebody holds them. */
import type { NamelessFile } from '../fits/write/sink.ts';

export class MadeBytes implements Disposable {
  readonly #parts: readonly (Uint8Array | NamelessFile)[];
  readonly #held: Disposable;

  /** `held` goes with them. */
  constructor(parts: readonly (Uint8Array | NamelessFile)[], held: Disposable) {
    this.#parts = parts;
    this.#held = held;
  }

  get length(): number {
    return this.#parts.reduce((sum, part) => sum + part.length, 0);
  }

  /** All of them, where they are in memory. */
  whole(): Buffer | undefined {
    const parts = this.#parts.flatMap((part) => (part instanceof Uint8Array ? [part] : []));
    if (parts.length < this.#parts.length) return undefined;
    const [first] = parts;
    // One alone is not copied.
    return parts.length === 1 && first !== undefined
      ? Buffer.from(first.buffer, first.byteOffset, first.byteLength)
      : Buffer.concat(parts);
  }

  async *read(): AsyncGenerator<Uint8Array, undefined> {
    for (const part of this.#parts) {
      if (part instanceof Uint8Array) yield part;
      else yield* part.read();
    }
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
  }
}
