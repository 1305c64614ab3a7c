/** Which box of a tile a part of the mosaic needs. */
import type { PixelBox } from '../../image/plane.ts';
import type { Wcs } from '../../wcs/wcs.ts';
import { intersection } from '../tile.ts';
import { exactly } from './pixel-map.ts';

/** Points along each side of a box. */
const POINTS = 33;

/** Where the places of a box lie, of which the borders are its pixels' outer ones; `gap` is the longest way between neighbours. */
interface Bounds {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  readonly gap: number;
  /** Places without sky. */
  readonly missing: number;
}

function boundsOf(map: (pixels: Float64Array) => Float64Array, box: PixelBox): Bounds {
  const points = new Float64Array(2 * POINTS * POINTS);
  for (let i = 0; i < POINTS * POINTS; i++) {
    points[2 * i] = box.x0 - 0.5 + (box.width * (i % POINTS)) / (POINTS - 1);
    points[2 * i + 1] = box.y0 - 0.5 + (box.height * Math.floor(i / POINTS)) / (POINTS - 1);
  }
  const mapped = map(points);
  let [x0, y0, x1, y1, gap, missing] = [Infinity, Infinity, -Infinity, -Infinity, 0, 0];
  for (let i = 0; i < POINTS * POINTS; i++) {
    const [x, y] = [mapped[2 * i]!, mapped[2 * i + 1]!];
    if (Number.isNaN(x + y)) {
      missing++;
      continue;
    }
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
    for (const neighbour of [i % POINTS > 0 ? i - 1 : -1, i - POINTS]) {
      const step = Math.max(Math.abs(x - mapped[2 * neighbour]!), Math.abs(y - mapped[2 * neighbour + 1]!));
      if (step > gap) gap = step;
    }
  }
  return { x0, y0, x1, y1, gap, missing };
}

/**
 * The box of `to`'s pixels on which a box of `from`'s lies, with so many pixels around it; undefined where it has none inside of `limits`.
 * Between two points a border bends less than a tenth of their distance; where a part has no sky, by all of it.
 */
function boxOn(
  map: (pixels: Float64Array) => Float64Array,
  box: PixelBox,
  margin: number,
  limits: PixelBox,
): PixelBox | undefined {
  const { x0, y0, x1, y1, gap, missing } = boundsOf(map, box);
  if (missing === POINTS * POINTS) return undefined;
  const around = margin + (missing > 0 ? gap : gap / 10);
  const [left, bottom] = [Math.floor(x0 - around), Math.floor(y0 - around)];
  return intersection(limits, {
    x0: left,
    y0: bottom,
    width: Math.ceil(x1 + around) - left + 1,
    height: Math.ceil(y1 + around) - bottom + 1,
  });
}

export interface TilePart {
  /** Of the mosaic. */
  readonly region: PixelBox;
  /** Of the tile: all that the region needs. */
  readonly source: PixelBox;
}

const SMALLEST = 16;

/** How a tile lies on the mosaic. */
export class Footprint {
  readonly #toTile: (pixels: Float64Array) => Float64Array;
  readonly #tile: PixelBox;
  readonly #reach: number;
  /** Where on the mosaic the tile can be. */
  readonly region: PixelBox | undefined;

  /** @param reach pixels of the tile that a place of the mosaic may ask for around it. */
  constructor(tile: PixelBox, mosaic: PixelBox, wcs: { tile: Wcs; mosaic: Wcs }, reach: number) {
    this.#toTile = exactly(wcs.mosaic, wcs.tile);
    this.#tile = tile;
    this.#reach = reach;
    const toMosaic = exactly(wcs.tile, wcs.mosaic);
    // A tile whose sky the mosaic's projection cannot show in part may surround it.
    const bounds = boundsOf(toMosaic, tile);
    this.region = bounds.missing > 0 ? mosaic : boxOn(toMosaic, tile, 2, mosaic);
  }

  /** The parts of a box of the mosaic that the tile lies on, each with a source of at most so many pixels (unless it is very small). */
  *parts(box: PixelBox, pixels: number): Generator<TilePart> {
    const region = this.region && intersection(box, this.region);
    const source = region && boxOn(this.#toTile, region, this.#reach, this.#tile);
    if (!region || !source) return;
    if (source.width * source.height <= pixels || Math.max(region.width, region.height) <= SMALLEST) {
      yield { region, source };
      return;
    }
    if (region.width >= region.height) {
      const half = region.width >> 1;
      yield* this.parts({ ...region, width: half }, pixels);
      yield* this.parts({ ...region, x0: region.x0 + half, width: region.width - half }, pixels);
    } else {
      const half = region.height >> 1;
      yield* this.parts({ ...region, height: half }, pixels);
      yield* this.parts({ ...region, y0: region.y0 + half, height: region.height - half }, pixels);
    }
  }
}
