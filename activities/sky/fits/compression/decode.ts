/** From the bytes of one tile to its values. */
import { SkyError } from '../../errors.ts';
import type { Pixels } from '../../image/plane.ts';
import type { Bitpix } from '../read/file.ts';
import { copySwapped, makePixels } from '../read/plain.ts';
import { gunzip, unshuffle } from './algorithms/gzip.ts';
import { decodeHcompress } from './algorithms/hcompress.ts';
import { decodePlio } from './algorithms/plio.ts';
import { RiceDecoder } from './algorithms/rice.ts';
import type { Layout } from './layout.ts';

/** Which column a tile's bytes are of. */
export type Stored = 'compressed' | 'gzipped' | 'uncompressed';

export interface TileShape {
  readonly width: number;
  readonly height: number;
  /** Pixels from the tile's first that are needed: a stream is decoded no further. */
  readonly needed: number;
}

/** Values of a tile: integers that stand for floats where `quantised`, else stored pixels. */
export interface TileValues {
  readonly values: Pixels | Float64Array;
  readonly quantised: boolean;
}

/** Decodes the tiles of one image, one after the other. What it gives is valid until the next one. */
export class TileDecoder {
  private readonly layout: Layout;
  private readonly rice = new RiceDecoder();
  private scratch = new Int32Array(0);

  constructor(layout: Layout) {
    this.layout = layout;
  }

  /** @param where as problems name the tile. Throws SkyError `corrupt_tile`. */
  decode(bytes: Uint8Array, stored: Stored, shape: TileShape, where: string): TileValues {
    const { layout } = this;
    if (stored === 'uncompressed') {
      return { values: this.plain(bytes, layout.bitpix, shape, where), quantised: false };
    }
    if (stored === 'gzipped') {
      return { values: this.unzipped(bytes, shape, where, false, false), quantised: false };
    }
    const quantised = layout.quantised !== undefined;
    switch (layout.algorithm) {
      case 'RICE_1': {
        this.requireIntegers(where);
        const out = this.integers(shape.needed);
        if (!this.rice.decode(bytes, out, shape.needed, layout.blockSize, layout.bytePix)) {
          throw corrupt(where, 'its stream ends early');
        }
        return { values: out, quantised };
      }
      case 'PLIO_1': {
        this.requireIntegers(where);
        const out = this.integers(shape.needed);
        if (!decodePlio(bytes, out, shape.needed)) throw corrupt(where, 'its list ends early');
        const { plioOffset } = layout;
        if (plioOffset !== 0) for (let i = 0; i < shape.needed; i++) out[i] = out[i]! - plioOffset;
        return { values: out, quantised };
      }
      case 'HCOMPRESS_1': {
        this.requireIntegers(where);
        const out = decodeHcompress(bytes, shape.width, shape.height, layout.smooth);
        if (out === undefined) throw corrupt(where, 'its stream is damaged');
        return { values: quantised ? this.narrowed(out) : clipped(out, layout.bitpix), quantised };
      }
      case 'NOCOMPRESS':
        return { values: this.plain(bytes, quantised ? 32 : layout.bitpix, shape, where), quantised };
      default:
        return {
          values: this.unzipped(bytes, shape, where, layout.algorithm === 'GZIP_2', quantised),
          quantised,
        };
    }
  }

  /** Only what packs bytes can hold floats as they are. */
  private requireIntegers(where: string): void {
    if (this.layout.bitpix > 0 || this.layout.quantised !== undefined) return;
    throw corrupt(where, `${this.layout.algorithm} holds integers, and ZSCALE, ZZERO say nothing`);
  }

  private integers(count: number): Int32Array {
    if (this.scratch.length < count) this.scratch = new Int32Array(count);
    return this.scratch;
  }

  private narrowed(values: Float64Array): Int32Array {
    const out = this.integers(values.length);
    out.set(values);
    return out;
  }

  private plain(bytes: Uint8Array, bitpix: Bitpix, shape: TileShape, where: string): Pixels {
    const size = Math.abs(bitpix) / 8;
    const pixels = shape.width * shape.height;
    if (bytes.length !== pixels * size) {
      throw corrupt(where, `it has ${bytes.length} bytes for ${pixels} pixels of ${size}`);
    }
    const out = makePixels(bitpix, pixels);
    copySwapped(bytes, 0, new Uint8Array(out.buffer), 0, pixels, size);
    return out;
  }

  private unzipped(
    bytes: Uint8Array,
    shape: TileShape,
    where: string,
    shuffled: boolean,
    quantised: boolean,
  ): Pixels {
    // Quantised tiles are 32 bits wide; of integers, a tile may have more bytes a pixel than the image.
    const own = quantised ? 32 : this.layout.bitpix;
    const pixels = shape.width * shape.height;
    const widths: Bitpix[] = own > 0 && own < 32 ? [own, own === 8 ? 16 : 32, 32] : [own];
    for (const bitpix of new Set(widths)) {
      const size = Math.abs(bitpix) / 8;
      const out = gunzip(bytes, pixels * size);
      if (out !== undefined) return this.plain(shuffled ? unshuffle(out, size) : out, bitpix, shape, where);
    }
    throw corrupt(where, `it is no gzip of ${pixels} pixels`);
  }
}

function corrupt(where: string, why: string): SkyError {
  return new SkyError('corrupt_tile', `${where} cannot be decoded: ${why}.`);
}

/** A lossy transform may go beyond what pixels can be: they end there, as CFITSIO has it. */
function clipped(values: Float64Array, bitpix: Bitpix): Float64Array {
  if (bitpix >= 32 || bitpix < 0) return values;
  const [low, high] = bitpix === 8 ? [0, 255] : [-32768, 32767];
  for (let i = 0; i < values.length; i++) values[i] = Math.min(high, Math.max(low, values[i]!));
  return values;
}
