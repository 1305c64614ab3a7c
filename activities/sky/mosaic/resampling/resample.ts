/**
 * Tiles of several grids on one: each is resampled by itself, and what they give is joined pixel by pixel.
 *
 * - `mean`: the mean of the tiles, by weight times the share of the pixel that the tile covers; without weights by that share alone. Tiles are
 *   taken for independent: their weights add up.
 * - `deepest`: one tile a pixel, that in which its centre lies farthest from the edges: for tiles that were made from the same exposures.
 *
 * The weight of a result pixel is the inverse of the variance that follows from its inputs' weights; that neighbours share inputs, and
 * have noise in common, it does not say. A pixel of which less than half is covered by pixels with a value has none itself.
 */
import { SkyError } from '../../errors.ts';
import type { PixelBox, Plane } from '../../image/plane.ts';
import type { TargetGrid } from '../grid/target.ts';
import { tilePixelBytes } from '../photometry.ts';
import {
  filledPixels,
  type MosaicStrip,
  type MosaicTile,
  type PixelType,
  readAhead,
  readPlanes,
  type TilePixels,
} from '../tile.ts';
import { addFlux, type Quantity, type SourcePixels, type Sums } from './flux.ts';
import { Footprint, type TilePart } from './footprint.ts';
import { addLanczos, LANCZOS_REACH, oversampling } from './lanczos.ts';
import { PixelMap } from './pixel-map.ts';

export type Resampling = 'flux' | 'lanczos3';
export type Overlap = 'mean' | 'deepest';

export interface ResampleRequest {
  readonly tiles: readonly MosaicTile[];
  readonly scales: readonly number[];
  readonly grid: Pick<TargetGrid, 'wcs' | 'width' | 'height'>;
  readonly resampling: Resampling;
  readonly quantity: Quantity;
  readonly overlap: Overlap;
  /** BLANK of integer images. */
  readonly blank: number | undefined;
  readonly noDataBits: number;
  readonly memoryBytes: number;
  readonly signal: AbortSignal | undefined;
  readonly pixelsOf: number[];
  readonly covered: { pixels: number };
}

/** Of a result pixel, that must be covered by pixels with a value. */
const LEAST_SHARE = 0.5;

/** Float64 sums of a tile's part and of the strip, and what comes out of them, bytes a pixel. */
const STRIP_BYTES = 100;
/** Values and variances of a tile's box as float64. */
const SOURCE_BYTES = 16;

interface PlacedTile {
  readonly tile: MosaicTile;
  readonly index: number;
  readonly scale: number;
  readonly footprint: Footprint;
  /** From the tile to the mosaic; of flux alone. */
  readonly forward: PixelMap | undefined;
  readonly backward: PixelMap;
  /** Of lanczos3. */
  readonly places: number;
}

/** What the tiles gave a strip until now. */
interface Strip {
  readonly box: PixelBox;
  readonly sum: Float64Array;
  readonly weight: Float64Array;
  /** Variance times the square of `weight`. */
  readonly noise: Float64Array | undefined;
  readonly share: Float64Array;
  /** Of `deepest`: how deep a pixel lies in the tile that it is of, and which that is. */
  readonly depth: Float32Array;
  readonly owner: Int32Array;
  readonly mask: Uint8Array | Int16Array | Int32Array | undefined;
  /** Whether `mask` is of no tile, of one without a value there, of one with a value. */
  readonly maskOf: Uint8Array;
}

function place(request: ResampleRequest): PlacedTile[] {
  const { grid, resampling } = request;
  const mosaic = { x0: 0, y0: 0, width: grid.width, height: grid.height };
  return request.tiles.flatMap((tile, index) => {
    const places = oversampling(grid.wcs.pixelScale, tile.wcs.pixelScale);
    const box = { x0: 0, y0: 0, width: tile.width, height: tile.height };
    // One pixel more: a region's border is that of its pixels, and rounding must not cut any.
    const reach = (resampling === 'lanczos3' ? LANCZOS_REACH : 0) + 1;
    const footprint = new Footprint(box, mosaic, { tile: tile.wcs, mosaic: grid.wcs }, reach);
    if (!footprint.region) return [];
    const backward = new PixelMap(grid.wcs, tile.wcs, footprint.region);
    const forward = resampling === 'flux' ? new PixelMap(tile.wcs, grid.wcs, box) : undefined;
    return [{ tile, index, scale: request.scales[index]!, footprint, forward, backward, places }];
  });
}

