import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import { type Compressed, compressedImage, describe } from '../compression/image.ts';
import { DEFAULT_LIMITS, type FitsLimits } from '../limits.ts';
import { FitsCache } from './cache.ts';
import type { FitsFile, FitsImage, Hdu } from './file.ts';
import { plainImage } from './plain.ts';
import { type Found, findHdu } from './walk.ts';

export interface OpenOptions {
  /** Default {@link DEFAULT_LIMITS}, each of them. */
  limits?: Partial<FitsLimits> | undefined;
  /** Shared with other opens; without one, what is learned is kept as long as the file's object. */
  cache?: FitsCache | undefined;
  /** Of the opening alone. */
  signal?: AbortSignal | undefined;
}

/** What all opens of one file share. HDUs are only ever added. */
interface Known {
  readonly found: (Found & { compressed?: Compressed })[];
  whole: boolean;
}

type Which = number | string | undefined;

function matches(hdu: Hdu, which: Which): boolean {
  if (typeof which === 'number') return hdu.index === which;
  if (typeof which === 'string') return hdu.name.toUpperCase() === which.toUpperCase();
  return hdu.kind === 'image' || hdu.kind === 'compressed';
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
  const known = cache.of<Known>(source, () => ({ found: [], whole: false }));
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
    const last = known.found[i - 1];
    const next = await findHdu(source, i, last?.next ?? 0, last?.window, limits, signal);
    // Another open may have found it meanwhile.
    if (known.found.length === i) {
      if (next === undefined) known.whole = true;
      else {
        known.found.push(next);
        cache.grow(source, next.hdu.header.cards.length * 80 * HEADER_COST + next.window.bytes.length);
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
      const { hdu, window } = one;
      if (hdu.kind === 'image') return plainImage(source, hdu, limits);
      if (hdu.kind === 'compressed') {
        one.compressed ??= describe(hdu, window, limits);
        return compressedImage(source, hdu, one.compressed, limits, (bytes) => cache.grow(source, bytes));
      }
      throw new SkyError('unsupported_fits', `${hdu.header.where} has no image.`);
    },
  };
}
