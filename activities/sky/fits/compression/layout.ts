/** How an image is cut into tiles and packed, from the header of the table that holds it. */
import { SkyError } from '../../errors.ts';
import type { Header } from '../header/header.ts';
import type { FitsLimits } from '../limits.ts';
import type { Bitpix, Hdu } from '../read/file.ts';
import { axesOf, bitpixOf, countOf, sizeOf } from '../read/hdu.ts';
import type { BytePix } from './algorithms/rice.ts';
import { type Column, columnsOf } from './columns.ts';
import type { Dither } from './dither.ts';

export type Algorithm = 'RICE_1' | 'GZIP_1' | 'GZIP_2' | 'PLIO_1' | 'HCOMPRESS_1' | 'NOCOMPRESS';

const ALGORITHMS: readonly string[] = ['RICE_1', 'GZIP_1', 'GZIP_2', 'PLIO_1', 'HCOMPRESS_1', 'NOCOMPRESS'];

/** One number for all tiles, a column with one for each, or none. */
export type PerTile = number | Column | undefined;

export interface Layout {
  readonly algorithm: Algorithm;
  readonly bitpix: Bitpix;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Pixels of a tile that is not at the edge. */
  readonly tileWidth: number;
  readonly tileHeight: number;
  /** Tiles side by side, and in all: rows of the table. */
  readonly across: number;
  readonly tiles: number;
  /** Of the table, in the file. */
  readonly tableOffset: number;
  readonly rowBytes: number;
  /** Of the heap, in the file. */
  readonly heapOffset: number;
  readonly heapBytes: number;
  readonly compressed: Column | undefined;
  readonly gzipped: Column | undefined;
  readonly uncompressed: Column | undefined;
  /** Floats that were made integers; undefined for integers, and for floats as they are. */
  readonly quantised:
    | { readonly scale: PerTile; readonly zero: PerTile; readonly dither: Dither }
    | undefined;
  readonly blank: PerTile;
  /** ZDITHER0. */
  readonly ditherSeed: number;
  /** RICE_1. */
  readonly blockSize: number;
  readonly bytePix: BytePix;
  /** HCOMPRESS_1. */
  readonly smooth: boolean;
  /** Of 16-bit PLIO_1 masks with BZERO 32768 the list has the unsigned values: less this they are the stored ones. */
  readonly plioOffset: number;
}

/** Tables of tiles have a few dozen: so many rows of them at a time are in memory. */
const MAX_ROW_BYTES = 4096;

/** The value of an algorithm's parameter, by its name, or in old files by its place. */
function parameter(header: Header, name: string, place: number, otherwise: number): number {
  for (let i = 1; header.has(`ZNAME${i}`); i++) {
    const found = header.value(`ZNAME${i}`);
    if (typeof found === 'string' && found.trim().toUpperCase() === name) return header.number(`ZVAL${i}`);
  }
  return header.has(`ZNAME${place}`) ? otherwise : header.number(`ZVAL${place}`, otherwise);
}

function algorithmOf(header: Header): Algorithm {
  const name = header.string('ZCMPTYPE').trim().toUpperCase();
  const known = name === 'RICE_ONE' ? 'RICE_1' : name;
  if (!ALGORITHMS.includes(known)) {
    throw new SkyError('unsupported_fits', `${header.where} is compressed by ${name}, which is not read.`);
  }
  return known as Algorithm;
}

function perTile(header: Header, columns: ReadonlyMap<string, Column>, name: string): PerTile {
  return columns.get(name) ?? (header.has(name) ? header.number(name) : undefined);
}

function tileSide(header: Header, axis: number, length: number): number {
  const side = countOf(header, `ZTILE${axis}`, axis === 1 ? length : 1);
  if (side === 0) throw new SkyError('invalid_fits', `ZTILE${axis} of ${header.where} is 0.`);
  return Math.min(side, length);
}

function ditherOf(header: Header): Dither {
  const method = header.value('ZQUANTIZ');
  return method === 'SUBTRACTIVE_DITHER_1' || method === 'SUBTRACTIVE_DITHER_2' ? method : 'NO_DITHER';
}