function asDoubles({ data }: Plane): Float64Array {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : new Float64Array(data);
}

/** Values and variances with the mosaic's zero point; NaN for what has no value, or a weight that is none. */
function sourcePixels(
  pixels: TilePixels,
  box: PixelBox,
  scale: number,
  blank: number | undefined,
): SourcePixels {
  const values = asDoubles(pixels.image!);
  const variances = pixels.weight && asDoubles(pixels.weight);
  const nothing = blank ?? Number.NaN;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    values[i] = Math.abs(value) < Infinity && value !== nothing ? value * scale : Number.NaN;
  }
  if (variances) {
    for (let i = 0; i < variances.length; i++) {
      const weight = variances[i]!;
      if (weight > 0 && weight < Infinity) variances[i] = (scale * scale) / weight;
      else values[i] = Number.NaN;
    }
  }
  return { box, values, variances };
}

/** Adds one tile's part of the mosaic to its strip. */
function join(
  strip: Strip,
  placed: PlacedTile,
  { region, source }: TilePart,
  sums: Sums,
  mask: Plane | undefined,
  request: ResampleRequest,
): void {
  const { tile, backward } = placed;
  const deepest = request.overlap === 'deepest';
  const bits = mask?.data as Int32Array | undefined;
  // Where the centres of a row's pixels lie in the tile.
  const x = new Float64Array(region.width);
  const y = new Float64Array(region.width);
  for (let row = 0; row < region.height; row++) {
    if (deepest || bits) backward.row(region.x0, region.y0 + row, 0.5, 0.5, region.width, x, y);
    const line = (region.y0 + row - strip.box.y0) * strip.box.width + region.x0;
    for (let column = 0; column < region.width; column++) {
      const from = row * region.width + column;
      const at = line + column;
      const cx = x[column]!;
      const cy = y[column]!;
      const depth = deepest ? Math.min(cx, cy, tile.width - cx, tile.height - cy) : 0;
      const gives = deepest
        ? sums.share[from]! >= LEAST_SHARE && depth > strip.depth[at]!
        : sums.share[from]! > 0;
      if (gives) {
        if (deepest) displace(strip, at, placed.index, depth, request.pixelsOf);
        addValue(strip, at, sums, from);
        request.pixelsOf[placed.index]!++;
      }
      if (!bits || !strip.mask) continue;
      const mx = Math.floor(cx);
      const my = Math.floor(cy);
      // NaN lies nowhere.
      if (!(mx >= 0 && my >= 0 && mx < tile.width && my < tile.height)) continue;
      const state = gives || !tile.image ? 2 : 1;
      if (state < strip.maskOf[at]!) continue;
      const value = bits[(my - source.y0) * source.width + mx - source.x0]!;
      strip.mask[at] = state === strip.maskOf[at] ? strip.mask[at]! | value : value;
      strip.maskOf[at] = state;
    }
  }
}

/** Makes room for a tile in which the pixel lies deeper than in the one that it was of. */
function displace(strip: Strip, at: number, tile: number, depth: number, pixelsOf: number[]): void {
  if (strip.owner[at]! >= 0) pixelsOf[strip.owner[at]!]!--;
  strip.owner[at] = tile;
  strip.depth[at] = depth;
  strip.sum[at] = 0;
  strip.weight[at] = 0;
  strip.share[at] = 0;
  if (strip.noise) strip.noise[at] = 0;
  strip.maskOf[at] = 0;
}

