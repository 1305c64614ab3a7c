/** Pixels of many cutouts read together: each row or tile of a file is read and decoded once, however many of them touch it. */
import type { FitsImage } from '../fits/read/file.ts';
import type { PixelBox, Plane } from '../image/plane.ts';
import type { CutoutSource } from '../make/call.ts';
import { bytesOf, type Wanted } from './wanted.ts';

/** Of one file, as it was when it was listed. */
const fileOf = ({ uri, etag, hdu, verified }: CutoutSource): string => `${etag} ${verified} ${hdu} ${uri}`;
const boxOf = ({ x0, y0, width, height }: PixelBox): string => `${x0} ${y0} ${width} ${height}`;

/** What of one cutout's pixels has been read ahead. */
export class PixelsAhead {
  readonly #planes = new Map<string, Plane>();
  #released = false;

  put(source: CutoutSource, box: PixelBox, plane: Plane): void {
    if (!this.#released) this.#planes.set(`${boxOf(box)} ${fileOf(source)}`, plane);
  }

  /** The same image, whose boxes are read only where they are not there already. */
  of(source: CutoutSource, image: FitsImage): FitsImage {
    if (this.#planes.size === 0) return image;
    const file = fileOf(source);
    return {
      ...image,
      read: async (box, signal) => {
        const key = `${boxOf(box)} ${file}`;
        const plane = this.#planes.get(key);
        // Whoever has it may do with it as with what it had read itself.
        this.#planes.delete(key);
        return plane ?? image.read(box, signal);
      },
    };
  }

  /** What was not asked for is not held. */
  release(): void {
    this.#released = true;
    this.#planes.clear();
  }
}

/** A cutout whose pixels are read with those of others. */
export interface Member {
  readonly pixels: PixelsAhead;
  readonly wanted: readonly Wanted[];
}

/** Pixels of compressed rows that are decoded for a bunch, about: what comes first is not to wait for what comes much later. */
const mostDecoded = 2 ** 27;

/** Counts what a bunch comes to. Cutouts in the order in which they lie on their tile share most. */
export class BunchSize {
  #members = 0;
  #bytes = 0;
  #decoded = 0;
  /** By file: rows below it are counted already. */
  #rows = new Map<string, number>();

  get members(): number {
    return this.#members;
  }

  /** Of pixels as they are read. */
  get bytes(): number {
    return this.#bytes;
  }

  get isTooMuch(): boolean {
    return this.#decoded > mostDecoded;
  }

  add(wanted: readonly Wanted[]): void {
    this.#members++;
    for (const one of wanted) {
      const { source, image, box } = one;
      this.#bytes += bytesOf(one);
      if (image.compression === undefined) continue;
      const file = fileOf(source);
      const end = box.y0 + box.height;
      const known = this.#rows.get(file) ?? 0;
      this.#decoded += Math.max(0, end - Math.max(box.y0, known)) * image.width;
      this.#rows.set(file, Math.max(end, known));
    }
  }
}

/**
 * Reads file by file, so that what is in memory of a file as it lies in the store is of one alone. Of a file that cannot be read in this way nothing is
 * put: its cutouts read it each for itself, and what is damaged is told to those alone that touch it. Throws the signal's reason.
 */
export async function readBunch(members: readonly Member[], signal: AbortSignal): Promise<void> {
  const all = members.flatMap(({ pixels, wanted }) => wanted.map((one) => ({ ...one, pixels })));
  for (const [first, ...others] of Map.groupBy(all, ({ source }) => fileOf(source)).values()) {
    if (first === undefined) continue;
    const boxes = [...Map.groupBy([first, ...others], ({ box }) => boxOf(box)).values()];
    const planes = await first.image
      .readMany(
        boxes.flatMap(([one]) => (one ? [one.box] : [])),
        signal,
      )
      .catch(() => undefined);
    signal.throwIfAborted();
    for (const [i, takers] of boxes.entries()) {
      const plane = planes?.[i];
      if (plane === undefined) continue;
      for (const [n, { pixels, source, box }] of takers.entries())
        pixels.put(source, box, n === 0 ? plane : { ...plane, data: plane.data.slice() });
    }
  }
}
