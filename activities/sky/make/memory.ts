/** How much memory a cutout takes, and that all under way in a process take no more together than they may. */
import type { CutoutRequest } from '@darkroom/contract';
import { type Size, sizeWithin } from '../picture/area-average.ts';

type Picture = NonNullable<CutoutRequest['picture']>;

/** Of all of it, that one cutout may take, and all large ones together; the rest is for small ones, which wait for no large one. */
const largeShare = 0.75;
/** What takes no more than this part is small. */
const smallShare = 0.125;

/** Bytes that one cutout may take of what all may. */
export const largestOf = (bytes: number): number => Math.floor(largeShare * bytes);

/** Of a pixel of a picture of 8 bits, beside the bands' values: counts, as they are drawn, with an alpha, and turned; the file, and room to sort for levels. */
const drawnPixelBytes = 24;

/** The size at which a picture is drawn: what is larger than it may be is averaged while it is read. */
export const drawnSize = ({ width, height }: Size, { maxPixels }: Pick<Picture, 'maxPixels'>): Size =>
  maxPixels === null ? { width, height } : sizeWithin({ width, height }, maxPixels);

/** What drawing bands of such a size takes; `valueBytes` of a pixel in one band. */
export function drawingBytes(
  size: Size,
  bands: number,
  picture: Pick<Picture, 'maxPixels' | 'depth'>,
  valueBytes = 4,
): number {
  const { width, height } = drawnSize(size, picture);
  return width * height * (bands * valueBytes + (drawnPixelBytes * picture.depth) / 8);
}

/** Of a cut: what is read at a time, what is made of it, and the strip after it, which is read meanwhile. */
const cutPixelBytes = 32;
/** Of a mosaic: the sums of a strip in double precision, and what comes out of them. */
const mosaicPixelBytes = 240;
/** What is worked on at a time for one band of a large cutout, and of a small one. */
const largeWork = 0.15;
const smallWork = 1 / 32;
/** Of a large one: ranges of the tiles' files that are read, and parts of its own that are sent. */
const transfer = { share: 0.125, most: 48 * 2 ** 20 };

export interface Work {
  /** Of one plane of one band. */
  readonly pixels: number;
  readonly bands: number;
  /** That are read of a band. */
  readonly planes: number;
  readonly isMosaic: boolean;
}

export interface Plan {
  /** Bands side by side, and what comes out in memory; else one after the other, and on disk. */
  readonly isSmall: boolean;
  /** For one band. */
  readonly memoryBytes: number;
  /** In all, without a picture that is drawn of it. */
  readonly bytes: number;
}

/** How much of `memory`, which all cutouts of a process share, one is made with at a time. */
export function planMemory({ pixels, bands, planes, isMosaic }: Work, memory: number): Plan {
  const all = pixels * bands * planes;
  const isSmall = all * cutPixelBytes <= smallWork * memory;
  const most = (isSmall ? smallWork : largeWork) * memory;
  const memoryBytes = Math.floor(
    Math.min(most, pixels * planes * (isMosaic ? mosaicPixelBytes : cutPixelBytes)),
  );
  const bytes = isSmall
    ? bands * memoryBytes + 8 * all
    : memoryBytes + Math.min(transfer.most, Math.floor(transfer.share * memory));
  return { isSmall, memoryBytes, bytes };
}

interface Waiting {
  readonly bytes: number;
  enter(): void;
}

/** Bytes that are lent, to each who asks in turn. */
class Lane {
  readonly bytes: number;
  #free: number;
  readonly #line: Waiting[] = [];

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#free = bytes;
  }

  get free(): number {
    return this.#free;
  }

  async take(bytes: number, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#line.length > 0 || bytes > this.#free) await this.#turn(bytes, signal);
    else this.#free -= bytes;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#back(bytes);
        held = false;
      },
    };
  }

  #turn(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(waiting), 1);
        // Those behind may fit where this one did not.
        this.#next();
        reject(signal.reason);
      };
      const waiting: Waiting = {
        bytes,
        enter: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#line.push(waiting);
    });
  }

  #back(bytes: number): void {
    this.#free += bytes;
    this.#next();
  }

  #next(): void {
    for (let [first] = this.#line; first !== undefined && first.bytes <= this.#free; [first] = this.#line) {
      this.#line.shift();
      this.#free -= first.bytes;
      first.enter();
    }
  }
}

/** The memory of a process's cutouts. */
export class CutoutMemory {
  /** Of all of them together. */
  readonly bytes: number;
  readonly #large: Lane;
  readonly #small: Lane;
  readonly #smallest: number;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#large = new Lane(largestOf(bytes));
    this.#small = new Lane(bytes - largestOf(bytes));
    this.#smallest = smallShare * bytes;
  }

  /** What one may take. */
  get largest(): number {
    return this.#large.bytes;
  }

  /** Bytes that nobody has; all of them at rest. */
  get free(): number {
    return this.#large.free + this.#small.free;
  }

  /** Waits for its turn; until it is disposed of they are its own. What would take more than one may is given all that one may. Throws the signal's reason. */
  take(bytes: number, signal: AbortSignal): Promise<Disposable> {
    return bytes <= this.#smallest
      ? this.#small.take(bytes, signal)
      : this.#large.take(Math.min(bytes, this.largest), signal);
  }
}
