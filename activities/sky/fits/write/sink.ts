/** Where the bytes of a written FITS file go. */
import { closeSync, openSync, writeSync } from 'node:fs';

/** Takes bytes at any position: the header of an HDU is known in full, checksums and all, only after its data. */
export interface FitsSink {
  /** `bytes` are used again by the caller once this returns. */
  write(position: number, bytes: Uint8Array): void;
}

/** A file, replaced if it is there. Throws what the file system throws. */
export class FileSink implements FitsSink, Disposable {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'w');
  }

  write(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Memory, which grows as it must. */
export class MemorySink implements FitsSink {
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** `expected` bytes are had at once. */
  constructor(expected = 0) {
    this.#buffer = new Uint8Array(expected);
  }

  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, position);
    this.#length = Math.max(this.#length, end);
  }

  /** All that was written: a view, not a copy. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }
}
