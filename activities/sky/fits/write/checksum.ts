/** DATASUM and CHECKSUM (FITS Standard 4.0, section 4.4.2.7 and appendix J). */

const modulus = 2 ** 32 - 1;

/**
 * The ones' complement sum of big-endian 32-bit words of bytes that come in pieces. A last word that is not whole counts as if zeros followed.
 */
export class ChecksumSum {
  #sum = 0;
  #position = 0;

  add(bytes: Uint8Array): void {
    let at = 0;
    for (; at < bytes.length && this.#position % 4 !== 0; at++) {
      this.#fold(bytes[at]! * 2 ** (24 - 8 * (this.#position++ % 4)));
    }
    const words = (bytes.length - at) >>> 2;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, words * 4);
    // A double counts 2^21 words without a loss.
    for (let from = 0; from < words; from += 1 << 20) {
      const to = Math.min(words, from + (1 << 20));
      let sum = 0;
      for (let offset = from * 4; offset < to * 4; offset += 4) sum += view.getUint32(offset);
      this.#fold(sum);
    }
    at += words * 4;
    this.#position += words * 4;
    for (; at < bytes.length; at++) this.#fold(bytes[at]! * 2 ** (24 - 8 * (this.#position++ % 4)));
  }

  /** Adds words that are in the machine's order: they are numbers already. The bytes before them are whole words. */
  addWords(words: Uint32Array): void {
    for (let from = 0; from < words.length; from += 1 << 20) {
      const to = Math.min(words.length, from + (1 << 20));
      // Four at a time: none of them waits for the sum before it.
      let [one, two, three, four] = [0, 0, 0, 0];
      let i = from;
      for (; i + 4 <= to; i += 4) {
        one += words[i]!;
        two += words[i + 1]!;
        three += words[i + 2]!;
        four += words[i + 3]!;
      }
      for (; i < to; i++) one += words[i]!;
      this.#fold(one + two + three + four);
    }
    this.#position += 4 * words.length;
  }

  /** Adds a sum that was made apart, of bytes whose place is a multiple of four. */
  addSum(sum: number): void {
    this.#fold(sum);
  }

  /** 0 ≤ sum < 2^32; what DATASUM holds. */
  get sum(): number {
    return this.#sum;
  }

  #fold(value: number): void {
    const sum = this.#sum + value;
    // Carries go back in at the bottom. What is not zero stays so: all ones is kept, as by adding word after word.
    this.#sum = sum <= modulus ? sum : ((sum - 1) % modulus) + 1;
  }
}

/** The ones' complement sum of all of `bytes`. */
export function checksumOf(bytes: Uint8Array): number {
  const sum = new ChecksumSum();
  sum.add(bytes);
  return sum.sum;
}

/** What CHECKSUM holds for an HDU that sums to `sum` while CHECKSUM is sixteen zeros ('0'): 16 letters and digits that make it sum to −0. */
export function encodeChecksum(sum: number): string {
  const complement = modulus - sum;
  const ascii = new Array<number>(16);
  for (let byte = 0; byte < 4; byte++) {
    const value = Math.floor(complement / 2 ** (24 - 8 * byte)) & 0xff;
    const quarter = (value >> 2) + 0x30;
    const four = [quarter + (value & 3), quarter, quarter, quarter];
    // In pairs, one up and one down, until none is punctuation.
    for (let changed = true; changed; ) {
      changed = false;
      for (let pair = 0; pair < 4; pair += 2) {
        if (!isPunctuation(four[pair]!) && !isPunctuation(four[pair + 1]!)) continue;
        four[pair]!++;
        four[pair + 1]!--;
        changed = true;
      }
    }
    // The value begins in column 12, not a multiple of four: all go one to the right.
    for (let i = 0; i < 4; i++) ascii[(4 * i + byte + 1) % 16] = four[i]!;
  }
  return String.fromCharCode(...ascii);
}

function isPunctuation(code: number): boolean {
  return (code >= 0x3a && code <= 0x40) || (code >= 0x5b && code <= 0x60);
}
