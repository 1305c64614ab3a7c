import { gunzipSync } from 'node:zlib';

/** Unpacks a tile of exactly `length` bytes; undefined where it is another length or no gzip. Memory is bounded by `length`. */
export function gunzip(bytes: Uint8Array, length: number): Uint8Array | undefined {
  try {
    const out = gunzipSync(bytes, { maxOutputLength: length });
    return out.length === length ? out : undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

/** GZIP_2: all first bytes of the values, then all second ones, … Gives the values in order. */
export function unshuffle(bytes: Uint8Array, size: number): Uint8Array {
  if (size === 1) return bytes;
  const count = bytes.length / size;
  const out = new Uint8Array(bytes.length);
  for (let byte = 0; byte < size; byte++) {
    for (let i = 0, from = byte * count, to = byte; i < count; i++, to += size) out[to] = bytes[from + i]!;
  }
  return out;
}
