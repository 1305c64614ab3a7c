/** Finds the HDUs of a file one after the other, by ranged reads of their headers. */
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import { BLOCK_BYTES, CARD_BYTES, findEnd } from '../header/cards.ts';
import { Header } from '../header/header.ts';
import type { FitsLimits } from '../limits.ts';
import type { Hdu } from './file.ts';
import { shapeOf } from './hdu.ts';

/** Bytes of a file that are in memory. */
export interface Window {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** An HDU as it was found. */
export interface Found {
  readonly hdu: Hdu;
  /** The read that the header ended in: often it has the beginning of the data too. */
  readonly window: Window;
  /** Where the next HDU begins. */
  readonly next: number;
}

const MIN_READ = 4 * BLOCK_BYTES;
const MAX_READ = 22 * BLOCK_BYTES;
/** Of the file, in a read for a header: what a file of 25 MB and more pays for in one request saves the next. */
const READ_SHARE = 0.0025;

/** Bytes that are read for a header of a file of that size. */
export function headerRead(size: number): number {
  const share = Math.ceil((size * READ_SHARE) / BLOCK_BYTES) * BLOCK_BYTES;
  return Math.min(MAX_READ, Math.max(MIN_READ, share));
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return (
    Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, text.length)).toString('latin1') ===
    text
  );
}

function refuseFirst(source: ByteSource, bytes: Uint8Array): void {
  if (startsWith(bytes, 'SIMPLE  =')) return;
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    throw new SkyError(
      'unsupported_fits',
      `${source.name} is compressed as a whole by gzip. Unpack it first.`,
    );
  }
  throw new SkyError('invalid_fits', `${source.name} is no FITS file: it does not begin with SIMPLE.`);
}

/**
 * The HDU whose header begins at `offset`; undefined where the file ends, or goes on with something else than an extension (the standard lets it).
 * Throws SkyError.
 */
export async function findHdu(
  source: ByteSource,
  index: number,
  offset: number,
  known: Window | undefined,
  limits: FitsLimits,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  if (offset >= source.size && index > 0) return undefined;
  const where = `${source.name}[${index}]`;
  const step = headerRead(source.size);
  let window = inside(known, offset) ?? { offset, bytes: await source.read(offset, step, signal) };
  let bytes = window.bytes.subarray(offset - window.offset);
  if (index === 0) refuseFirst(source, bytes);
  // Too short to tell: what is known of the header ends before its first card does.
  else if (bytes.length >= 9 && !startsWith(bytes, 'XTENSION=')) return undefined;
  let end = -1;
  for (let seen = 0; ; ) {
    end = findEnd(bytes, seen);
    if (end >= 0) break;
    seen = Math.floor(bytes.length / CARD_BYTES) * CARD_BYTES;
    if (seen > (limits.cards + 1) * CARD_BYTES) break;
    const at = offset + bytes.length;
    if (at >= source.size) {
      throw new SkyError('truncated_fits', `${where} ends within its header: there is no END card.`);
    }
    // Each time twice as many, so that a long header needs few reads and no copy is made too often.
    window = { offset: at, bytes: await source.read(at, Math.max(step, bytes.length), signal) };
    if (window.bytes.length === 0) throw new SkyError('truncated_fits', `${where} ends within its header.`);
    bytes = Buffer.concat([bytes, window.bytes]);
    if (index > 0 && !startsWith(bytes, 'XTENSION=')) return undefined;
  }
  if (end < 0 || end > limits.cards * CARD_BYTES) {
    throw new SkyError('fits_too_large', `${where} has more than ${limits.cards} header cards.`);
  }
  const header = Header.parse(bytes.subarray(0, end + CARD_BYTES), where);
  const { kind, dataBytes } = shapeOf(header, limits);
  const dataOffset = offset + Math.ceil((end + CARD_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
  const extname = header.value('EXTNAME');
  const name = typeof extname === 'string' ? extname : '';
  return {
    hdu: { index, name, kind, header, dataOffset, dataBytes },
    window,
    next: dataOffset + Math.ceil(dataBytes / BLOCK_BYTES) * BLOCK_BYTES,
  };
}

/** What is known from `offset` on, where that is enough for a first card. */
function inside(window: Window | undefined, offset: number): Window | undefined {
  if (window === undefined || offset < window.offset) return undefined;
  return offset + CARD_BYTES <= window.offset + window.bytes.length ? window : undefined;
}
