import { coalesce, type Range } from '../../bytes/ranges.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import type { PixelBox, Pixels, Plane } from '../../image/plane.ts';
import type { FitsLimits } from '../limits.ts';
import { readPieces } from '../read/fetch.ts';
import type { FitsImage, Hdu } from '../read/file.ts';
import { makePixels, requireInside } from '../read/plain.ts';
import type { Window } from '../read/walk.ts';
import { type Column, descriptorAt, numberAt } from './columns.ts';
import { type Stored, TileDecoder, type TileValues } from './decode.ts';
import { dequantise, type Placement, type Quantisation } from './dither.ts';
import { type Layout, layoutOf, type PerTile } from './layout.ts';
import { blankOf, restoreHeader } from './restore.ts';
import { type TileRows, TileTable } from './table.ts';

/** What is known of a compressed image, whoever opens it. */
export interface Compressed {
  readonly layout: Layout;
  readonly header: FitsImage['header'];
  readonly table: TileTable;
}

/** @param window what is known of the table. Throws SkyError `invalid_fits`, `unsupported_fits`, `fits_too_large`. */
export function describe(hdu: Hdu, window: Window | undefined, limits: FitsLimits): Compressed {
  const layout = layoutOf(hdu, limits);
  return { layout, header: restoreHeader(hdu.header, layout), table: new TileTable(layout, window) };
}

/** One tile that a box touches. */
interface Tile extends Range {
  /** Row of the table, from 0. */
  readonly row: number;
  readonly stored: Stored;
  readonly scale: number;
  readonly zero: number;
  readonly blank: number;
}

/** Of which descriptors are in memory at a time. */
const TILES_AT_ONCE = 16_384;
/** More than any algorithm makes of a pixel, and of a tile: what is longer is damaged. */
const MAX_PIXEL_BYTES = 16;
const SPARE_BYTES = 4096;

/** A tile-compressed image. `grown` is told the bytes of memory that its table takes from now on. */
export function compressedImage(
  source: ByteSource,
  hdu: Hdu,
  { layout, header, table }: Compressed,
  limits: FitsLimits,
  grown: (bytes: number) => void,
): FitsImage {
  const { width, height, bitpix } = layout;
  const extname = header.value('EXTNAME');
  const image: FitsImage = {
    name: typeof extname === 'string' ? extname : '',
    index: hdu.index,
    header,
    bitpix,
    width,
    height,
    compression: layout.algorithm,
    async read(box, signal) {
      const [plane] = await image.readMany([box], signal);
      return plane!;
    },
    async readMany(boxes, signal) {
      const targets = boxes.map((box): Target => {
        requireInside(image, box, header.where, limits);
        return { box, data: makePixels(bitpix, box.width * box.height) };
      });
      const reader = new BoxReader(layout, targets, blankOf(hdu.header, layout), header.where, limits);
      for (const runs of reader.batches()) {
        const rows = await table.load(source, runs, signal, grown);
        const tiles = reader.tiles(rows, runs);
        const ranges = coalesce(tiles);
        const byRange = assign(tiles, ranges);
        await readPieces(source, ranges, signal, (range, bytes) => {
          for (const tile of byRange.get(range) ?? []) {
            reader.place(tile, bytes.subarray(tile.start - range.start, tile.end - range.start));
          }
        });
      }
      return targets.map(
        ({ box: { width: columns, height: rows }, data }): Plane => ({ width: columns, height: rows, data }),
      );
    },
  };
  return image;
}

/** Which tiles each range has; both are sorted by their start. */
function assign(tiles: readonly Tile[], ranges: readonly Range[]): Map<Range, Tile[]> {
  const byRange = new Map<Range, Tile[]>(ranges.map((range) => [range, []]));
  let i = 0;
  for (const tile of tiles) {
    while (tile.start < ranges[i]!.start || tile.end > ranges[i]!.end) i++;
    byRange.get(ranges[i]!)!.push(tile);
  }
  return byRange;
}

/** A box, and its pixels as they come. */
interface Target {
  readonly box: PixelBox;
  readonly data: Pixels;
}

