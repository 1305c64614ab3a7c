/** Checksums of a file by blocks: what was verified once is known again in every range that is read. */
import { crc32 } from 'node:zlib';
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';

/** Bytes that a checksum is of. */
export const blockBytes = 64 * 1024;

/** Of one file as it was. */
export interface FileChecksums {
  readonly etag: string;
  /** Bytes that each is of; the last may be of fewer. */
  readonly block: number;
  /** CRC-32 of each block, four bytes each, big-endian. */
  readonly sums: Uint8Array;
}

const sumAt = (sums: Uint8Array, index: number): number =>
  new DataView(sums.buffer, sums.byteOffset, sums.byteLength).getUint32(4 * index);

/**
 * A source that gives no byte that differs from what was verified: each range is read with the whole blocks that it touches, in one read as
 * before, and each block is checked. A CRC-32 knows every change of up to 32 bits that lie together, and all but one of 4 billion others.
 * Throws SkyError `corrupt_tile` naming the file and the block, `source_changed` where the checksums are of another version of the file.
 */
export function verifiedSource(source: ByteSource, { etag, block, sums }: FileChecksums): ByteSource {
  const { name, size } = source;
  const blocks = Math.ceil(size / block);
  if (etag !== source.etag || sums.byteLength !== 4 * blocks)
    throw new SkyError(
      'source_changed',
      `${name} is not the file that was verified. Index the survey again.`,
    );
  return {
    name,
    size,
    // What was learned of the same object without its checksums is not what these bytes say.
    etag: `${etag} verified`,
    async read(offset, length, signal) {
      const end = Math.min(size, offset + Math.max(0, length));
      if (end <= offset) return new Uint8Array(0);
      const start = offset - (offset % block);
      const bytes = await source.read(start, Math.min(size, Math.ceil(end / block) * block) - start, signal);
      for (let at = start; at < end; at += block) {
        const part = bytes.subarray(at - start, at - start + block);
        const whole = Math.min(block, size - at);
        if (part.length !== whole || crc32(part) !== sumAt(sums, at / block))
          throw new SkyError(
            'corrupt_tile',
            `${name}: block ${at / block} (bytes ${at} to ${at + whole - 1}) is not what was verified.`,
          );
      }
      return bytes.subarray(offset - start, end - start);
    },
  };
}
