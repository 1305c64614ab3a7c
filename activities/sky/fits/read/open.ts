import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import { type Compressed, compressedImage, describe } from '../compression/image.ts';
import type { TileThreads } from '../compression/share.ts';
import { CARD_BYTES } from '../header/cards.ts';
import type { Header } from '../header/header.ts';
import { withInherited } from '../header/inherit.ts';
import { DEFAULT_LIMITS, type FitsLimits } from '../limits.ts';
import { FitsCache } from './cache.ts';
import type { FitsFile, FitsImage, Hdu } from './file.ts';
import { plainImage } from './plain.ts';
import { findHdu, type Window } from './walk.ts';

export interface OpenOptions {
  /** Default {@link DEFAULT_LIMITS}, each of them. */
  limits?: Partial<FitsLimits> | undefined;
  /** Shared with other opens; without one, what is learned is kept as long as the file's object. */
  cache?: FitsCache | undefined;
  /** Decode what is much, side by side; without them, this thread does. */
  threads?: TileThreads | undefined;
  /** Of the opening alone. */
  signal?: AbortSignal | undefined;
}

/** What all opens of one file share. HDUs are only ever added. */
interface Known {
  readonly found: KnownHdu[];
  /** The read that the last header ended in: often the next one begins there. */
  window: Window | undefined;
  whole: boolean;
}

interface KnownHdu {
  readonly hdu: Hdu;
  readonly next: number;
  /** Of a compressed image that nobody asked for yet: what is known of its table. */
  rows: Window | undefined;
  compressed?: Compressed;
  /** The image's, with what it inherits. */
  header?: Header;
}

type Which = number | string | undefined;

function matches(hdu: Hdu, which: Which): boolean {
  if (typeof which === 'number') return hdu.index === which;
  if (typeof which === 'string') return hdu.name.toUpperCase() === which.toUpperCase();
  return hdu.kind === 'image' || hdu.kind === 'compressed';
}

/** What of a read lies behind the header, copied: the read need not stay in memory for it. */
function tableIn({ offset, bytes }: Window, { dataOffset }: Hdu): Window {
  const from = Math.max(offset, dataOffset);
  return { offset: from, bytes: bytes.slice(from - offset) };
}

/** A header in memory takes about so many times its bytes in the file. */
const HEADER_COST = 4;

async function walk(
  source: ByteSource,
  until: ((hdu: Hdu) => boolean) | undefined,
  limits: FitsLimits,
  cache: FitsCache,
  signal: AbortSignal | undefined,
): Promise<Known> {
  const known = cache.of<Known>(source, () => ({ found: [], window: undefined, whole: false }));
  for (let i = 0; ; i++) {
    const there = known.found[i];
    if (there !== undefined) {
      if (until?.(there.hdu)) return known;
      continue;
    }
    if (known.whole) return known;
    if (i >= limits.hdus) {
      throw new SkyError('fits_too_large', `${source.name} has more than ${limits.hdus} HDUs.`);
    }
    const offset = known.found[i - 1]?.next ?? 0;
    const found = await findHdu(source, i, offset, known.window, limits, signal);
    // Another open may have found it meanwhile.
    if (known.found.length === i) {
      if (found === undefined) known.whole = true;
      else {
        const { hdu, next, window } = found;
        const rows = hdu.kind === 'compressed' ? tableIn(window, hdu) : undefined;
        known.found.push({ hdu, next, rows });
        known.window = window;
        cache.grow(source, hdu.header.cards.length * CARD_BYTES * HEADER_COST + (rows?.bytes.length ?? 0));
      }
    }
    i--;
  }
}

/**
 * Opens a FITS file: reads the headers of its HDUs, and no data. Throws SkyError (`invalid_fits`, `truncated_fits`, `fits_too_large`,
 * `unsupported_fits`), and what the source throws.
 */
export async function openFits(source: ByteSource, options: OpenOptions = {}): Promise<FitsFile> {
  return open(source, options, undefined);
}

/**
 * Opens one image of a file, by index or EXTNAME, the first one where `which` is undefined: reads only the headers up to its own. Throws as
 * {@link openFits} and `FitsFile.image` do.
 */
export async function openImage(
  source: ByteSource,
  which?: Which,
  options: OpenOptions = {},
): Promise<FitsImage> {
  const file = await open(source, options, (hdu) => matches(hdu, which));
  return file.image(which);
}

function described(one: KnownHdu, limits: FitsLimits): Compressed {
  one.compressed ??= describe(one.hdu, one.rows, limits);
  one.rows = undefined;
  return one.compressed;
}

/** As the image has it, whether it is compressed or not. */
const ownHeader = (one: KnownHdu, limits: FitsLimits): Header =>
  one.hdu.kind === 'compressed' ? described(one, limits).header : one.hdu.header;

/** That of the first HDU. An image that was the primary one before it was compressed (ZSIMPLE) is in the second, behind an empty one. */
function primaryHeader([first, second]: readonly KnownHdu[], of: Hdu, limits: FitsLimits): Header {
  const packed = second !== undefined && of.index > 1 && second.hdu.header.has('ZSIMPLE');
  return packed && second.hdu.kind === 'compressed' ? ownHeader(second, limits) : first!.hdu.header;
}

async function open(
  source: ByteSource,
  options: OpenOptions,
  until: ((hdu: Hdu) => boolean) | undefined,
): Promise<FitsFile> {
  const limits: FitsLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const cache = options.cache ?? new FitsCache();
  const { found } = await walk(source, until, limits, cache, options.signal);
  const all = [...found];
  return {
    source,
    hdus: all.map(({ hdu }) => hdu),
    image(which?: Which): FitsImage {
      const one = all.find(({ hdu }) => matches(hdu, which));
      if (one === undefined) {
        const wanted = which === undefined ? 'image' : `HDU ${which}`;
        throw new SkyError('invalid_cutout', `${source.name} has no ${wanted}.`);
      }
      const { hdu } = one;
      if (hdu.kind !== 'image' && hdu.kind !== 'compressed')
        throw new SkyError('unsupported_fits', `${hdu.header.where} has no image.`);
      one.header ??= withInherited(ownHeader(one, limits), primaryHeader(all, hdu, limits));
      if (hdu.kind === 'image') return plainImage(source, hdu, one.header, limits);
      return compressedImage(source, hdu, described(one, limits), one.header, {
        limits,
        grown: (bytes) => cache.grow(source, bytes),
        threads: options.threads,
      });
    },
  };
}
