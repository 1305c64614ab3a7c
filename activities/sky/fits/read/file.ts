/** What an opened FITS file gives. */
import type { ByteSource } from '../../bytes/source.ts';
import type { PixelBox, Plane } from '../../image/plane.ts';
import type { Header } from '../header/header.ts';

/** BITPIX: bits of a stored pixel, negative for floating point. */
export type Bitpix = 8 | 16 | 32 | 64 | -32 | -64;

export type HduKind = 'image' | 'compressed' | 'empty' | 'table';

/** One header and its data, as they lie in the file. */
export interface Hdu {
  /** 0 for the primary one. */
  readonly index: number;
  /** EXTNAME; '' where there is none. */
  readonly name: string;
  /** `compressed` is an image in a table of tiles, `empty` has no data. */
  readonly kind: HduKind;
  /** As it is in the file: of a compressed image, that of the table. */
  readonly header: Header;
  /** Bytes from the beginning of the file. */
  readonly dataOffset: number;
  /** Bytes, without the fill of the last block. */
  readonly dataBytes: number;
}

/** An image of two dimensions, plain or tile-compressed. */
export interface FitsImage {
  /** EXTNAME; '' where there is none. */
  readonly name: string;
  readonly index: number;
  /** As the image has it: of a compressed image, as `funpack` restores it; and where it says INHERIT = T, with what it has of the primary HDU. */
  readonly header: Header;
  readonly bitpix: Bitpix;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** ZCMPTYPE; undefined for a plain image. */
  readonly compression: string | undefined;
  /** Rows that cost no more than one of them: of a row of tiles; 1 in a plain image. */
  readonly rowsTogether: number;
  /**
   * Stored values of a box, which must lie inside the image: integers as they are in the file (BSCALE, BZERO and BLANK not applied, see
   * `physical`), floats as they were before tiles were quantised, NaN where they are blank. Reads only the rows or tiles that the box
   * touches. Throws SkyError, and what the source throws.
   */
  read(box: PixelBox, signal?: AbortSignal): Promise<Plane>;
  /**
   * The same of many boxes, in their order: each row or tile is read, and decoded, once, however many boxes touch it; of a compressed image up to the last
   * pixel that any of them needs. All of their pixels are in memory together.
   */
  readMany(boxes: readonly PixelBox[], signal?: AbortSignal): Promise<Plane[]>;
}

export interface FitsFile {
  readonly source: ByteSource;
  /** In the order of the file; where `until` was given, only up to that one. */
  readonly hdus: readonly Hdu[];
  /**
   * The image of an HDU, by index or EXTNAME (upper and lower case are the same); the first one that has an image where nothing is said.
   * Throws SkyError `invalid_cutout` where there is no such HDU, `unsupported_fits` where it has no image that can be read.
   */
  image(which?: number | string): FitsImage;
}
