/** Reads a file whole: checks what its headers say of their data, and takes the checksums that later reads are held to. */
import { crc32 } from 'node:zlib';
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import { openFits } from '../../fits/read/open.ts';
import { verifyChecksums } from '../../fits/write/verify.ts';
import { blockBytes, type FileChecksums } from './checksums.ts';

/** Bytes of one read: whole blocks. */
const pieceLength = 64 * blockBytes;

export interface Verified extends FileChecksums {
  /** Whether every HDU that has data has a DATASUM. */
  readonly datasum: boolean;
}

/**
 * Reads all of a file once, in order, a few MiB at a time. Throws SkyError `corrupt_tile` where DATASUM or CHECKSUM of an HDU is another, and as
 * `openFits` and `verifyChecksums` do.
 */
export async function verifyFile(
  source: ByteSource,
  options: { readonly signal?: AbortSignal | undefined; readonly onBytes?: (bytes: number) => void } = {},
): Promise<Verified> {
  const { signal } = options;
  const file = await openFits(source, { signal });
  let read = 0;
  const sums = Buffer.alloc(4 * Math.ceil(source.size / blockBytes));
  const hdus = await verifyChecksums(file, {
    pieceLength,
    ...(signal && { signal }),
    onBytes(position, bytes) {
      for (let at = 0; at < bytes.length; at += blockBytes)
        sums.writeUInt32BE(crc32(bytes.subarray(at, at + blockBytes)), (4 * (position + at)) / blockBytes);
      read += bytes.length;
      options.onBytes?.(bytes.length);
    },
  });
  if (read < source.size)
    throw new SkyError('truncated_fits', `${source.name} ends before its ${source.size} bytes.`);
  for (const { index, dataSum, checksum } of hdus)
    for (const [keyword, state] of [
      ['DATASUM', dataSum],
      ['CHECKSUM', checksum],
    ])
      if (state === 'wrong')
        throw new SkyError(
          'corrupt_tile',
          `${source.name}: ${keyword} of HDU ${index} does not match its bytes.`,
        );
  const datasum = hdus.every(
    ({ index, dataSum }) => file.hdus[index]?.dataBytes === 0 || dataSum !== 'absent',
  );
  return { etag: source.etag, block: blockBytes, sums, datasum };
}
