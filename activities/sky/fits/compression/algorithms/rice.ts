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
/** Zero bytes behind the stream: what is read at most beyond its end before that is found out. */
const PADDING = 16;

/** Decodes streams one after the other in the same memory. */
export class RiceDecoder {
  private bytes = new Uint8Array(4096);
  private view = new DataView(this.bytes.buffer);

  /** The stream behind its first value, and zeros. */
  private load(bytes: Uint8Array, from: number): DataView {
    const length = bytes.length - from;
    if (this.bytes.length < length + PADDING) {
      this.bytes = new Uint8Array((length + PADDING) * 2);
      this.view = new DataView(this.bytes.buffer);
    }
    this.bytes.set(from === 0 ? bytes : bytes.subarray(from));
    this.bytes.fill(0, length, length + PADDING);
    return this.view;
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

/** Bits that one look into a table takes, and low bits of blocks that there are tables for: 16 KiB each, so that they stay in the nearest cache. */
const LOOK_BITS = 12;
const LOOK_FS = 8;
const looks: Int32Array[] = [];

/**
 * By the next {@link LOOK_BITS} bits, the one or two values that are whole in them: bits in all (5), values (2), the first difference (13), and the sum
 * of both (12), from the lowest bit on. 0 where there is none.
 */
function lookOf(fs: number): Int32Array {
  const known = looks[fs];
  if (known !== undefined) return known;
  const look = new Int32Array(1 << LOOK_BITS);
  for (let bits = 0; bits < look.length; bits++) {
    const ahead = bits << (32 - LOOK_BITS);
    let [at, values, first, sum] = [0, 0, 0, 0];
    while (values < 2) {
      const zeros = Math.clz32(ahead << at);
      const next = at + zeros + 1 + fs;
      if (next > LOOK_BITS) break;
      const low = fs === 0 ? 0 : (ahead << (at + zeros + 1)) >>> (32 - fs);
      const diff = (zeros << fs) | low;
      sum += (diff >>> 1) ^ -(diff & 1);
      if (values === 0) first = sum;
      values++;
      at = next;
    }
    if (values > 0) look[bits] = (sum << 20) | ((first & 0x1fff) << 7) | (values << 5) | at;
  }
  looks[fs] = look;
  return look;
}

/** 32 bits from the bit `at` on, the first the highest. */
function window(view: DataView, at: number): number {
  const byte = at >>> 3;
  return (view.getInt32(byte) << (at & 7)) | (view.getUint8(byte + 4) >>> (8 - (at & 7)));
}

/**
 * All blocks of a stream; false where it ends before `count` pixels. In one function, of 32-bit integers alone (hence each `| 0`), with shifts that
 * take their count modulo 32: here is where the time goes. A value waits for the one before it to know where it begins, so most are taken four
 * at a time: two looks for each read of the stream. They write a value more than they have, which the next one overwrites.
 */
function decodeBlocks(
  view: DataView,
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
    const fs = ((window(view, at) >>> (32 - fsBits)) - 1) | 0;
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
        const diff = window(view, at) >>> (32 - rawBits);
        at = (at + rawBits) | 0;
        last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
        out[i] = last;
      }
      continue;
    }
    const low = (31 - fs) | 0;
    const width = (fs + 1) | 0;
    const look = lookOf(Math.min(fs, LOOK_FS - 1));
    const last4 = fs < LOOK_FS ? (end - 4) | 0 : -1;
    while (i < end) {
      while (i <= last4) {
        // 25 bits of them count, of which two looks take 24.
        const ahead = view.getInt32(at >>> 3) << (at & 7);
        const one = look[ahead >>> (32 - LOOK_BITS)]!;
        const two = look[(ahead << (one & 31)) >>> (32 - LOOK_BITS)]!;
        if (one === 0 || two === 0) break;
        out[i] = (last + ((one << 12) >> 19)) | 0;
        last = (last + (one >> 20)) | 0;
        out[i + 1] = last;
        i = (i + ((one >>> 5) & 3)) | 0;
        out[i] = (last + ((two << 12) >> 19)) | 0;
        last = (last + (two >> 20)) | 0;
        out[i + 1] = last;
        i = (i + ((two >>> 5) & 3)) | 0;
        at = (at + (one & 31) + (two & 31)) | 0;
      }
      if (i === end) break;
      const ahead = window(view, at);
      const zeros = Math.clz32(ahead);
      if (zeros > low) {
        const all = countZeros(view, at, bits) | 0;
        if (all < 0) return false;
        const diff = (all << fs) | ((window(view, (at + all + 1) | 0) >>> 1) >>> low);
        at = (at + all + width) | 0;
        last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
      } else {
        const diff = (zeros << fs) | ((((ahead << zeros) << 1) >>> 1) >>> low);
        at = (at + zeros + width) | 0;
        last = (last + ((diff >>> 1) ^ -(diff & 1))) | 0;
      }
      out[i] = last;
      i = (i + 1) | 0;
    }
  }
  return at <= bits;
}

/** Zeros before the next one of a unary part that may be longer than a window; -1 where the stream ends within it. */
function countZeros(view: DataView, start: number, bits: number): number {
  let at = start;
  for (; at < bits; at += 32) {
    const ahead = window(view, at);
    if (ahead !== 0) return at - start + Math.clz32(ahead);
  }
  return -1;
}
