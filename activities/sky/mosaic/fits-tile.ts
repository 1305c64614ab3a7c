/** Tiles of mosaics from images of FITS files. */
import type { Bitpix, FitsImage } from '../fits/read/file.ts';
import { maskBits, physical } from '../fits/read/physical.ts';
import { parseWcs } from '../wcs/parse.ts';
import type { MosaicTile, PixelType, PlaneReader } from './tile.ts';

/** What `physical` makes of them. */
const VALUES: ReadonlyMap<Bitpix, PixelType> = new Map([
  [8, 'float32'],
  [16, 'float32'],
  [-32, 'float32'],
  [32, 'float64'],
  [64, 'float64'],
  [-64, 'float64'],
]);

/** What `maskBits` makes of them, where they have no BZERO. */
const BITS: ReadonlyMap<Bitpix, PixelType> = new Map([
  [8, 'uint8'],
  [16, 'int16'],
  [32, 'int32'],
  [64, 'int64'],
]);

function valuesOf(image: FitsImage): PlaneReader {
  return {
    type: VALUES.get(image.bitpix)!,
    read: async (box, signal) => physical(await image.read(box, signal), image.header),
  };
}

function bitsOf(image: FitsImage): PlaneReader {
  const unsigned = image.header.number('BZERO', 0) !== 0;
  return {
    type: unsigned && image.bitpix !== 64 ? 'int32' : (BITS.get(image.bitpix) ?? 'int32'),
    read: async (box, signal) => maskBits(await image.read(box, signal), image.header),
  };
}

export interface TileImages {
  readonly image?: FitsImage;
  /** Inverse variances. */
  readonly weight?: FitsImage;
  readonly mask?: FitsImage;
  /** Magnitude of a source of flux 1. */
  readonly zeroPoint?: number;
}

/**
 * A tile of physical values, NaN where they are blank, on the grid of its image (its weight's or mask's where it has none). Throws as
 * `parseWcs`; reading, as `FitsImage.read` and `maskBits`.
 */
export function fitsTile(name: string, { image, weight, mask, zeroPoint }: TileImages): MosaicTile {
  const first = image ?? weight ?? mask;
  if (!first) throw new TypeError('a tile has a plane');
  const unit = image?.header.value('BUNIT');
  return {
    name,
    wcs: parseWcs(first.header),
    header: first.header,
    width: first.width,
    height: first.height,
    ...(image && { image: valuesOf(image) }),
    ...(weight && { weight: valuesOf(weight) }),
    ...(mask && { mask: bitsOf(mask) }),
    ...(typeof unit === 'string' && { unit: unit.trim() }),
    ...(zeroPoint !== undefined && { zeroPoint }),
  };
}
