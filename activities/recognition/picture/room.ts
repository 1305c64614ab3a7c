/** Room for decoded pictures in one process: so many at once, and no more memory than there is for them. */
import { type PhotoLimits, probe } from './prepare.ts';
import type { PhotoFormat } from './sniff.ts';

/**
 * Bytes that a pixel takes on the way from the decoder to the last file made of it. Measured with pictures of 24 (HEIC) and 100 megapixels,
 * annotated: AVIF 18, TIFF of 16 bits 10.2, HEIC of tiles 9.7, all else 9.
 */
const bytesOfPixel = (format: PhotoFormat | 'heic'): number =>
  format === 'avif' ? 18 : format === 'tiff' || format === 'png' || format === 'heic' ? 10.5 : 9;

/** The process with a model and without a picture. Measured: 250 MB with the default detector. */
const BASE_BYTES = 300e6;
/** One that is inferred, one that is prepared, one that is drawn into. */
const MOST_PICTURES = 3;

/** What is known of a picture before it is decoded. */
export interface Told {
  /** Width × height. */
  readonly pixels: number;
  readonly format: PhotoFormat | 'heic';
  /** EXIF orientation, 1–8; undefined where it is left to the decoder. */
  readonly orientation?: number;
}

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

export class PictureRoom {
  readonly #bytes: number;
  readonly #waiting: Waiting[] = [];
  #pictures = 0;
  #taken = 0;

  /** `memoryBytes`: of the process; without it the number of pictures alone is bounded. */
  constructor(memoryBytes = Number.POSITIVE_INFINITY) {
    this.#bytes = memoryBytes - BASE_BYTES;
  }

  /**
   * Runs `work` when there is room for the picture, in order of arrival; one that is larger than all the room is alone in it. Rejects with the
   * signal's reason when it aborts before that.
   */
  async run<T>({ pixels, format }: Told, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const bytes = pixels * bytesOfPixel(format);
    await this.#enter(bytes, signal);
    try {
      return await work();
    } finally {
      this.#pictures--;
      this.#taken -= bytes;
      this.#admit();
    }
  }

  #enter(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = {
      bytes,
      enter: () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      },
    };
    const leave = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      reject(signal?.reason);
      this.#admit();
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#waiting.push(waiting);
    this.#admit();
    return promise;
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#pictures++;
      this.#taken += next.bytes;
      next.enter();
    }
  }

  #fits(bytes: number): boolean {
    if (this.#pictures === 0) return true;
    return this.#pictures < MOST_PICTURES && this.#taken + bytes <= this.#bytes;
  }
}

/** Throws what `probe` throws; HEIC that a decoder from outside reads (`foreign`) is asked for its size alone. */
export async function told(bytes: Buffer, limits: PhotoLimits, foreign: boolean): Promise<Told> {
  if (foreign) return { pixels: Math.min(heifPixels(bytes), limits.pixels), format: 'heic' };
  const { width, height, format, orientation } = await probe(bytes, limits);
  return { pixels: width * height, format, orientation };
}

/** Bytes at the beginning of a HEIF file in which its boxes are looked for. */
const HEAD_BYTES = 1 << 20;

/** Pixels of the largest picture that a HEIF file tells of, `ispe` by `ispe` (ISO/IEC 23008-12, 6.5.3): nothing is decoded, and it may lie. */
function heifPixels(bytes: Buffer): number {
  const head = bytes.subarray(0, HEAD_BYTES);
  let most = 0;
  for (let at = head.indexOf('ispe'); at >= 0 && at + 16 <= head.length; at = head.indexOf('ispe', at + 4))
    most = Math.max(most, head.readUInt32BE(at + 8) * head.readUInt32BE(at + 12));
  return most;
}
