import { assign, coalesce, type Range } from '../../bytes/ranges.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import type { Plane } from '../../image/plane.ts';
import type { Header } from '../header/header.ts';
import { type FitsLimits, TILE_COST } from '../limits.ts';
import { readPieces } from '../read/fetch.ts';
import type { FitsImage, Hdu } from '../read/file.ts';
import { requireInside } from '../read/plain.ts';
import type { Window } from '../read/walk.ts';
import { type Column, descriptorAt, numberAt } from './columns.ts';
import type { Stored } from './decode.ts';
import { type Layout, layoutOf, type PerTile } from './layout.ts';
import { byTileRow, nameOf, neededOf, placeTiles, type Target, type Tile, type TileWork } from './place.ts';
import { blankOf, restoreHeader } from './restore.ts';
import { copied, isWorthThreads, partsOf, type TileThreads, targetOf } from './share.ts';
import { type TileRows, TileTable } from './table.ts';

/** What is known of a compressed image, whoever opens it. */
export interface Compressed {
  readonly layout: Layout;
  readonly header: Header;
  readonly table: TileTable;
}

/** @param window what is known of the table. Throws SkyError `invalid_fits`, `unsupported_fits`, `fits_too_large`. */
export function describe(hdu: Hdu, window: Window | undefined, limits: FitsLimits): Compressed {
  const layout = layoutOf(hdu, limits);
  return { layout, header: restoreHeader(hdu.header, layout), table: new TileTable(layout, window) };
}

/** Of which descriptors are in memory at a time. */
const TILES_AT_ONCE = 16_384;
/** More than any algorithm makes of a pixel, and of a tile: what is longer is damaged. */
const MAX_PIXEL_BYTES = 16;
const SPARE_BYTES = 4096;

export interface CompressedOptions {
  readonly limits: FitsLimits;
  /** Is told the bytes of memory that the table takes from now on. */
  readonly grown: (bytes: number) => void;
  /** Without them, all is decoded where it is read. */
  readonly threads: TileThreads | undefined;
}

/** A tile-compressed image. `header`: its own, with what it inherits. */
export function compressedImage(
  source: ByteSource,
  hdu: Hdu,
  { layout, table }: Compressed,
  header: Header,
  { limits, grown, threads }: CompressedOptions,
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
    rowsTogether: layout.tileHeight,
    async read(box, signal) {
      const [plane] = await image.readMany([box], signal);
      return plane!;
    },
    async readMany(boxes, signal) {
      for (const box of boxes) requireInside(image, box, header.where, limits);
      const shares = threads !== undefined && isWorthThreads(threads, layout, boxes) ? threads : undefined;
      const targets = boxes.map((box) => targetOf(bitpix, box, shares !== undefined));
      const reader = new BoxReader(layout, targets, header.where, limits);
      const work: Omit<TileWork, 'tiles' | 'bytes' | 'offset'> = {
        layout,
        targets,
        blank: typeof layout.blank === 'object' ? blankOf(hdu.header, layout) : undefined,
        where: header.where,
      };
      for (const runs of reader.batches()) {
        const rows = await table.load(source, runs, signal, grown);
        const tiles = reader.tiles(rows, runs);
        const ranges = coalesce(tiles);
        const byRange = assign(tiles, ranges);
        await readPieces(source, ranges, signal, async (range, bytes) => {
          const whole: TileWork = { ...work, tiles: byRange.get(range) ?? [], bytes, offset: range.start };
          if (shares === undefined) placeTiles(whole);
          else await Promise.all(partsOf(whole, shares).map((part) => shares.place(part, signal)));
        });
      }
      return targets.map(({ box: { width: columns, height: rows }, data }): Plane => {
        return { width: columns, height: rows, data: shares === undefined ? data : copied(data) };
      });
    },
  };
  return image;
}

/** Reads boxes: which rows of the table they need, and which bytes these name. */
class BoxReader {
  private readonly layout: Layout;
  private readonly byTileRow: ReadonlyMap<number, readonly Target[]>;
  private readonly where: string;
  private readonly limits: FitsLimits;
  /** Pixels, as `FitsLimits.decodedPixels` counts them. */
  private decoded = 0;

  constructor(layout: Layout, targets: readonly Target[], where: string, limits: FitsLimits) {
    this.layout = layout;
    this.where = where;
    this.limits = limits;
    // Before there is a list of their rows of tiles.
    for (const { box } of targets) {
      if ((box.height / layout.tileHeight) * TILE_COST > limits.decodedPixels) throw this.tooMuch();
    }
    this.byTileRow = byTileRow(layout, targets);
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

  /** Tiles of those rows, sorted by where their bytes begin. Throws SkyError `corrupt_tile`, `fits_too_large`. */
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
    const there = this.byTileRow.get(Math.floor(row / layout.across)) ?? [];
    this.decoded += Math.max(neededOf(layout, there, row), TILE_COST);
    if (this.decoded > this.limits.decodedPixels) throw this.tooMuch();
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

  private tooMuch(): SkyError {
    const { decodedPixels } = this.limits;
    return new SkyError(
      'fits_too_large',
      `More than ${decodedPixels} pixels of tiles of ${this.where} would have to be decoded.`,
    );
  }

  private corrupt(row: number, why: string): SkyError {
    return new SkyError('corrupt_tile', `${nameOf(this.layout, this.where, row)} cannot be read: ${why}.`);
  }
}
