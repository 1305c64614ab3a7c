/** One image from several tiles, by strips and in bounded memory: copied where the tiles share the grid, resampled where they do not. */
import { SkyError } from '../errors.ts';
import type { PixelBox, Plane } from '../image/plane.ts';
import { copyStrips } from './copy.ts';
import { gridOffset } from './grid/shared.ts';
import { movedWcs, type TargetGrid, tangentLike } from './grid/target.ts';
import { requireSameTypes, tileScales } from './photometry.ts';
import type { Quantity } from './resampling/flux.ts';
import { type Overlap, type Resampling, resampleStrips } from './resampling/resample.ts';
import { filledPixels, type MosaicStrip, type MosaicTile, PLANES, pixelTypeOf } from './tile.ts';

export interface MosaicRequest {
  /** The first is the primary one: units and zero point are its own. */
  readonly tiles: readonly MosaicTile[];
  /** A box of the first tile's grid, which may reach beyond that tile, or a grid of its own. */
  readonly grid: PixelBox | TargetGrid;
  /** Of tiles that do not share the grid; default `flux`. */
  readonly resampling?: Resampling;
  /**
   * What a value is. `flux`: of a pixel, so that the sum over a source stays what it was (counts, nanomaggies); `surface_brightness`: of an area of
   * the sky, so that a flat sky stays what it was (MJy/sr). Default `flux`.
   */
  readonly quantity?: Quantity;
  /** Of tiles that do not share the grid; default `mean`. */
  readonly overlap?: Overlap;
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

/** How the mosaic will be made: known before any pixel is read. */
export interface MosaicPlan {
  readonly method: 'copy' | Resampling;
  /** A box of the first tile's grid, or a grid of the mosaic's own. */
  readonly grid: { readonly box: PixelBox } | TargetGrid;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export interface MosaicSummary extends MosaicPlan {
  /** Share of the pixels that have a value; of a mosaic without an image: that lie on a tile. */
  readonly coverage: number;
  /** To how many pixels of the mosaic each tile gave; tiles that gave to none are left out. */
  readonly tiles: readonly { readonly name: string; readonly pixels: number }[];
}

export interface Mosaic extends MosaicSummary {
  readonly image?: Plane;
  readonly weight?: Plane;
  readonly mask?: Plane;
}

const MEMORY = 128 * 2 ** 20;

/**
 * Tiles that share the grid of the first, of which a box is asked for, are copied. Else they are resampled on that box's grid, which a tile
 * without distortion continues; one with distortion has none beyond its edges, and a TAN grid like it is taken. Throws as {@link mosaic} does.
 */
export function planMosaic({ tiles, grid, resampling = 'flux' }: MosaicRequest): MosaicPlan {
  const { width, height } = grid;
  if (![width, height].every((size) => Number.isSafeInteger(size) && size > 0) || tiles.length === 0) {
    throw new SkyError(
      'invalid_cutout',
      `a mosaic needs tiles and a size in whole pixels, not ${tiles.length} and ${width} × ${height}`,
    );
  }
  if ('wcs' in grid) return { method: resampling, grid, width, height };
  if (![grid.x0, grid.y0].every(Number.isSafeInteger))
    throw new SkyError('invalid_cutout', 'a mosaic begins at a whole pixel');
  const first = tiles[0]!;
  if (tiles.every((tile) => gridOffset(first, tile)))
    return { method: 'copy', grid: { box: grid }, width, height };
  const distorted = first.wcs.projection !== 'TAN' && first.wcs.projection !== 'SIN';
  return {
    method: resampling,
    grid: distorted ? tangentLike(first.wcs, grid) : { box: grid },
    width,
    height,
  };
}

/** Strips of the mosaic from its first row on; what it was made of is returned after the last. Throws as {@link mosaic} does, but of coverage. */
export async function* mosaicStrips(request: MosaicRequest): AsyncGenerator<MosaicStrip, MosaicSummary> {
  const { tiles, signal, blank, noDataBits = 0, memoryBytes = MEMORY } = request;
  const plan = planMosaic(request);
  const { method, grid, width, height } = plan;
  const scales = tileScales(tiles);
  const pixelsOf = tiles.map(() => 0);
  const covered = { pixels: 0 };
  const shared = { blank, noDataBits, memoryBytes, signal, pixelsOf, covered };
  for await (const strip of strips()) {
    yield strip;
    const plane = strip.image ?? strip.weight ?? strip.mask;
    request.onProgress?.((strip.y0 + (plane?.height ?? 0)) / height);
    signal?.throwIfAborted();
  }
  return {
    ...plan,
    coverage: covered.pixels / (width * height),
    tiles: tiles.flatMap(({ name }, i) => (pixelsOf[i]! > 0 ? [{ name, pixels: pixelsOf[i]! }] : [])),
  };

  function strips(): AsyncGenerator<MosaicStrip, void> {
    if (method === 'copy' && 'box' in grid) {
      requireSameTypes(tiles);
      const placed = tiles.map((tile, i) => {
        const offset = gridOffset(tiles[0]!, tile)!;
        return { tile, scale: scales[i]!, x: offset.x - grid.box.x0, y: offset.y - grid.box.y0 };
      });
      return copyStrips({ ...shared, tiles: placed, width, height });
    }
    const { quantity = 'flux', overlap = 'mean', resampling = 'flux' } = request;
    const wcs = 'box' in grid ? movedWcs(tiles[0]!.wcs, grid.box) : grid.wcs;
    return resampleStrips({
      ...shared,
      tiles,
      scales,
      grid: { wcs, width, height },
      resampling,
      quantity,
      overlap,
    });
  }
}

/**
 * The whole mosaic.
 *
 * Tiles that share the grid (projection, matrix and distortion; CRPIX apart by whole pixels) are copied bit for bit, as copy.ts says. Others are
 * resampled, as resample.ts says: images and weights become float32, masks are those of the nearest pixels.
 * Outside of all tiles: NaN in floats, `blank` in an image of integers, `noDataBits` in the mask, 0 in a weight of integers.
 *
 * @throws SkyError `incompatible_tiles`: units, zero points, planes, types or frames that do not go together; `no_coverage`: no pixel has a
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
