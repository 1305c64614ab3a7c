/** PLIO_1: runs of equal values, as IRAF packs masks (FITS Standard 4.0, section 10.4.3). */

const HEADER_WORDS = 7;

/** The first `count` pixels of a list of big-endian 16-bit instructions into `out`; false where the list ends before its own length. */
export function decodePlio(bytes: Uint8Array, out: Int32Array, count: number): boolean {
  const words = bytes.length >> 1;
  if (words < 3) return false;
  const word = (i: number): number => ((bytes[2 * i]! << 24) | (bytes[2 * i + 1]! << 16)) >> 16;
  const old = word(2) > 0;
  if (!old && words < HEADER_WORDS) return false;
  const length = old ? word(2) : (word(4) << 15) + word(3);
  const first = old ? 3 : word(1);
  if (length > words || first < 3) return false;
  let at = 0;
  let value = 1;
  for (let i = first; i < length && at < count; i++) {
    const instruction = word(i);
    const data = instruction & 0xfff;
    switch (Math.trunc(instruction / 4096)) {
      case 0:
      case 4:
      case 5: {
        const code = Math.trunc(instruction / 4096);
        const end = Math.min(count, at + data);
        out.fill(code === 4 ? value : 0, at, end);
        // The last one of a run of zeros that is whole.
        if (code === 5 && data > 0 && end === at + data) out[end - 1] = value;
        at = end;
        break;
      }
      case 1:
        if (i + 1 >= length) return false;
        value = (word(++i) << 12) + data;
        break;
      case 2:
        value += data;
        break;
      case 3:
        value -= data;
        break;
      case 6:
      case 7:
        value += instruction >= 0x7000 ? -data : data;
        out[at++] = value;
        break;
    }
  }
  out.fill(0, at, count);
  return true;
}
