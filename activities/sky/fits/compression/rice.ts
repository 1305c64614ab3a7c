/** RICE_1: differences of neighbours in blocks, each with its own number of low bits (FITS Standard 4.0, section 10.4.1). */

/** Bytes of a pixel before it was compressed, BYTEPIX. */
export type BytePix = 1 | 2 | 4;

/** Bits that say how many low bits a block has; the number that stands for uncoded values; bits of these. */
const CODES = { 1: [3, 6, 8], 2: [4, 14, 16], 4: [5, 25, 32] } as const;

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
    if (bytes.length < bytePix || count > out.length) return false;
    const [fsBits, fsMax, rawBits] = CODES[bytePix];
    let last = 0;
    for (let i = 0; i < bytePix; i++) last = (last << 8) | bytes[i]!;
    const words = this.load(bytes, bytePix);
    const bits = (bytes.length - bytePix) * 8;
    let at = 0;
    for (let i = 0; i < count; ) {
      const end = Math.min(count, i + blockSize);
      if (at + fsBits > bits) return false;
      const fs = (window(words, at) >>> (32 - fsBits)) - 1;
      at += fsBits;
      if (fs < 0) {
        out.fill(last, i, end);
        i = end;
      } else if (fs >= fsMax) {
        // 31 of 32 (or 15 of 16) is no number of low bits that there is: CFITSIO's reader does not look, its writer does not write it.
        if (fs > fsMax || at + (end - i) * rawBits > bits) return false;
        for (; i < end; i++) {
          const diff = window(words, at) >>> (32 - rawBits);
          at += rawBits;
          last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
          out[i] = last;
        }
      } else {
        at = decodeBlock(words, at, bits, out, i, end, fs, last);
        if (at < 0) return false;
        i = end;
        last = out[end - 1]!;
      }
    }
    if (bytePix === 2) for (let i = 0; i < count; i++) out[i] = (out[i]! << 16) >> 16;
    else if (bytePix === 1) for (let i = 0; i < count; i++) out[i] = out[i]! & 0xff;
    return true;
  }
}

/** 32 bits from the bit `at` on, the first the highest. */
function window(words: Uint32Array, at: number): number {
  const word = at >>> 5;
  const shift = at & 31;
  // A shift by 32 is one by 0: in two steps it is not.
  return (words[word]! << shift) | ((words[word + 1]! >>> 1) >>> (31 - shift));
}

/** One block whose differences have `fs` low bits and the rest in unary; where it ends, or -1 where the stream does before. */
function decodeBlock(
  words: Uint32Array,
  start: number,
  bits: number,
  out: Int32Array,
  from: number,
  to: number,
  fs: number,
  before: number,
): number {
  let at = start;
  let last = before;
  const low = 31 - fs;
  for (let i = from; i < to; i++) {
    const word = at >>> 5;
    const shift = at & 31;
    const bitsHere = (words[word]! << shift) | ((words[word + 1]! >>> 1) >>> (31 - shift));
    const zeros = Math.clz32(bitsHere);
    let diff: number;
    if (zeros <= low) {
      diff = (zeros << fs) | ((((bitsHere << zeros) << 1) >>> 1) >>> low);
      at += zeros + 1 + fs;
    } else {
      // A long unary part: over the end of the window, or of several.
      let all = 0;
      let part = bitsHere;
      while (part === 0) {
        at += 32;
        all += 32;
        if (at >= bits) return -1;
        part = window(words, at);
      }
      const rest = Math.clz32(part);
      at += rest + 1;
      diff = ((all + rest) << fs) | ((window(words, at) >>> 1) >>> low);
      at += fs;
    }
    last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
    out[i] = last;
  }
  return at > bits ? -1 : at;
}
