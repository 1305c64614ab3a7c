/** Tiles into boxes: decoded as far as they are needed, and their pixels put where they belong. Knows no file, so that any thread can do it. */
import type { Range } from '../../bytes/ranges.ts';
import type { PixelBox, Pixels } from '../../image/plane.ts';
import { type Stored, TileDecoder, type TileValues } from './decode.ts';
import { dequantise, type Placement, type Quantisation } from './dither.ts';
import type { Layout } from './layout.ts';

/** One tile that a box touches, and the bytes of the file that it is. */
export interface Tile extends Range {
  /** Row of the table, from 0. */
  readonly row: number;
  readonly stored: Stored;
  readonly scale: number;
  readonly zero: number;
  readonly blank: number;
}

/** A box, and its pixels as they come. */
export interface Target {
  readonly box: PixelBox;
  readonly data: Pixels;
}

/** Tiles that are to be decoded, with their bytes. */
export interface TileWork {
  readonly layout: Layout;
  readonly targets: readonly Target[];
  /** BLANK of an integer image whose tiles have their own. */
  readonly blank: number | undefined;
  /** As problems name the HDU. */
  readonly where: string;
  /** Sorted by their start. */
  readonly tiles: readonly Tile[];
  /** Of the file, from `offset` on. */
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** As problems name a tile. */
export function nameOf({ across, tileWidth, tileHeight }: Layout, where: string, row: number): string {
  const x = (row % across) * tileWidth;
  const y = Math.floor(row / across) * tileHeight;
  return `Tile ${row + 1} of ${where} (at ${x}, ${y})`;
}

/** The pixels of the image that a tile has. */
function extentOf({ across, tileWidth, tileHeight, width, height }: Layout, row: number) {
  const left = (row % across) * tileWidth;
  const top = Math.floor(row / across) * tileHeight;
  return { left, top, width: Math.min(tileWidth, width - left), height: Math.min(tileHeight, height - top) };
}

/** Pixels of a tile from its first up to the last that these targets, which touch its row of tiles, need. */
export function neededOf(layout: Layout, targets: readonly Target[], row: number): number {
  const { left, top, width, height } = extentOf(layout, row);
  let needed = 0;
  for (const { box } of targets) {
    const x1 = Math.min(left + width, box.x0 + box.width);
    const y1 = Math.min(top + height, box.y0 + box.height);
    if (x1 > Math.max(left, box.x0)) needed = Math.max(needed, (y1 - 1 - top) * width + x1 - left);
  }
  return needed;
}

/** Those that touch a row of tiles, by its number from 0. */
export function byTileRow(
  { tileHeight }: Layout,
  targets: readonly Target[],
): ReadonlyMap<number, readonly Target[]> {
  const rows = new Map<number, Target[]>();
  for (const target of targets) {
    const { y0, height } = target.box;
    const last = Math.floor((y0 + height - 1) / tileHeight);
    for (let y = Math.floor(y0 / tileHeight); y <= last; y++) {
      const there = rows.get(y);
      if (there === undefined) rows.set(y, [target]);
      else there.push(target);
    }
  }
  return rows;
}

/** Decodes tiles, and puts what of them lies in the boxes there. Throws SkyError `corrupt_tile`. */
export function placeTiles(work: TileWork): void {
  const { layout, targets, tiles, bytes, offset } = work;
  const decoder = new TileDecoder(layout);
  const rows = byTileRow(layout, targets);
  for (const tile of tiles) {
    const there = rows.get(Math.floor(tile.row / layout.across)) ?? [];
    place(work, decoder, there, tile, bytes.subarray(tile.start - offset, tile.end - offset));
  }
}

function place(
  work: TileWork,
  decoder: TileDecoder,
  targets: readonly Target[],
  tile: Tile,
  bytes: Uint8Array,
): void {
  const { layout } = work;
  const { left, top, width, height } = extentOf(layout, tile.row);
  const needed = neededOf(layout, targets, tile.row);
  const values = decoder.decode(
    bytes,
    tile.stored,
    { width, height, needed },
    nameOf(layout, work.where, tile.row),
  );
  for (const { box, data } of targets) {
    const x0 = Math.max(left, box.x0);
    const y0 = Math.max(top, box.y0);
    const x1 = Math.min(left + width, box.x0 + box.width);
    const y1 = Math.min(top + height, box.y0 + box.height);
    if (x1 <= x0) continue;
    put(work, tile, values, data, {
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

function put(
  work: TileWork,
  tile: Tile,
  { values, quantised }: TileValues,
  data: Pixels,
  place: Placement,
): void {
  const { layout } = work;
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
    if (work.blank !== undefined) blankRow(data, to, place.width, tile.blank, work.blank);
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
