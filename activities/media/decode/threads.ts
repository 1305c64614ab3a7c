/** How many threads a decoder gets, so that it keeps within its memory. Pure. */

export interface DecoderMemory {
  /** What the process may take, bytes. */
  readonly memoryBytes: number;
  /** Of that, for pictures kept beside the decoder's own; bytes. */
  readonly keptBytes: number;
}

export interface DecodedPicture {
  /** As coded. */
  readonly pixels: number;
  /** Memory of one as it is decoded. */
  readonly bytes: number;
}

/** The process before it decodes: Node, FFmpeg, what is read ahead. Measured: 140 MB. */
const BASE_BYTES = 150e6;
/**
 * Pictures that a decoder keeps to refer to: 16 at most, of large ones what the highest level allows, 696,320 macroblocks of 16 × 16
 * (Rec. ITU-T H.264, table A-1, level 6); H.265, VP9 and AV1 allow up to 8 of any size (H.265, A.4.2: 6 of the largest).
 */
const MOST_REFERENCES = 16;
const LEAST_REFERENCES = 8;
const REFERENCED_PIXELS = 696_320 * 256;
/** Pictures made while one is set upright and encoded: in RGB, and in the encoder's format. */
const RENDERED = 2;
/** Pictures that are kept however little `keptBytes` is (`split/candidates.ts`), and the one that is passed. */
const LEAST_KEPT = 7;
/** Pictures that another thread has in hand. Measured with 4K at 1 to 16 threads: HEVC of 10 bits 1.4 a thread, VP9 1.1. */
const PER_THREAD = 1.5;
/** FFmpeg's own choice where it is left to it: one more than there are cores, 16 at most (libavcodec/pthread_frame.c). */
const MOST_THREADS = 16;

/**
 * Threads for pictures of this size on `cores` cores: 0, which leaves it to FFmpeg, where what it takes then fits into the memory; else as
 * many as fit, at least one. A thread costs pictures, as each decodes one of its own.
 */
export function decoderThreads(
  { pixels, bytes }: DecodedPicture,
  { memoryBytes, keptBytes }: DecoderMemory,
  cores: number,
): number {
  const references = Math.min(
    MOST_REFERENCES,
    Math.max(LEAST_REFERENCES, Math.floor(REFERENCED_PIXELS / Math.max(1, pixels))),
  );
  const kept = Math.max(keptBytes, LEAST_KEPT * bytes);
  const left = memoryBytes - BASE_BYTES - kept - (references + RENDERED) * bytes;
  const fit = Math.max(1, 1 + Math.floor(left / (PER_THREAD * Math.max(1, bytes))));
  const own = cores < 2 ? 1 : Math.min(MOST_THREADS, cores + 1);
  return fit >= own ? 0 : fit;
}
