/** An image HDU compressed tile by tile, as RICE_1 in a binary table (FITS Standard 4.0, section 10). */
import { gzipSync } from 'node:zlib';
import { SkyError } from '../../../errors.ts';
import type { Pixels } from '../../../image/plane.ts';
import type { Card } from '../../card.ts';
import { makePixels } from '../../read/plain.ts';
import { ChecksumSum, checksumOf } from '../checksum.ts';
import type { ImageSpec } from '../file.ts';
import { blockLength, card, HeaderUnit } from '../header.ts';
import { type ImageWriter, type Place, RowCount, toBigEndian, withCards, writable } from '../image.ts';
import { type Dither, ditherSeed, quantize, quantizedBlank } from './quantize.ts';
import { encodeRice, riceBlock, riceBound } from './rice.ts';

/** How an image is compressed. Integers are kept as they are; floats are quantised, tiles where that cannot be done kept without loss. */
export interface RiceOptions {
  /** Pixels of a tile; those at the right and the upper edge may be smaller. A row of the image when not given. */
  readonly tile?: { readonly width: number; readonly height: number };
  /** Of floats: SUBTRACTIVE_DITHER_1 when not given. */
  readonly dither?: Dither;
  /** Of floats: steps to one standard deviation of a tile's noise; 4 when not given, as fpack has it. */
  readonly level?: number;
  /** Of floats: ZDITHER0, 1 to 10,000; from the first tile's bytes when not given. */
  readonly seed?: number;
}

/** Bytes of the heap held before they are written. */
const heapPiece = 1 << 20;

export class CompressedImage implements ImageWriter {
  readonly #spec: ImageSpec;
  readonly #place: Place;
  readonly #count: RowCount;
  readonly #tile: { width: number; height: number };
  readonly #quantization: { dither: Dither; level: number; seed: number } | undefined;
  readonly #bytepix: 1 | 2 | 4;
  readonly #header: HeaderUnit;
  /** Descriptors of 64 bits, for heaps that could pass 2^31. */
  readonly #wide: boolean;
  readonly #rowLength: number;
  readonly #table: DataView;
  readonly #sum = new ChecksumSum();

  /** Rows that do not fill a row of tiles yet. */
  #band: Pixels | undefined;
  #bandRows = 0;
  #tiles = 0;
  #heap: Uint8Array = new Uint8Array(0);
  #heapUsed = 0;
  #heapWritten = 0;
  /** Longest compressed tile, as TFORM says it; and longest lossless one. */
  #longest = 0;
  #longestGzip = 0;

