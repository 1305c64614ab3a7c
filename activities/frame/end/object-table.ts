/** Objects of a job by URI, in little memory: a job may have a hundred thousand of them. */
import { createHash } from 'node:crypto';

/**
 * Remembers URIs and the sizes of their objects, some 60 bytes each: instead of a URI 48 bits of its digest. Of a million objects two
 * are taken for one with a chance of 1 in 500; one that is wrongly said to be there is kept, or not missed.
 */
export class ObjectTable {
  readonly #bytes = new Map<number, number>();

  add(uri: string, bytes = 0): void {
    this.#bytes.set(hashOf(uri), bytes);
  }

  has(uri: string): boolean {
    return this.#bytes.has(hashOf(uri));
  }

  /** Size of the object in bytes; undefined when it is not here. */
  bytesOf(uri: string): number | undefined {
    return this.#bytes.get(hashOf(uri));
  }
}

const hashOf = (uri: string): number => createHash('sha1').update(uri).digest().readUIntBE(0, 6);
