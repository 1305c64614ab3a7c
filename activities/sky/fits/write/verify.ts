/** Whether a file's checksums hold: DATASUM over the data of each HDU, CHECKSUM over all of it. */
import { SkyError } from '../../errors.ts';
import type { FitsFile, Hdu } from '../read/file.ts';
import { ChecksumSum } from './checksum.ts';
import { blockLength } from './header.ts';

/** `absent`: the header has no such sum. */
export type ChecksumState = 'right' | 'wrong' | 'absent';

export interface HduChecksums {
  /** 0 for the primary HDU. */
  readonly index: number;
  readonly name: string;
  readonly dataSum: ChecksumState;
  readonly checksum: ChecksumState;
}

export interface VerifyOptions {
  /** Bytes read at a time; a multiple of 65,536 when `onBytes` wants its own sums of such pieces. 8 MiB when not given. */
  readonly pieceLength?: number;
  /** All bytes of the file in their order, once each: whoever wants sums of their own need not read it again. */
  readonly onBytes?: (position: number, bytes: Uint8Array) => void;
  readonly signal?: AbortSignal;
}

/**
 * Reads a file once, from its beginning to its end, and compares its sums. `file` must know all HDUs (`openFits`). Throws SkyError
 * `truncated_fits` where it ends before its last HDU does, `source_changed`, and what the source throws.
 */
export async function verifyChecksums(file: FitsFile, options: VerifyOptions = {}): Promise<HduChecksums[]> {
  const { source, hdus } = file;
  const { pieceLength = 8 << 20, onBytes, signal } = options;
  const sums = hdus.map((hdu, i) => {
    const before = hdus[i - 1];
    return {
      hdu,
      start: before ? endOf(before) : 0,
      end: endOf(hdu),
      header: new ChecksumSum(),
      data: new ChecksumSum(),
    };
  });
  for (let position = 0; position < source.size; position += pieceLength) {
    const bytes = await source.read(position, Math.min(pieceLength, source.size - position), signal);
    if (bytes.length < Math.min(pieceLength, source.size - position)) break;
    onBytes?.(position, bytes);
    for (const { hdu, start, end, header, data } of sums) {
      header.add(within(bytes, position, start, hdu.dataOffset));
      data.add(within(bytes, position, hdu.dataOffset, end));
    }
  }
  return sums.map(({ hdu, end, header, data }) => {
    // Some leave out what fills the last block: it counts as zeros.
    if (hdu.dataOffset + hdu.dataBytes > source.size) {
      throw new SkyError(
        'truncated_fits',
        `${source.name} ends in HDU ${hdu.index}, ${end - source.size} bytes early.`,
      );
    }
    const given = hdu.header.value('DATASUM');
    header.addSum(data.sum);
    return {
      index: hdu.index,
      name: hdu.name,
      dataSum: given === undefined ? 'absent' : isSum(given, data.sum) ? 'right' : 'wrong',
      checksum: !hdu.header.has('CHECKSUM') ? 'absent' : isZero(header.sum) ? 'right' : 'wrong',
    };
  });
}

function endOf({ dataOffset, dataBytes }: Hdu): number {
  return dataOffset + Math.ceil(dataBytes / blockLength) * blockLength;
}

function within(bytes: Uint8Array, position: number, start: number, end: number): Uint8Array {
  const from = Math.max(0, start - position);
  return bytes.subarray(from, Math.max(from, Math.min(bytes.length, end - position)));
}

/** DATASUM is a string; some write a number. */
function isSum(given: unknown, sum: number): boolean {
  return (
    /^\s*\d+\s*$/.test(String(given)) && (Number(given) === sum || (isZero(Number(given)) && isZero(sum)))
  );
}

/** There are two zeros: no bits, and all. */
function isZero(sum: number): boolean {
  return sum === 0 || sum === 2 ** 32 - 1;
}
