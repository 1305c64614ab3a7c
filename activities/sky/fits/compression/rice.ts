/** RICE_1: differences of neighbours in blocks, each with its own number of low bits (FITS Standard 4.0, section 10.4.1). */

/** Bytes of a pixel before it was compressed, BYTEPIX. */
export type BytePix = 1 | 2 | 4;

/** Bits that say how many low bits a block has; the number that stands for uncoded values; bits of these. */
const CODES = {
  1: { fsBits: 3, fsMax: 6, rawBits: 8 },
  2: { fsBits: 4, fsMax: 14, rawBits: 16 },
  4: { fsBits: 5, fsMax: 25, rawBits: 32 },
} as const;

/** Longer streams have bits that no 32-bit integer counts. */
const MAX_BYTES = 2 ** 27;
/** Zero words behind the stream: what is read at most beyond its end before that is found out. */
const PADDING = 4;

/** Decodes streams one after the other in the same memory. */
export class RiceDecoder {
  private words = new Uint32Array(1024);

  /** Big-endian words of the stream behind its first value, and zeros. */
  private load(bytes: Uint8Array, from: number): Uint32Array {
    const length = bytes.length - from;
    const count = (length + 3) >> 2;
    if (this.words.length < count + PADDING) this.words = new Uint32Array((count + PADDING) * 2);
    const { words } = this;
    words.fill(0, Math.max(0, count - 1), count + PADDING);
    const target = Buffer.from(words.buffer, 0, count * 4);
    target.set(from === 0 ? bytes : bytes.subarray(from));
    target.swap32();
    return words;
  }

  /**
   * The first `count` pixels of a stream, as signed integers (bytes unsigned), into `out`. False where the stream ends before them.
   *
   * @param blockSize BLOCKSIZE: pixels of a block
   */
  decode(bytes: Uint8Array, out: Int32Array, count: number, blockSize: number, bytePix: BytePix): boolean {
    if (bytes.length < bytePix || bytes.length > MAX_BYTES || count > out.length) return false;
    let first = 0;
    for (let i = 0; i < bytePix; i++) first = (first << 8) | bytes[i]!;
    const bits = (bytes.length - bytePix) * 8;
    const { fsBits, fsMax, rawBits } = CODES[bytePix];
    if (!decodeBlocks(this.load(bytes, bytePix), bits, out, count, blockSize, first, fsBits, fsMax, rawBits))
      return false;
    if (bytePix === 2) for (let i = 0; i < count; i++) out[i] = (out[i]! << 16) >> 16;
    else if (bytePix === 1) for (let i = 0; i < count; i++) out[i] = out[i]! & 0xff;
    return true;
  }
}

/** 32 bits from the bit `at` on, the first the highest. */
function window(words: Uint32Array, at: number): number {
  const word = at >>> 5;
  // A shift by 32 is one by 0: in two steps it is not. `~at` is 31 less the shift, modulo 32.
  return (words[word]! << at) | ((words[word + 1]! >>> 1) >>> ~at);
}

/**
 * All blocks of a stream; false where it ends before `count` pixels. In one function, of 32-bit integers alone (hence each `| 0`), with shifts that
 * take their count modulo 32: here is where the time goes.
 */
function decodeBlocks(
  words: Uint32Array,
  bits: number,
  out: Int32Array,
  count: number,
  blockSize: number,
  first: number,
  fsBits: number,
  fsMax: number,
  rawBits: number,
): boolean {
  let last = first | 0;
  let at = 0;
  for (let i = 0; i < count; ) {
    const end = Math.min(count, i + blockSize) | 0;
    if (at > bits - fsBits) return false;
    const fs = ((window(words, at) >>> (32 - fsBits)) - 1) | 0;
    at = (at + fsBits) | 0;
    if (fs < 0) {
      out.fill(last, i, end);
      i = end;
      continue;
    }
    if (fs >= fsMax) {
      // 31 of 32 (or 15 of 16) is no number of low bits that there is: CFITSIO's reader does not look, its writer does not write it.
      if (fs > fsMax || at > bits - (end - i) * rawBits) return false;
      for (; i < end; i = (i + 1) | 0) {
        const diff = window(words, at) >>> (32 - rawBits);
        at = (at + rawBits) | 0;
        last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
        out[i] = last;
      }
      continue;
    }
    const low = (31 - fs) | 0;
    const width = (fs + 1) | 0;
    for (; i < end; i = (i + 1) | 0) {
      const word = at >>> 5;
      const ahead = (words[word]! << at) | ((words[word + 1]! >>> 1) >>> ~at);
      const zeros = Math.clz32(ahead);
      if (zeros > low) {
        const all = countZeros(words, at, bits) | 0;
        if (all < 0) return false;
        const diff = (all << fs) | ((window(words, (at + all + 1) | 0) >>> 1) >>> low);
        at = (at + all + width) | 0;
        last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
        out[i] = last;
        continue;
      }
      const diff = (zeros << fs) | ((((ahead << zeros) << 1) >>> 1) >>> low);
      at = (at + zeros + width) | 0;
      last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
      out[i] = last;
    }
  }
  return at <= bits;
}

/** Zeros before the next one of a unary part that may be longer than a window; -1 where the stream ends within it. */
function countZeros(words: Uint32Array, start: number, bits: number): number {
  let at = start;
  for (; at < bits; at += 32) {
    const ahead = window(words, at);
    if (ahead !== 0) return at - start + Math.clz32(ahead);
  }
  return -1;
}
