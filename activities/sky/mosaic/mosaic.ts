/** One image from several tiles, by strips and in bounded memory: copied where the tiles share the grid, resampled where they do not. */
import { setImmediate } from 'node:timers/promises';
import { SkyError } from '../errors.ts';
import type { PixelBox, Plane } from '../image/plane.ts';
import { copyStrips } from './copy.ts';
import { requireSameTypes, tileScales } from './photometry.ts';
import { gridOffset } from './sharedGrid.ts';
import { filledPixels, type MosaicStrip, type MosaicTile, PLANES, pixelTypeOf } from './tile.ts';

export interface MosaicRequest {
  /** The first is the primary one: units and zero point are its own. */
  readonly tiles: readonly MosaicTile[];
  /** A box of the first tile's grid, which may reach beyond that tile. */
  readonly grid: PixelBox;
  /** Of an image of integers: outside of all tiles, and where it has no value. */
  readonly blank?: number;
  /** Bits of the mask outside of all tiles; default 0. */
  readonly noDataBits?: number;
  /** Of all planes, what is read for them and what they are summed in; default 128 MiB. Beyond it goes what the tiles' readers hold. */
  readonly memoryBytes?: number;
  readonly signal?: AbortSignal;
  /** Share of the rows that are done. */
  readonly onProgress?: (share: number) => void;
}

export interface MosaicSummary {
  readonly method: 'copy';
  /** Share of the pixels that have a value; of a mosaic without an image: that lie on a tile. */
  readonly coverage: number;
  /** How many pixels of the mosaic each tile is part of; tiles without any are left out. */
  readonly tiles: readonly { readonly name: string; readonly pixels: number }[];
}

export interface Mosaic extends MosaicSummary {
  readonly image?: Plane;
  readonly weight?: Plane;
  readonly mask?: Plane;
}

const MEMORY = 128 * 2 ** 20;

/** Strips of the mosaic from its first row on; what it was made of is returned after the last. Throws as {@link mosaic} does, but of coverage. */
export async function* mosaicStrips(request: MosaicRequest): AsyncGenerator<MosaicStrip, MosaicSummary> {
  const { tiles, grid, signal } = request;
  const { width, height } = grid;
  if (![width, height].every((size) => Number.isSafeInteger(size) && size > 0) || tiles.length === 0) {
    throw new SkyError(
      'invalid_cutout',
      `a mosaic needs tiles and a size in whole pixels, not ${tiles.length} and ${width} × ${height}`,
    );
  }
  const scales = tileScales(tiles);
  const pixelsOf = tiles.map(() => 0);
  const covered = { pixels: 0 };
  const shared = { width, height, memoryBytes: request.memoryBytes ?? MEMORY, signal, pixelsOf, covered };
  requireSameTypes(tiles);
  const placed = tiles.map((tile, i) => {
    const offset = gridOffset(tiles[0]!, tile);
    if (!offset)
      throw new SkyError('incompatible_tiles', `${tile.name} does not share the grid of ${tiles[0]!.name}`);
    return { tile, scale: scales[i]!, x: offset.x - grid.x0, y: offset.y - grid.y0 };
  });
  const strips = copyStrips({
    ...shared,
    tiles: placed,
    blank: request.blank,
    noDataBits: request.noDataBits ?? 0,
  });
  for await (const strip of strips) {
    yield strip;
    const plane = strip.image ?? strip.weight ?? strip.mask;
    request.onProgress?.((strip.y0 + (plane?.height ?? 0)) / height);
    // Readers that have their pixels at hand never let the event loop turn, in which an abort is told.
    await setImmediate();
    signal?.throwIfAborted();
  }
  return {
    method: 'copy',
    coverage: covered.pixels / (width * height),
    tiles: tiles.flatMap(({ name }, i) => (pixelsOf[i]! > 0 ? [{ name, pixels: pixelsOf[i]! }] : [])),
  };
}

/**
 * The whole mosaic.
 *
 * Tiles that share the grid (projection, matrix and distortion; CRPIX apart by whole pixels) are copied bit for bit, as copy.ts says.
 * Outside of all tiles: NaN in floats, `blank` in an image of integers, `noDataBits` in the mask, 0 in a weight of integers.
 *
 * @throws SkyError `incompatible_tiles`: units, zero points, planes, types or grids that do not go together; `no_coverage`: no pixel has a
 * value; `invalid_cutout`: a size that cannot be, or an image of integers that needs a blank and has none.
 */
export async function mosaic(request: MosaicRequest): Promise<Mosaic> {
  const { width, height } = request.grid;
  const planes: { image?: Plane; weight?: Plane; mask?: Plane } = {};
  const strips = mosaicStrips(request);
  let next = await strips.next();
  for (; !next.done; next = await strips.next()) {
    const strip = next.value;
    for (const name of PLANES) {
      const from = strip[name];
      if (!from) continue;
      planes[name] ??= { width, height, data: filledPixels(pixelTypeOf(from.data), width * height, 0) };
      (planes[name].data as Float64Array).set(from.data as Float64Array, strip.y0 * width);
    }
  }
  if (next.value.coverage === 0)
    throw new SkyError('no_coverage', 'no pixel of the mosaic has a value in any tile');
  return { ...next.value, ...planes };
}
