/** Bytes in memory as sources. */

import type { ByteSource } from '../decode/reader.ts';
import type { RangeSource } from '../process/child.ts';

export const bytesSource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

export const rangesOf = (bytes: Uint8Array): RangeSource => ({
  size: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});