/** Reads boxes: which rows of the table they need, which bytes these name, and where the pixels of each tile go. */
class BoxReader {
  private readonly layout: Layout;
  /** Those that touch a row of tiles, by its number from 0. */
  private readonly byTileRow = new Map<number, Target[]>();
  private readonly blank: number | undefined;
  private readonly where: string;
  private readonly limits: FitsLimits;
  private readonly decoder: TileDecoder;

  /** @param blank BLANK of an integer image whose tiles have their own */
  constructor(
    layout: Layout,
    targets: readonly Target[],
    blank: number | undefined,
    where: string,
    limits: FitsLimits,
  ) {
    this.layout = layout;
    const { tileHeight } = layout;
    for (const target of targets) {
      const { y0, height } = target.box;
      const last = Math.floor((y0 + height - 1) / tileHeight);
      for (let y = Math.floor(y0 / tileHeight); y <= last; y++) {
        const there = this.byTileRow.get(y);
        if (there === undefined) this.byTileRow.set(y, [target]);
        else there.push(target);
      }
    }
    this.blank = typeof layout.blank === 'object' ? blank : undefined;
    this.where = where;
    this.limits = limits;
    this.decoder = new TileDecoder(layout);
  }

  /** Runs of table rows, of so many tiles at a time that a list of them is small. */
  *batches(): Generator<Range[]> {
    const { across } = this.layout;
    let runs: { start: number; end: number }[] = [];
    let tiles = 0;
    for (const y of [...this.byTileRow.keys()].sort((a, b) => a - b)) {
      for (const span of this.spans(y)) {
        const end = y * across + span.end;
        for (let start = y * across + span.start; start < end; ) {
          const some = Math.min(end - start, TILES_AT_ONCE - tiles);
          const before = runs.at(-1);
          if (before?.end === start) before.end += some;
          else runs.push({ start, end: start + some });
          start += some;
          tiles += some;
          if (tiles === TILES_AT_ONCE) {
            yield runs;
            runs = [];
            tiles = 0;
          }
        }
      }
    }
    if (tiles > 0) yield runs;
  }

  /** Columns of tiles that are touched in a row of them, each once, in order. */
  private spans(y: number): Range[] {
    const { tileWidth } = this.layout;
    const touched = (this.byTileRow.get(y) ?? [])
      .map(({ box: { x0, width } }) => ({
        start: Math.floor(x0 / tileWidth),
        end: Math.floor((x0 + width - 1) / tileWidth) + 1,
      }))
      .sort((a, b) => a.start - b.start);
    const spans: { start: number; end: number }[] = [];
    for (const { start, end } of touched) {
      const before = spans.at(-1);
      if (before !== undefined && start <= before.end) before.end = Math.max(before.end, end);
      else spans.push({ start, end });
    }
    return spans;
  }

  /** Tiles of those rows, sorted by where their bytes begin. Throws SkyError `corrupt_tile`. */
  tiles(rows: TileRows, runs: readonly Range[]): Tile[] {
    const tiles: Tile[] = [];
    for (const { start, end } of runs)
      for (let row = start; row < end; row++) tiles.push(this.tile(rows, row));
    return tiles.sort((a, b) => a.start - b.start || a.end - b.end);
  }

  private tile(rows: TileRows, row: number): Tile {
    const { layout } = this;
    const { view, at } = rows.at(row);
    const piece =
      this.piece(view, at, row, 'compressed', layout.compressed) ??
      this.piece(view, at, row, 'gzipped', layout.gzipped) ??
      this.piece(view, at, row, 'uncompressed', layout.uncompressed);
    if (piece === undefined) throw this.corrupt(row, 'it has no data');
    const value = (per: PerTile, otherwise: number): number =>
      typeof per === 'object' ? numberAt(view, at, per) : (per ?? otherwise);
    return {
      ...piece,
      row,
      scale: value(layout.quantised?.scale, 1),
      zero: value(layout.quantised?.zero, 0),
      blank: value(layout.blank, Number.NaN),
    };
  }

