/** Reads the directories of a TIFF, classic or BigTIFF, in either byte order; nothing of them is believed that lies behind the end. */
import { ProblemError } from '@darkroom/contract';

export const TAGS = {
  newSubfileType: 254,
  subfileType: 255,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  samples: 277,
  largest: 281,
  planes: 284,
  tileWidth: 322,
  subIfds: 330,
  sampleFormat: 339,
  largestOfAnyType: 341,
} as const;
const WANTED: ReadonlySet<number> = new Set(Object.values(TAGS));

/** Of one tag; more SubIFDs than that, no program writes. */
const MOST_VALUES = 64;

/**
 * Of one file, in all its directories. Programs write some dozens in each, and each has a place of its own in the file; in a file that was
 * made to keep its reader busy, thousands of directories share the same bytes.
 */
const MOST_ENTRIES = 2_000_000;

export interface Directory {
  readonly tags: ReadonlyMap<number, readonly number[]>;
  /** Offset of the next one; 0 where there is none. */
  readonly next: number;
}

/** Sizes of a tag's types in bytes: TIFF 6.0, and LONG8, SLONG8, IFD8 of BigTIFF. */
const SIZES: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};

/** Numbers of a TIFF in its byte order. */
export class Reader {
  readonly first: number;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #big: boolean;
  #entries = 0;

  constructor(bytes: Buffer) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#little = bytes[0] === 0x49;
    this.#need(0, 8);
    this.#big = this.#view.getUint16(2, this.#little) === 43;
    this.first = this.#offset(this.#big ? 8 : 4);
  }

  directory(at: number): Directory {
    const [counted, entry, inline] = this.#big ? [8, 20, 8] : [2, 12, 4];
    this.#need(at, counted);
    const count = this.#big ? this.#offset(at) : this.#view.getUint16(at, this.#little);
    this.#need(at + counted, count * entry);
    this.#entries += count;
    if (this.#entries > MOST_ENTRIES)
      throw new ProblemError(
        'truncated_image',
        `The TIFF’s directories have more than ${MOST_ENTRIES} entries.`,
      );
    const tags = new Map<number, readonly number[]>();
    for (let i = 0; i < count; i++) {
      const start = at + counted + i * entry;
      const tag = this.#view.getUint16(start, this.#little);
      // Of a tag that is there again, which none may be, the first counts.
      if (!WANTED.has(tag) || tags.has(tag)) continue;
      const type = this.#view.getUint16(start + 2, this.#little);
      const size = SIZES[type];
      if (size === undefined) continue;
      const values = Math.min(
        MOST_VALUES,
        this.#big ? this.#offset(start + 4) : this.#view.getUint32(start + 4, this.#little),
      );
      const own = start + entry - inline;
      const from = values * size <= inline ? own : this.#offset(own);
      this.#need(from, values * size);
      tags.set(
        tag,
        Array.from({ length: values }, (_, n) => this.#value(from + n * size, type)),
      );
    }
    // Some programs leave the next offset out at the very end.
    const end = at + counted + count * entry;
    return { tags, next: end + inline <= this.#view.byteLength ? this.#offset(end) : 0 };
  }

  #value(at: number, type: number): number {
    const view = this.#view;
    const little = this.#little;
    switch (type) {
      case 3:
        return view.getUint16(at, little);
      case 8:
        return view.getInt16(at, little);
      case 4:
      case 13:
        return view.getUint32(at, little);
      case 9:
        return view.getInt32(at, little);
      case 11:
        return view.getFloat32(at, little);
      case 12:
        return view.getFloat64(at, little);
      case 16:
      case 18:
        return Number(view.getBigUint64(at, little));
      case 17:
        return Number(view.getBigInt64(at, little));
      case 6:
        return view.getInt8(at);
      default:
        return view.getUint8(at);
    }
  }

  #offset(at: number): number {
    const size = this.#big ? 8 : 4;
    this.#need(at, size);
    return this.#big
      ? Number(this.#view.getBigUint64(at, this.#little))
      : this.#view.getUint32(at, this.#little);
  }

  #need(at: number, length: number): void {
    if (at + length > this.#view.byteLength)
      throw new ProblemError(
        'truncated_image',
        `The TIFF ends early: its directory goes on at byte ${at}, the file has ${this.#view.byteLength}.`,
      );
  }
}
