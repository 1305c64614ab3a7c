/** Boxes of ISO base media files (ISO/IEC 14496-12 §4.2) from bytes. */
import { ProblemError } from '@darkroom/contract';

/** Big-endian numbers from the front of some bytes on. */
export class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }
  /** Of 0, 1, 2, 4 or 8 bytes. */
  number(size: number): number {
    let value = 0;
    for (let n = 0; n < size; n++) value = value * 256 + this.u8();
    return value;
  }
  text(length: number): string {
    return Buffer.from(this.take(length)).toString('latin1');
  }
  take(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  skip(length: number): void {
    this.#take(length);
  }
  /** All that follows; the cursor stays. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || at + length > this.#bytes.length)
      throw new ProblemError('truncated_image', 'The picture is damaged: its header breaks off.');
    this.#at += length;
    return at;
  }
}

export interface Box {
  readonly type: string;
  readonly content: Cursor;
}

/** The boxes that follow one another up to the end. */
export function boxes(cursor: Cursor): Box[] {
  const found: Box[] = [];
  while (cursor.left >= 8) {
    const size = cursor.u32();
    const type = cursor.text(4);
    const length = size === 1 ? cursor.number(8) - 16 : size === 0 ? cursor.left : size - 8;
    found.push({ type, content: new Cursor(cursor.take(length)) });
  }
  return found;
}

/** What full boxes begin with. */
export const version = (cursor: Cursor): { version: number; flags: number } => {
  const value = cursor.u32();
  return { version: value >>> 24, flags: value & 0xffffff };
};
