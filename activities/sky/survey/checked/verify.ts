/** Reads a file whole: checks what its headers say of their data, and takes the checksums that later reads are held to. */
import { crc32 } from 'node:zlib';
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import type { FitsFile } from '../../fits/read/file.ts';
import { openFits } from '../../fits/read/open.ts';
import { ChecksumSum } from '../../fits/write/checksum.ts';
import { blockBytes, type FileChecksums } from './checksums.ts';

/** Bytes of one read: whole blocks. */
const readBytes = 64 * blockBytes;
const fitsBlock = 2880;

export interface Verified extends FileChecksums {
  /** Whether every HDU that has data has a DATASUM. */
  readonly datasum: boolean;
}

/** A part of the file, and what its words come to. */
interface Summed {
  readonly from: number;
  readonly to: number;
  readonly sum: ChecksumSum;
}

/**
 * Reads all of a file once, in order, a few MiB at a time. Throws SkyError `corrupt_tile` where DATASUM or CHECKSUM of an HDU is another, and as
 * `openFits` does.
 */
export async function verifyFile(
  source: ByteSource,
  options: { readonly signal?: AbortSignal | undefined; readonly onBytes?: (bytes: number) => void } = {},
): Promise<Verified> {
  const file = await openFits(source, { signal: options.signal });
  const parts = file.hdus.map((hdu, i): { header: Summed; data: Summed } => {
    const from = i === 0 ? 0 : dataEnd(file, i - 1);
    return {
      header: { from, to: hdu.dataOffset, sum: new ChecksumSum() },
      data: { from: hdu.dataOffset, to: Math.min(source.size, dataEnd(file, i)), sum: new ChecksumSum() },
    };
  });
  const sums = Buffer.alloc(4 * Math.ceil(source.size / blockBytes));
  const areas = parts.flatMap(({ header, data }) => [header, data]);
  for (let at = 0; at < source.size; at += readBytes) {
    const bytes = await source.read(at, readBytes, options.signal);
    if (bytes.length !== Math.min(readBytes, source.size - at))
      throw new SkyError('truncated_fits', `${source.name} ends before its ${source.size} bytes.`);
    for (let within = 0; within < bytes.length; within += blockBytes)
      sums.writeUInt32BE(
        crc32(bytes.subarray(within, within + blockBytes)),
        (4 * (at + within)) / blockBytes,
      );
    for (const area of areas) {
      const [from, to] = [Math.max(area.from, at), Math.min(area.to, at + bytes.length)];
      if (from < to) area.sum.add(bytes.subarray(from - at, to - at));
    }
    options.onBytes?.(bytes.length);
  }
  for (const [i, { header, data }] of parts.entries()) check(file, i, header.sum, data.sum);
  const datasum = file.hdus.every(({ header, dataBytes }) => dataBytes === 0 || header.has('DATASUM'));
  return { etag: source.etag, block: blockBytes, sums, datasum };
}

/** Where the data of an HDU ends, its fill included. */
function dataEnd(file: FitsFile, index: number): number {
  const { dataOffset, dataBytes } = file.hdus[index]!;
  return dataOffset + Math.ceil(dataBytes / fitsBlock) * fitsBlock;
}

function check(file: FitsFile, index: number, header: ChecksumSum, data: ChecksumSum): void {
  const { header: values } = file.hdus[index]!;
  const refuse = (keyword: string) => {
    throw new SkyError(
      'corrupt_tile',
      `${file.source.name}: ${keyword} of HDU ${index} does not match its bytes.`,
    );
  };
  const stated = values.value('DATASUM');
  if (stated !== undefined && Number(stated) !== data.sum) refuse('DATASUM');
  // All of an HDU comes to −0. Blank: not computed.
  const checksum = values.value('CHECKSUM');
  if (typeof checksum !== 'string' || checksum.trim() === '') return;
  header.addSum(data.sum);
  if (header.sum !== 2 ** 32 - 1) refuse('CHECKSUM');
}