  constructor(spec: ImageSpec, options: RiceOptions, place: Place) {
    const { width, height, bitpix } = spec;
    this.#spec = spec;
    this.#place = place;
    this.#count = new RowCount(width, height, bitpix);
    if (bitpix === 64) throw new SkyError('unsupported_fits', 'RICE_1 has no pixels of 64-bit integers');
    this.#tile = {
      width: Math.min(width, options.tile?.width ?? width),
      height: Math.min(height, options.tile?.height ?? 1),
    };
    const tiles = Math.ceil(width / this.#tile.width) * Math.ceil(height / this.#tile.height);
    if (!Number.isInteger(tiles) || this.#tile.width < 1 || this.#tile.height < 1) {
      throw new RangeError(`tiles of ${options.tile?.width} × ${options.tile?.height} pixels`);
    }
    const { level = 4, seed = 1 } = options;
    if (
      !(level > 0 && level < Number.POSITIVE_INFINITY) ||
      !(Number.isInteger(seed) && seed >= 1 && seed <= 10_000)
    ) {
      throw new RangeError(`floats quantised with level ${level}, seed ${seed}`);
    }
    if (bitpix < 0) {
      // The seed 0 stands for one that the first tile will give.
      this.#quantization = {
        dither: options.dither ?? 'SUBTRACTIVE_DITHER_1',
        level: options.level ?? 4,
        seed: options.seed ?? 0,
      };
    }
    this.#bytepix = bitpix === 8 ? 1 : bitpix === 16 ? 2 : 4;
    // RICE makes noise larger, if by little.
    this.#wide = 1.25 * width * height * Math.max(4, Math.abs(bitpix) / 8) >= 2 ** 31;
    const descriptor = this.#wide ? 16 : 8;
    this.#rowLength = bitpix > 0 ? descriptor : 2 * descriptor + 16;
    this.#table = new DataView(new ArrayBuffer(tiles * this.#rowLength));
    this.#header = new HeaderUnit(this.#lead().length, writable(spec.cards, bitpix));
  }

  rows(pixels: Pixels): void {
    const rows = this.#count.add(pixels);
    const { width, bitpix } = this.#spec;
    const { height } = this.#tile;
    for (let done = 0; done < rows; ) {
      if (this.#bandRows === 0 && rows - done >= height) {
        this.#compress(pixels.subarray(done * width, (done + height) * width), height);
        done += height;
        continue;
      }
      const some = Math.min(height - this.#bandRows, rows - done);
      this.#band ??= makePixels(bitpix, height * width);
      copy(pixels.subarray(done * width, (done + some) * width), this.#band, this.#bandRows * width);
      this.#bandRows += some;
      done += some;
      if (this.#bandRows === height) this.#flushBand();
    }
  }

  end(cards?: Iterable<Card>): void {
    this.#count.end();
    if (this.#bandRows > 0) this.#flushBand();
    this.#flushHeap();
    const { sink, position, ended } = this.#place;
    const dataPosition = position + this.#header.length;
    const table = new Uint8Array(this.#table.buffer);
    sink.write(dataPosition, table);
    this.#sum.addSum(checksumOf(table));
    const length = table.length + this.#heapWritten;
    const padding = (blockLength - (length % blockLength)) % blockLength;
    if (padding > 0) sink.write(dataPosition + length, new Uint8Array(padding));
    const lead = this.#lead();
    const header = cards
      ? withCards(this.#header, lead.length, writable(cards, this.#spec.bitpix))
      : this.#header;
    sink.write(position, header.bytes(lead, this.#sum.sum));
    ended(this.#header.length + length + padding);
  }

  #flushBand(): void {
    this.#compress(this.#band!.subarray(0, this.#bandRows * this.#spec.width), this.#bandRows);
    this.#bandRows = 0;
  }

  /** One row of tiles. */
  #compress(band: Pixels, height: number): void {
    const { width } = this.#spec;
    for (let x = 0; x < width; x += this.#tile.width) {
      const columns = Math.min(this.#tile.width, width - x);
      if (band instanceof Float32Array || band instanceof Float64Array) {
        this.#floatTile(
          columns === width ? band : cutFloats(band, width, x, columns, height),
          columns,
          height,
        );
      } else {
        this.#integerTile(band, x, columns, height);
      }
    }
  }

  #integerTile(band: Pixels, x: number, columns: number, height: number): void {
    const { width } = this.#spec;
    const count = columns * height;
    integers = atLeast(integers, count);
    let i = 0;
    for (let y = 0; y < height; y++) {
      const row = band.subarray(y * width + x, y * width + x + columns) as Exclude<Pixels, BigInt64Array>;
      integers.set(row, i);
      i += columns;
    }
    this.#rice(count);
  }

  #floatTile(tile: Float32Array | Float64Array, columns: number, height: number): void {
    const count = columns * height;
    integers = atLeast(integers, count);
    const quantization = this.#quantization!;
    if (quantization.seed === 0) quantization.seed = ditherSeed(tile);
    const quantized = quantize(tile, columns, height, quantization, this.#tiles + 1, integers);
    if (quantized) {
      const scales = this.#tiles * this.#rowLength + (this.#wide ? 16 : 8);
      this.#table.setFloat64(scales, quantized.scale);
      this.#table.setFloat64(scales + 8, quantized.zero);
      this.#rice(count);
      return;
    }
    const bytes = gzipSync(toBigEndian(tile, Buffer.allocUnsafe(tile.byteLength)));
    // The byte that names the operating system: unknown, on every one.
    bytes[9] = 255;
    this.#room(bytes.length);
    this.#heap.set(bytes, this.#heapUsed);
    this.#longestGzip = Math.max(this.#longestGzip, bytes.length);
    this.#describe(this.#rowLength - (this.#wide ? 16 : 8), bytes.length);
  }

  #rice(count: number): void {
    this.#room(riceBound(count, this.#bytepix));
    const end = encodeRice(integers, count, this.#bytepix, this.#heap, this.#heapUsed);
    this.#longest = Math.max(this.#longest, end - this.#heapUsed);
    this.#describe(0, end - this.#heapUsed);
  }

  /** Writes the descriptor of the tile that lies at the heap's end, in the column at `column`, and goes on to the next tile. */
  #describe(column: number, length: number): void {
    const at = this.#tiles * this.#rowLength + column;
    const offset = this.#heapWritten + this.#heapUsed;
    if (this.#wide) {
      this.#table.setBigInt64(at, BigInt(length));
      this.#table.setBigInt64(at + 8, BigInt(offset));
    } else {
      this.#table.setInt32(at, length);
      this.#table.setInt32(at + 4, offset);
    }
    this.#heapUsed += length;
    this.#tiles++;
  }

  #room(bytes: number): void {
    if (this.#heapUsed + bytes <= this.#heap.length) return;
    this.#flushHeap();
    if (bytes > this.#heap.length) this.#heap = new Uint8Array(Math.max(heapPiece, 2 * bytes));
  }

  #flushHeap(): void {
    const bytes = this.#heap.subarray(0, this.#heapUsed);
    const start = this.#place.position + this.#header.length + this.#table.byteLength;
    this.#place.sink.write(start + this.#heapWritten, bytes);
    this.#sum.add(bytes);
    this.#heapWritten += this.#heapUsed;
    this.#heapUsed = 0;
  }

  /** As many cards before the data are known as after. */
  #lead(): Card[] {
    const { width, height, bitpix } = this.#spec;
    const letter = this.#wide ? '1QB' : '1PB';
    const columns: [string, string][] = [['COMPRESSED_DATA', `${letter}(${this.#longest})`]];
    if (bitpix < 0) {
      columns.push(
        ['ZSCALE', '1D'],
        ['ZZERO', '1D'],
        ['GZIP_COMPRESSED_DATA', `${letter}(${this.#longestGzip})`],
      );
    }
    const quantization = this.#quantization;
    return [
      card('XTENSION', 'BINTABLE', 'compressed image'),
      card('BITPIX', 8),
      card('NAXIS', 2),
      card('NAXIS1', this.#rowLength, 'bytes of a row'),
      card('NAXIS2', this.#table.byteLength / this.#rowLength, 'tiles'),
      card('PCOUNT', this.#heapWritten, 'bytes of the heap'),
      card('GCOUNT', 1),
      card('TFIELDS', columns.length),
      ...columns.flatMap(([name, form], i) => [card(`TTYPE${i + 1}`, name), card(`TFORM${i + 1}`, form)]),
      card('ZIMAGE', true, 'this is a compressed image'),
      card('ZTENSION', 'IMAGE', 'of the image'),
      card('ZBITPIX', bitpix, 'of the image'),
      card('ZNAXIS', 2, 'of the image'),
      card('ZNAXIS1', width, 'of the image'),
      card('ZNAXIS2', height, 'of the image'),
      card('ZPCOUNT', 0, 'of the image'),
      card('ZGCOUNT', 1, 'of the image'),
      card('ZTILE1', this.#tile.width, 'pixels of a tile'),
      card('ZTILE2', this.#tile.height, 'pixels of a tile'),
      card('ZCMPTYPE', 'RICE_1'),
      card('ZNAME1', 'BLOCKSIZE'),
      card('ZVAL1', riceBlock),
      card('ZNAME2', 'BYTEPIX'),
      card('ZVAL2', this.#bytepix),
      ...(quantization
        ? [
            card('ZQUANTIZ', quantization.dither),
            card('ZDITHER0', quantization.seed),
            card('ZBLANK', quantizedBlank),
          ]
        : []),
    ];
  }
}

// Scratch of the largest tile so far: tiles come by the ten thousand.
let integers = new Int32Array(0);

function atLeast(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  return array.length >= length ? array : new Int32Array(length);
}

function copy(from: Pixels, to: Pixels, at: number): void {
  (to as Float64Array).set(from as Float64Array, at);
}

function cutFloats(
  band: Float32Array | Float64Array,
  width: number,
  x: number,
  columns: number,
  height: number,
): Float32Array | Float64Array {
  const tile =
    band instanceof Float32Array ? new Float32Array(columns * height) : new Float64Array(columns * height);
  for (let y = 0; y < height; y++)
    tile.set(band.subarray(y * width + x, y * width + x + columns), y * columns);
  return tile;
}