  private piece(
    view: DataView,
    at: number,
    row: number,
    stored: Stored,
    column: Column | undefined,
  ): (Range & { stored: Stored }) | undefined {
    if (column === undefined) return undefined;
    const { count, start } = descriptorAt(view, at, column);
    if (count === 0) return undefined;
    const { heapOffset, heapBytes, tileWidth, tileHeight } = this.layout;
    const bytes = count * column.heapBytes;
    if (!(count > 0 && start >= 0 && start + bytes <= heapBytes)) {
      throw this.corrupt(row, `its ${bytes} bytes at ${start} lie outside the heap of ${heapBytes}`);
    }
    if (bytes > this.limits.tileBytes || bytes > tileWidth * tileHeight * MAX_PIXEL_BYTES + SPARE_BYTES) {
      throw this.corrupt(row, `its ${bytes} bytes are more than its pixels take`);
    }
    return { start: heapOffset + start, end: heapOffset + start + bytes, stored };
  }

  private corrupt(row: number, why: string): SkyError {
    return new SkyError('corrupt_tile', `${this.name(row)} cannot be read: ${why}.`);
  }

  private name(row: number): string {
    const { across, tileWidth, tileHeight } = this.layout;
    const x = (row % across) * tileWidth;
    const y = Math.floor(row / across) * tileHeight;
    return `Tile ${row + 1} of ${this.where} (at ${x}, ${y})`;
  }

  /** Decodes a tile, as far as it is needed, and puts what of it lies in the boxes there. Throws SkyError `corrupt_tile`. */
  place(tile: Tile, bytes: Uint8Array): void {
    const { layout } = this;
    const row = Math.floor(tile.row / layout.across);
    const left = (tile.row % layout.across) * layout.tileWidth;
    const top = row * layout.tileHeight;
    const width = Math.min(layout.tileWidth, layout.width - left);
    const height = Math.min(layout.tileHeight, layout.height - top);
    const targets = this.byTileRow.get(row) ?? [];
    let needed = 0;
    for (const { box } of targets) {
      const x1 = Math.min(left + width, box.x0 + box.width);
      const y1 = Math.min(top + height, box.y0 + box.height);
      if (x1 > Math.max(left, box.x0)) needed = Math.max(needed, (y1 - 1 - top) * width + x1 - left);
    }
    const values = this.decoder.decode(bytes, tile.stored, { width, height, needed }, this.name(tile.row));
    for (const { box, data } of targets) {
      const x0 = Math.max(left, box.x0);
      const y0 = Math.max(top, box.y0);
      const x1 = Math.min(left + width, box.x0 + box.width);
      const y1 = Math.min(top + height, box.y0 + box.height);
      if (x1 <= x0) continue;
      this.put(tile, values, data, {
        tileWidth: width,
        outWidth: box.width,
        x0: x0 - left,
        y0: y0 - top,
        width: x1 - x0,
        height: y1 - y0,
        outStart: (y0 - box.y0) * box.width + x0 - box.x0,
      });
    }
  }

  private put(tile: Tile, { values, quantised }: TileValues, data: Pixels, place: Placement): void {
    const { layout } = this;
    if (quantised) {
      const { scale, zero, blank } = tile;
      const quantisation: Quantisation = { scale, zero, blank, dither: layout.quantised!.dither };
      dequantise(
        values as Int32Array,
        place,
        quantisation,
        tile.row + layout.ditherSeed - 1,
        data as Float32Array,
      );
      return;
    }
    for (let y = 0; y < place.height; y++) {
      const from = (place.y0 + y) * place.tileWidth + place.x0;
      const to = place.outStart + y * place.outWidth;
      copyRow(values, from, data, to, place.width);
      if (this.blank !== undefined) blankRow(data, to, place.width, tile.blank, this.blank);
    }
  }
}

/** Integers may be wider in the tile than in the image. */
function copyRow(values: TileValues['values'], from: number, data: Pixels, to: number, count: number): void {
  if (data instanceof BigInt64Array) {
    if (values instanceof BigInt64Array) data.set(values.subarray(from, from + count), to);
    else for (let i = 0; i < count; i++) data[to + i] = BigInt(values[from + i]!);
  } else if (!(values instanceof BigInt64Array)) data.set(values.subarray(from, from + count), to);
}

/** Pixels that the tile has no value for have the image's BLANK. */
function blankRow(data: Pixels, from: number, count: number, old: number, blank: number): void {
  if (old === blank || data instanceof BigInt64Array) return;
  for (let i = from; i < from + count; i++) if (data[i] === old) data[i] = blank;
}