function addValue(strip: Strip, at: number, sums: Sums, from: number): void {
  const whole = sums.share[from]!;
  const share = Math.min(1, whole);
  // Variance of the tile's own value for the pixel; without weights all are alike.
  const variance = sums.variance ? sums.variance[from]! / (whole * whole) : 1;
  const weight = share / variance;
  strip.sum[at] = strip.sum[at]! + (weight * sums.value[from]!) / whole;
  strip.weight[at] = strip.weight[at]! + weight;
  strip.share[at] = strip.share[at]! + share;
  if (strip.noise) strip.noise[at] = strip.noise[at]! + weight * weight * variance;
}

function maskPixels(type: PixelType, size: number, value: number): Uint8Array | Int16Array | Int32Array {
  if (type === 'uint8' || type === 'int16' || type === 'int32')
    return filledPixels(type, size, value) as Int32Array;
  throw new SkyError('incompatible_tiles', `a mask of ${type} cannot be joined: its bits are of 8, 16 or 32`);
}

function finish(strip: Strip, request: ResampleRequest): MosaicStrip {
  const { width, height, y0 } = strip.box;
  const size = width * height;
  const first = request.tiles[0]!;
  const image = first.image && new Float32Array(size).fill(Number.NaN);
  const weight = strip.noise && new Float32Array(size).fill(Number.NaN);
  for (let i = 0; i < size; i++) {
    if (image ? strip.share[i]! < LEAST_SHARE : strip.maskOf[i] === 0) continue;
    request.covered.pixels++;
    if (image) image[i] = strip.sum[i]! / strip.weight[i]!;
    if (weight) weight[i] = strip.weight[i]! ** 2 / strip.noise![i]!;
  }
  return {
    y0,
    ...(image && { image: { width, height, data: image } }),
    ...(weight && { weight: { width, height, data: weight } }),
    ...(strip.mask && { mask: { width, height, data: strip.mask } }),
  };
}

/** Strips from the first row on. */
export async function* resampleStrips(request: ResampleRequest): AsyncGenerator<MosaicStrip, void> {
  const { grid, memoryBytes, signal } = request;
  const { width, height } = grid;
  const first = request.tiles[0]!;
  if (first.weight && !first.image)
    throw new SkyError('invalid_cutout', 'weights are resampled with their image, not alone');
  const placed = place(request);
  const rows = Math.max(1, Math.min(height, Math.floor(memoryBytes / 2 / (width * STRIP_BYTES))));
  const sourcePixelBytes = SOURCE_BYTES + 2 * Math.max(...request.tiles.map(tilePixelBytes));
  const sourceLimit = memoryBytes / 2 / sourcePixelBytes;
  for (let y0 = 0; y0 < height; y0 += rows) {
    const box = { x0: 0, y0, width, height: Math.min(rows, height - y0) };
    const size = width * box.height;
    const strip: Strip = {
      box,
      sum: new Float64Array(size),
      weight: new Float64Array(size),
      noise: first.weight && new Float64Array(size),
      share: new Float64Array(size),
      depth: new Float32Array(size).fill(-Infinity),
      owner: new Int32Array(size).fill(-1),
      mask: first.mask && maskPixels(first.mask.type, size, request.noDataBits),
      maskOf: new Uint8Array(size),
    };
    const jobs = placed.flatMap((one) =>
      [...one.footprint.parts(box, sourceLimit)].map((part) => ({ one, part })),
    );
    for await (const [{ one, part }, pixels] of readAhead(
      jobs,
      (job) => readPlanes(job.one.tile, job.part.source, signal),
      signal,
    )) {
      const area = part.region.width * part.region.height;
      const sums: Sums = {
        box: part.region,
        share: new Float64Array(area),
        value: new Float64Array(area),
        variance: first.weight && new Float64Array(area),
      };
      if (pixels.image) {
        const source = sourcePixels(pixels, part.source, one.scale, request.blank);
        if (one.forward) addFlux(source, one.forward, request.quantity, sums);
        else addLanczos(source, one.backward, one.places, request.quantity, sums);
      }
      join(strip, one, part, sums, pixels.mask, request);
    }
    yield finish(strip, request);
  }
}
