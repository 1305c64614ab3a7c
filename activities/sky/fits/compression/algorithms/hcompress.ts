/**
 * HCOMPRESS_1: the H-transform of R. White, its bits by quadtrees (FITS Standard 4.0, section 10.4.4). Doubles hold its integers: those of 32-bit
 * images need up to 53 bits.
 */

/** Bits of a stream; beyond its end they are 0, and `over` says so. */
class Bits {
  private readonly bytes: Uint8Array;
  private at: number;
  private left = 0;
  private byte = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  get over(): boolean {
    return this.at > this.bytes.length;
  }

  bit(): number {
    if (this.left === 0) {
      this.byte = this.at < this.bytes.length ? this.bytes[this.at]! : 0;
      this.at++;
      this.left = 8;
    }
    this.left--;
    return (this.byte >> this.left) & 1;
  }

  nybble(): number {
    const high = (this.bit() << 1) | this.bit();
    return (high << 2) | (this.bit() << 1) | this.bit();
  }

  /** One of 16 codes of 3 to 6 bits. */
  code(): number {
    let c = (this.bit() << 2) | (this.bit() << 1) | this.bit();
    if (c < 4) return 1 << c;
    c = (c << 1) | this.bit();
    if (c < 13) return FOUR_BITS[c - 8]!;
    c = (c << 1) | this.bit();
    if (c < 31) return FIVE_BITS[c - 26]!;
    return this.bit() === 0 ? 0 : 14;
  }

  /** The rest of a byte that was begun is not used. */
  align(): void {
    this.left = 0;
  }
}

const FOUR_BITS = [3, 5, 10, 12, 15];
const FIVE_BITS = [6, 7, 9, 11, 13];
const HEADER_BYTES = 25;
const MAX_PLANES = 53;

/** Of a power of two, and of what lies between rounded up. */
function log2Up(n: number): number {
  return n <= 1 ? 0 : 32 - Math.clz32(n - 1);
}

/** Lengths while a side is doubled `steps` times, from 1 to `side` itself; a side of nothing has codes of its own too. */
function lengths(side: number, steps: number): number[] {
  return Array.from({ length: steps + 1 }, (_, i) => Math.max(1, Math.ceil(side / 2 ** (steps - i))));
}

/**
 * A tile of `height` rows of `width` pixels; undefined where the stream is damaged or of another size.
 *
 * @param smooth SMOOTH: whether differences are interpolated on the way, which only lossy streams want
 */
export function decodeHcompress(
  bytes: Uint8Array,
  width: number,
  height: number,
  smooth: boolean,
): Float64Array | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== 0xdd || bytes[1] !== 0x99) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scale = view.getInt32(10);
  // The stream calls the slow axis x.
  if (view.getInt32(2) !== height || view.getInt32(6) !== width) return undefined;
  const sum = Number(view.getBigInt64(14));
  const planes = [bytes[22]!, bytes[23]!, bytes[24]!];
  if (planes.some((count) => count > MAX_PLANES)) return undefined;
  const a = new Float64Array(width * height);
  const bits = new Bits(bytes, HEADER_BYTES);
  const rows = (height + 1) >> 1;
  const columns = (width + 1) >> 1;
  const whole =
    quadrant(bits, a, 0, width, rows, columns, planes[0]!) &&
    quadrant(bits, a, columns, width, rows, width >> 1, planes[1]!) &&
    quadrant(bits, a, width * rows, width, height >> 1, columns, planes[1]!) &&
    quadrant(bits, a, width * rows + columns, width, height >> 1, width >> 1, planes[2]!);
  if (!whole || bits.nybble() !== 0) return undefined;
  bits.align();
  for (let i = 0; i < a.length; i++) if (a[i] !== 0 && bits.bit() === 1) a[i] = -a[i]!;
  if (bits.over) return undefined;
  a[0] = sum;
  if (scale > 1) for (let i = 0; i < a.length; i++) a[i] = a[i]! * scale;
  invert(a, height, width, smooth ? scale >> 1 : 0);
  return a;
}

