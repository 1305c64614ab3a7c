/** RICE_1 (FITS Standard 4.0, section 10.4.1), byte for byte as CFITSIO encodes it. */

/** Differences coded together. */
export const riceBlock = 32;

/** Most bytes that `count` pixels of `bytepix` bytes can become. */
export function riceBound(count: number, bytepix: 1 | 2 | 4): number {
  // Each block costs its raw bits at worst and the split level before them; then the first pixel and what completes the last byte.
  return (bytepix + 1) * riceBlock * Math.ceil(count / riceBlock) + bytepix + 8;
}

/**
 * Encodes `count` ≥ 1 pixels into `out` (of {@link riceBound} bytes beyond `offset`), and returns where it ended. Pixels of 1 or 2 bytes may be
 * signed or not: only their low bits count.
 */
export function encodeRice(
  pixels: Int32Array,
  count: number,
  bytepix: 1 | 2 | 4,
  out: Uint8Array,
  offset: number,
): number {
  const levelBits = bytepix === 4 ? 5 : bytepix === 2 ? 4 : 3;
  const levelMax = bytepix === 4 ? 25 : bytepix === 2 ? 14 : 6;
  const pixelBits = bytepix * 8;
  // Differences wrap at the pixel's width; the shifts keep their sign.
  const unused = 32 - pixelBits;
  let at = offset;
  let last = pixels[0]!;
  for (let bit = pixelBits - 8; bit >= 0; bit -= 8) out[at++] = last >>> bit;

  // Up to 7 bits that make no byte yet, right-justified.
  let bits = 0;
  let held = 0;
  for (let from = 0; from < count; from += riceBlock) {
    const block = Math.min(riceBlock, count - from);
    let sum = 0;
    for (let i = 0; i < block; i++) {
      const pixel = pixels[from + i]!;
      const difference = ((pixel - last) << unused) >> unused;
      // Sign in the lowest bit: 0, −1, 1, −2 become 0, 1, 2, 3.
      const mapped = ((difference << 1) ^ (difference >> 31)) >>> 0;
      differences[i] = mapped;
      sum += mapped;
      last = pixel;
    }
    const mean = (sum - (block >> 1) - 1) / block;
    const level = mean <= 0 ? 0 : 32 - Math.clz32(Math.floor(mean) >>> 1);

    if (level >= levelMax) {
      bits = (bits << levelBits) | (levelMax + 1);
      held += levelBits;
      if (held >= 8) {
        held -= 8;
        out[at++] = bits >>> held;
      }
      for (let i = 0; i < block; i++) {
        const value = differences[i]!;
        for (let bit = pixelBits - 8; bit >= 0; bit -= 8) {
          bits = (bits << 8) | ((value >>> bit) & 0xff);
          out[at++] = bits >>> held;
        }
      }
    } else if (sum === 0) {
      bits <<= levelBits;
      held += levelBits;
      if (held >= 8) {
        held -= 8;
        out[at++] = bits >>> held;
      }
    } else {
      bits = (bits << levelBits) | (level + 1);
      held += levelBits;
      if (held >= 8) {
        held -= 8;
        out[at++] = bits >>> held;
      }
      const stop = 1 << level;
      const mask = stop - 1;
      for (let i = 0; i < block; i++) {
        const value = differences[i]!;
        let zeros = value >>> level;
        // The high part as so many zeros, a one, then the low bits: at most 24 at a time beside the 7 that wait.
        while (zeros + level >= 24) {
          const some = Math.min(zeros, 16);
          bits <<= some;
          held += some;
          while (held >= 8) {
            held -= 8;
            out[at++] = bits >>> held;
          }
          zeros -= some;
          if (some === 0) break;
        }
        const length = zeros + 1 + level;
        if (length > 24) {
          // Low bits alone can be as many as 24: the one before them goes first.
          bits = (bits << 1) | 1;
          held += 1;
          if (held >= 8) {
            held -= 8;
            out[at++] = bits >>> held;
          }
          bits = (bits << level) | (value & mask);
          held += level;
        } else {
          bits = (bits << length) | stop | (value & mask);
          held += length;
        }
        while (held >= 8) {
          held -= 8;
          out[at++] = bits >>> held;
        }
      }
    }
  }
  if (held > 0) out[at++] = bits << (8 - held);
  return at;
}

const differences = new Uint32Array(riceBlock);