/** Throws SkyError `invalid_fits`, `unsupported_fits`, `fits_too_large`. */
export function layoutOf({ header, dataOffset, dataBytes }: Hdu, limits: FitsLimits): Layout {
  const { where } = header;
  const algorithm = algorithmOf(header);
  const bitpix = bitpixOf(header, 'ZBITPIX');
  const { width, height } = sizeOf(header, axesOf(header, 'Z'), limits);
  const tileWidth = tileSide(header, 1, width);
  const tileHeight = tileSide(header, 2, height);
  if (tileWidth * tileHeight > limits.tilePixels) {
    throw new SkyError(
      'fits_too_large',
      `The tiles of ${where} have ${tileWidth} × ${tileHeight} pixels; at most ${limits.tilePixels} are read.`,
    );
  }
  const across = Math.ceil(width / tileWidth);
  const tiles = across * Math.ceil(height / tileHeight);
  const rowBytes = countOf(header, 'NAXIS1');
  const rows = countOf(header, 'NAXIS2');
  if (rows !== tiles) {
    throw new SkyError('invalid_fits', `${where} has ${rows} table rows for ${tiles} tiles.`);
  }
  if (rowBytes > MAX_ROW_BYTES) {
    throw new SkyError(
      'fits_too_large',
      `The table rows of ${where} have ${rowBytes} bytes; at most ${MAX_ROW_BYTES} are read.`,
    );
  }
  const columns = columnsOf(header, rowBytes);
  const heapStart = countOf(header, 'THEAP', rowBytes * rows);
  if (heapStart < rowBytes * rows || heapStart > dataBytes) {
    throw new SkyError('invalid_fits', `THEAP of ${where} is ${heapStart}, outside its data.`);
  }
  const inHeap = (name: string): Column | undefined => {
    const column = columns.get(name);
    return column !== undefined && column.heapBytes > 0 ? column : undefined;
  };
  const compressed = inHeap('COMPRESSED_DATA');
  const gzipped = inHeap('GZIP_COMPRESSED_DATA');
  const uncompressed = inHeap('UNCOMPRESSED_DATA');
  if (compressed === undefined && gzipped === undefined && uncompressed === undefined) {
    throw new SkyError('invalid_fits', `${where} has no column COMPRESSED_DATA.`);
  }
  const scale = perTile(header, columns, 'ZSCALE');
  const zero = perTile(header, columns, 'ZZERO');
  // What ZQUANTIZ says is not asked: files that have it are lossless all the same when nothing scales.
  const quantised = bitpix < 0 && (scale !== undefined || zero !== undefined);
  const bytePix = algorithm === 'RICE_1' ? parameter(header, 'BYTEPIX', 2, 4) : 4;
  const blockSize = algorithm === 'RICE_1' ? parameter(header, 'BLOCKSIZE', 1, 32) : 32;
  if ((bytePix !== 1 && bytePix !== 2 && bytePix !== 4) || !Number.isInteger(blockSize) || blockSize < 1) {
    throw new SkyError(
      'unsupported_fits',
      `${where} has RICE_1 with BYTEPIX ${bytePix}, BLOCKSIZE ${blockSize}.`,
    );
  }
  const blank = perTile(header, columns, 'ZBLANK');
  return {
    algorithm,
    bitpix,
    width,
    height,
    tileWidth,
    tileHeight,
    across,
    tiles,
    tableOffset: dataOffset,
    rowBytes,
    heapOffset: dataOffset + heapStart,
    heapBytes: dataBytes - heapStart,
    compressed,
    gzipped,
    uncompressed,
    quantised: quantised ? { scale, zero, dither: ditherOf(header) } : undefined,
    blank: blank ?? (header.has('BLANK') ? header.number('BLANK') : undefined),
    ditherSeed: header.integer('ZDITHER0', 1),
    blockSize,
    bytePix,
    smooth: algorithm === 'HCOMPRESS_1' && parameter(header, 'SMOOTH', 2, 0) !== 0,
    plioOffset: algorithm === 'PLIO_1' && bitpix === 16 && header.value('BZERO') === 32768 ? 32768 : 0,
  };
}
