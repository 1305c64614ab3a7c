/**
 * Tiles of one grid, laid side by side: pixels are copied, never resampled.
 *
 * Where tiles overlap, a pixel is the one of the tile in which it lies deepest (farthest from that tile's nearest edge), of those that have a
 * value there; image, weight and mask are of the same tile. Of two tiles in which it lies equally deep, the one that was named first.
 */
import { SkyError } from '../errors.ts';
import type { PixelBox, Pixels, Plane } from '../image/plane.ts';
import {
  bytesPerPixel,
  filledPixels,
  intersection,
  type MosaicStrip,
  type MosaicTile,
  type PixelType,
  PLANES,
  readAhead,
  readPlanes,
  type TilePixels,
} from './tile.ts';

/** A tile and where its first pixel lies on the mosaic. */
export interface PlacedTile {
  readonly tile: MosaicTile;
  readonly x: number;
  readonly y: number;
  /** Of its values, so that they have the mosaic's zero point. */
  readonly scale: number;
}

export interface CopyRequest {
  readonly tiles: readonly PlacedTile[];
  readonly width: number;
  readonly height: number;
  /** Of an integer image outside of all tiles, and of pixels without a value in them. */
  readonly blank: number | undefined;
  /** Bits of the mask outside of all tiles. */
  readonly noDataBits: number;
  /** Of the mosaic: what fits is made in one strip. */
  readonly memoryBytes: number;
  readonly signal: AbortSignal | undefined;
  /** By tile: how many pixels of the mosaic are its own. */
  readonly pixelsOf: number[];
  /** How many have a value. */
  readonly covered: { pixels: number };
}

/** A pixel with a value outranks every one without, however deep that lies. */
const HAS_VALUE = 2 ** 30;

/** Of which tile each pixel of a strip is, and how it came to be. */
interface Claims {
  readonly rank: Int32Array;
  readonly owner: Int32Array;
}

/** NaN, an infinity, or BLANK. */
function isBlank(image: Pixels, index: number, blank: number | undefined): boolean {
  const value = image[index]!;
  return (
    (typeof value === 'number' && value - value !== 0) ||
    (blank !== undefined && !(image instanceof Float32Array) && Number(value) === blank)
  );
}

/** Copies `count` pixels; both are of one type, which the planes' readers declare. */
function copyRun(to: Plane, at: number, from: Plane, start: number, count: number): void {
  (to.data as Float64Array).set((from.data as Float64Array).subarray(start, start + count), at);
}

function layTile(
  strip: MosaicStrip & { width: number },
  claims: Claims,
  placed: PlacedTile,
  index: number,
  box: PixelBox,
  pixels: TilePixels,
  blank: number | undefined,
): void {
  const { tile } = placed;
  for (let row = 0; row < box.height; row++) {
    const ty = box.y0 + row - placed.y;
    const depthY = Math.min(ty, tile.height - 1 - ty);
    const target = (box.y0 + row - strip.y0) * strip.width + box.x0;
    const source = row * box.width;
    let run = -1;
    for (let column = 0; column <= box.width; column++) {
      let won = false;
      if (column < box.width) {
        const tx = box.x0 + column - placed.x;
        const depth = Math.min(depthY, tx, tile.width - 1 - tx);
        const value = !pixels.image || !isBlank(pixels.image.data, source + column, blank);
        const rank = value ? depth + HAS_VALUE : depth;
        won = rank > claims.rank[target + column]!;
        if (won) {
          claims.rank[target + column] = rank;
          claims.owner[target + column] = index;
        }
      }
      if (won && run < 0) run = column;
      if (!won && run >= 0) {
        for (const plane of PLANES) {
          const from = pixels[plane];
          const to = strip[plane];
          if (from && to) copyRun(to, target + run, from, source + run, column - run);
        }
        run = -1;
      }
    }
  }
}

/** The planes with the mosaic's zero point; what needs no scaling stays what it was, bit for bit. */
function scaled(pixels: TilePixels, { scale, tile }: PlacedTile): TilePixels {
  if (scale === 1) return pixels;
  const times = (plane: Plane, factor: number): Plane => {
    if (!(plane.data instanceof Float32Array || plane.data instanceof Float64Array)) {
      throw new SkyError(
        'incompatible_tiles',
        `tiles cannot be joined: ${tile.name} has integers of another zero point`,
      );
    }
    return { ...plane, data: plane.data.map((value) => value * factor) };
  };
  return {
    ...pixels,
    ...(pixels.image && { image: times(pixels.image, scale) }),
    ...(pixels.weight && { weight: times(pixels.weight, 1 / scale ** 2) }),
  };
}

/** Strips from the first row on. Throws SkyError `invalid_cutout` where an integer image without a BLANK has pixels outside of all tiles. */
export async function* copyStrips(request: CopyRequest): AsyncGenerator<MosaicStrip, void> {
  const { tiles, width, height, memoryBytes, signal } = request;
  const first = tiles[0]!.tile;
  const planes = PLANES.filter((plane) => first[plane]);
  const pixelBytes = planes.reduce((sum, plane) => sum + bytesPerPixel(first[plane]!.type), 0);
  // The strip with its claims, the tile that is laid and the one that is being read.
  const rows = Math.max(1, Math.floor(memoryBytes / (width * (3 * pixelBytes + 8))));
  for (let y0 = 0; y0 < height; y0 += rows) {
    const stripHeight = Math.min(rows, height - y0);
    const size = width * stripHeight;
    const planeOf = (type: PixelType, value: number): Plane => ({
      width,
      height: stripHeight,
      data: filledPixels(type, size, value),
    });
    const isFloat = first.image?.type === 'float32' || first.image?.type === 'float64';
    const strip = {
      y0,
      width,
      ...(first.image && { image: planeOf(first.image.type, isFloat ? Number.NaN : (request.blank ?? 0)) }),
      ...(first.weight && {
        weight: planeOf(first.weight.type, first.weight.type.startsWith('float') ? Number.NaN : 0),
      }),
      ...(first.mask && { mask: planeOf(first.mask.type, request.noDataBits) }),
    };
    const claims: Claims = { rank: new Int32Array(size).fill(-1), owner: new Int32Array(size).fill(-1) };
    const jobs = tiles.flatMap((placed, index) => {
      const box = intersection(
        { x0: 0, y0, width, height: stripHeight },
        { x0: placed.x, y0: placed.y, width: placed.tile.width, height: placed.tile.height },
      );
      return box ? [{ placed, index, box }] : [];
    });
    const read = ({ placed, box }: (typeof jobs)[number]) =>
      readPlanes(placed.tile, { ...box, x0: box.x0 - placed.x, y0: box.y0 - placed.y }, signal);
    for await (const [{ placed, index, box }, pixels] of readAhead(jobs, read, signal)) {
      layTile(strip, claims, placed, index, box, scaled(pixels, placed), request.blank);
    }
    for (let i = 0; i < size; i++) {
      if (claims.rank[i]! >= HAS_VALUE) {
        request.pixelsOf[claims.owner[i]!]!++;
        request.covered.pixels++;
      }
      if (claims.rank[i]! < 0 && first.image && !isFloat && request.blank === undefined) {
        throw new SkyError(
          'invalid_cutout',
          'the cutout reaches outside of its tiles, and an image of integers needs a BLANK value for that',
        );
      }
    }
    yield strip;
  }
}