/** Bit planes of one quadrant, `nx` rows of `ny` values, rows `stride` apart. */
function quadrant(
  bits: Bits,
  a: Float64Array,
  start: number,
  stride: number,
  nx: number,
  ny: number,
  planes: number,
): boolean {
  const steps = log2Up(Math.max(nx, ny));
  const xs = lengths(nx, steps);
  const ys = lengths(ny, steps);
  const half = ((nx + 1) >> 1) * ((ny + 1) >> 1);
  const codes = new Uint8Array(Math.max(1, (nx + 1) >> 1) * Math.max(1, (ny + 1) >> 1));
  for (let plane = planes - 1; plane >= 0; plane--) {
    const format = bits.nybble();
    if (bits.over) return false;
    if (format === 0) for (let i = 0; i < half; i++) codes[i] = bits.nybble();
    else if (format === 15) {
      codes[0] = bits.code();
      for (let k = 1; k < steps; k++) expand(bits, codes, xs[k]!, ys[k]!);
    } else return false;
    insert(codes, nx, ny, a, start, stride, 2 ** plane);
  }
  return true;
}

/** Each code becomes the four of its quarters, in the same memory; those that are not 0 are read. */
function expand(bits: Bits, codes: Uint8Array, nx: number, ny: number): void {
  const halfX = (nx + 1) >> 1;
  const halfY = (ny + 1) >> 1;
  for (let i = halfX - 1; i >= 0; i--) {
    for (let j = halfY - 1; j >= 0; j--) codes[2 * (i * ny + j)] = codes[i * halfY + j]!;
  }
  for (let i = 0; i < nx; i += 2) {
    for (let j = 0; j < ny; j += 2) {
      const at = i * ny + j;
      const code = codes[at]!;
      codes[at] = code >> 3;
      if (j + 1 < ny) codes[at + 1] = (code >> 2) & 1;
      if (i + 1 < nx) codes[at + ny] = (code >> 1) & 1;
      if (i + 1 < nx && j + 1 < ny) codes[at + ny + 1] = code & 1;
    }
  }
  for (let i = nx * ny - 1; i >= 0; i--) if (codes[i] !== 0) codes[i] = bits.code();
}

/** Four bits of a code are one bit each of a square of values. */
function insert(
  codes: Uint8Array,
  nx: number,
  ny: number,
  a: Float64Array,
  start: number,
  stride: number,
  value: number,
): void {
  let k = 0;
  for (let i = 0; i < nx; i += 2) {
    for (let j = 0; j < ny; j += 2) {
      const code = codes[k++]!;
      if (code === 0) continue;
      const at = start + i * stride + j;
      if (code & 8) a[at] = a[at]! + value;
      if (code & 4 && j + 1 < ny) a[at + 1] = a[at + 1]! + value;
      if (code & 2 && i + 1 < nx) a[at + stride] = a[at + stride]! + value;
      if (code & 1 && i + 1 < nx && j + 1 < ny) a[at + stride + 1] = a[at + stride + 1]! + value;
    }
  }
}

/** Coefficients of the first half go to even places, those of the second to odd ones. */
function unshuffle(a: Float64Array, start: number, n: number, step: number, scratch: Float64Array): void {
  const half = (n + 1) >> 1;
  for (let i = half; i < n; i++) scratch[i - half] = a[start + i * step]!;
  for (let i = half - 1; i >= 0; i--) a[start + 2 * i * step] = a[start + i * step]!;
  for (let i = 1; i < n; i += 2) a[start + i * step] = scratch[i >> 1]!;
}

/** To a multiple of `bit`, halves away from zero. */
function round(value: number, bit: number): number {
  const half = Math.floor(bit / 2);
  return Math.floor((value + (value >= 0 ? half : half - 1)) / bit) * bit;
}

/** Whether that bit is set, of a number as two's complement has it: 0 or `bit`. */
function masked(value: number, bit: number): number {
  const quotient = Math.floor(value / bit);
  return quotient - 2 * Math.floor(quotient / 2) === 0 ? 0 : bit;
}

/** The inverse H-transform in place, of `nx` rows of `ny` values. `most`: by how much smoothing may change a difference. */
function invert(a: Float64Array, nx: number, ny: number, most: number): void {
  const steps = log2Up(Math.max(nx, ny));
  const xs = lengths(nx, steps);
  const ys = lengths(ny, steps);
  const scratch = new Float64Array((Math.max(nx, ny) + 1) >> 1);
  let bit0 = 2 ** (steps - 1);
  a[0] = round(a[0]!, bit0 * 4);
  for (let k = steps - 1; k >= 0; k--) {
    const nxTop = xs[steps - k]!;
    const nyTop = ys[steps - k]!;
    for (let i = 0; i < nxTop; i++) unshuffle(a, i * ny, nyTop, 1, scratch);
    for (let j = 0; j < nyTop; j++) unshuffle(a, j, nxTop, ny, scratch);
    if (most > 0) smoothen(a, nxTop, nyTop, ny, most);
    step(a, nxTop, nyTop, ny, bit0, k === 0);
    bit0 /= 2;
  }
}

