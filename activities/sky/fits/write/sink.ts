/** Where the bytes of a written FITS file go. */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, read as readAt, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

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

const readBytes = promisify(readAt);
/** Bytes read at a time. */
const pieceLength = 1 << 20;

/** A file in `folder` that has no name: it is gone with the process that holds it, however that ends. Throws what the file system throws. */
export class NamelessFile implements FitsSink, Disposable {
  readonly #descriptor: number;
  #length = 0;

  constructor(folder: string) {
    const path = join(folder, `darkroom-${randomUUID()}`);
    this.#descriptor = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
  }

  write(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
    }
    this.#length = Math.max(this.#length, position + bytes.length);
  }

  /** Bytes. */
  get length(): number {
    return this.#length;
  }

  /** What was written, from its beginning to its end. */
  async *read(): AsyncGenerator<Uint8Array, undefined> {
    for (let position = 0; position < this.#length; ) {
      const piece = Buffer.allocUnsafe(Math.min(pieceLength, this.#length - position));
      const { bytesRead } = await readBytes(this.#descriptor, piece, 0, piece.length, position);
      if (bytesRead === 0) throw new RangeError(`The file ends at ${position} of ${this.#length} bytes.`);
      position += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
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
