/** Bytes in memory as sources. */

import type { RangeSource } from '@darkroom/lane';
import type { ByteSource } from '../decode/reader.ts';

export const bytesSource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

export const rangesOf = (bytes: Uint8Array): RangeSource => ({
  size: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});