function step(a: Float64Array, nxTop: number, nyTop: number, ny: number, bit0: number, final: boolean): void {
  const bit1 = bit0 * 2;
  const divisor = final ? 4 : 2;
  for (let i = 0; i < nxTop; i += 2) {
    const hasX = i + 1 < nxTop;
    for (let j = 0; j < nyTop; j += 2) {
      const hasY = j + 1 < nyTop;
      const at = i * ny + j;
      let h0 = a[at]!;
      if (!hasX && !hasY) {
        a[at] = Math.floor(h0 / divisor);
        continue;
      }
      if (!hasX || !hasY) {
        const other = hasX ? at + ny : at + 1;
        const h = round(a[other]!, bit1);
        const low = masked(h, bit1);
        h0 = h0 >= 0 ? h0 - low : h0 + low;
        a[other] = Math.floor((h0 + h) / divisor);
        a[at] = Math.floor((h0 - h) / divisor);
        continue;
      }
      let hx = round(a[at + ny]!, bit1);
      let hy = round(a[at + 1]!, bit1);
      // In the last step there is nothing to round: bit0 is 1.
      const hc = bit0 === 1 ? a[at + ny + 1]! : round(a[at + ny + 1]!, bit0);
      const low0 = masked(hc, bit0);
      hx = hx >= 0 ? hx - low0 : hx + low0;
      hy = hy >= 0 ? hy - low0 : hy + low0;
      const low1 = masked(hc, bit1) ^ masked(hx, bit1) ^ masked(hy, bit1);
      if (h0 >= 0) h0 += low0 - low1;
      else h0 += low0 === 0 ? low1 : low0 - low1;
      a[at + ny + 1] = Math.floor((h0 + hx + hy + hc) / divisor);
      a[at + ny] = Math.floor((h0 + hx - hy - hc) / divisor);
      a[at + 1] = Math.floor((h0 - hx + hy - hc) / divisor);
      a[at] = Math.floor((h0 - hx - hy + hc) / divisor);
    }
  }
}

/** The difference that would agree with the neighbours, as far as these rise or fall steadily, in steps of 1/`divisor`. */
function adjusted(
  old: number,
  wanted: number,
  low: number,
  high: number,
  divisor: number,
  most: number,
): number {
  if (low >= high) return old;
  const change = Math.trunc((Math.max(Math.min(wanted, high), low) - old * divisor) / divisor);
  return old + Math.max(Math.min(change, most), -most);
}

function smoothen(a: Float64Array, nxTop: number, nyTop: number, ny: number, most: number): void {
  const slope = (at: number, middle: number, distance: number): void => {
    const before = a[middle - distance]!;
    const h0 = a[middle]!;
    const after = a[middle + distance]!;
    const high = Math.max(Math.min(after - h0, h0 - before), 0) * 4;
    const low = Math.min(Math.max(after - h0, h0 - before), 0) * 4;
    a[at] = adjusted(a[at]!, after - before, low, high, 8, most);
  };
  for (let i = 2; i < nxTop - 2; i += 2) {
    for (let j = 0; j < nyTop; j += 2) slope((i + 1) * ny + j, i * ny + j, 2 * ny);
  }
  for (let i = 0; i < nxTop; i += 2) {
    for (let j = 2; j < nyTop - 2; j += 2) slope(i * ny + j + 1, i * ny + j, 2);
  }
  for (let i = 2; i < nxTop - 2; i += 2) {
    for (let j = 2; j < nyTop - 2; j += 2) {
      const at = i * ny + j;
      const mm = a[at - 2 * ny - 2]!;
      const pm = a[at + 2 * ny - 2]!;
      const mp = a[at - 2 * ny + 2]!;
      const pp = a[at + 2 * ny + 2]!;
      const h0 = a[at]!;
      const x = a[at + ny]! * 2;
      const y = a[at + 1]! * 2;
      const high = Math.min(
        Math.max(pp - h0, 0) - x - y,
        Math.max(h0 - pm, 0) + x - y,
        Math.max(h0 - mp, 0) - x + y,
        Math.max(mm - h0, 0) + x + y,
      );
      const low = Math.max(
        Math.min(pp - h0, 0) - x - y,
        Math.min(h0 - pm, 0) + x - y,
        Math.min(h0 - mp, 0) - x + y,
        Math.min(mm - h0, 0) + x + y,
      );
      const hc = at + ny + 1;
      a[hc] = adjusted(a[hc]!, pp + mm - mp - pm, low * 16, high * 16, 64, most);
    }
  }
}
