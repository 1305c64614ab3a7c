/** What a mosaic is made of: tiles that can be read by boxes, and the grid that they are laid on. */
import { setImmediate } from 'node:timers/promises';
import type { HeaderValues } from '../fits/card.ts';
import type { PixelBox, Pixels, Plane } from '../image/plane.ts';
import type { Wcs } from '../wcs/wcs.ts';

export type PixelType = 'uint8' | 'int16' | 'int32' | 'int64' | 'float32' | 'float64';

/** One plane of a tile. */
export interface PlaneReader {
  readonly type: PixelType;
  /** Pixels of a box that lies within the tile, in an array of `type`: physical values of images and weights, bits of masks. */
  read(box: PixelBox, signal?: AbortSignal): Promise<Plane>;
}

/** A tile and its planes, which have one grid. All tiles of a mosaic have the same planes. */
export interface MosaicTile {
  /** As problems and the record of the mosaic name it. */
  readonly name: string;
  readonly wcs: Wcs;
  /** The WCS keywords it was read from: they tell whether tiles share a grid. */
  readonly header: HeaderValues;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly image?: PlaneReader;
  /** Inverse variances of the image's pixels; 0, negative or NaN: the pixel counts for nothing. */
  readonly weight?: PlaneReader;
  /** Bits. */
  readonly mask?: PlaneReader;
  /** BUNIT. */
  readonly unit?: string;
  /** Magnitude of a source of flux 1. */
  readonly zeroPoint?: number;
}

/** Rows y0 ≤ y < y0 + height of a mosaic, in whole width. */
export interface MosaicStrip {
  readonly y0: number;
  readonly image?: Plane;
  readonly weight?: Plane;
  readonly mask?: Plane;
}

/** Planes of a tile that were read together. */
export interface TilePixels {
  readonly image?: Plane;
  readonly weight?: Plane;
  readonly mask?: Plane;
}

export const PLANES = ['image', 'weight', 'mask'] as const;

const BYTES: Record<PixelType, number> = { uint8: 1, int16: 2, int32: 4, int64: 8, float32: 4, float64: 8 };

export function bytesPerPixel(type: PixelType): number {
  return BYTES[type];
}

/** Pixels that are all `value`; an int64's is rounded. */
export function filledPixels(type: PixelType, length: number, value: number): Pixels {
  switch (type) {
    case 'uint8':
      return new Uint8Array(length).fill(value);
    case 'int16':
      return new Int16Array(length).fill(value);
    case 'int32':
      return new Int32Array(length).fill(value);
    case 'int64':
      return new BigInt64Array(length).fill(BigInt(Math.round(value)));
    case 'float32':
      return new Float32Array(length).fill(value);
    case 'float64':
      return new Float64Array(length).fill(value);
  }
}

export function pixelTypeOf(pixels: Pixels): PixelType {
  if (pixels instanceof Uint8Array) return 'uint8';
  if (pixels instanceof Int16Array) return 'int16';
  if (pixels instanceof Int32Array) return 'int32';
  if (pixels instanceof BigInt64Array) return 'int64';
  return pixels instanceof Float32Array ? 'float32' : 'float64';
}

/** Where two boxes overlap; undefined where they do not. */
export function intersection(a: PixelBox, b: PixelBox): PixelBox | undefined {
  const x0 = Math.max(a.x0, b.x0);
  const y0 = Math.max(a.y0, b.y0);
  const width = Math.min(a.x0 + a.width, b.x0 + b.width) - x0;
  const height = Math.min(a.y0 + a.height, b.y0 + b.height) - y0;
  return width > 0 && height > 0 ? { x0, y0, width, height } : undefined;
}

/** All planes of a box of the tile, read side by side. */
export async function readPlanes(tile: MosaicTile, box: PixelBox, signal?: AbortSignal): Promise<TilePixels> {
  const [image, weight, mask] = await Promise.all(PLANES.map((plane) => tile[plane]?.read(box, signal)));
  return { ...(image && { image }), ...(weight && { weight }), ...(mask && { mask }) };
}

/** Work that needs pixels, with those pixels: while one piece is worked on, the next is being read. Throws what ended the signal. */
export async function* readAhead<J, R>(
  jobs: Iterable<J>,
  read: (job: J) => Promise<R>,
  signal: AbortSignal | undefined,
): AsyncGenerator<[J, R]> {
  let waiting: { job: J; pixels: Promise<R> } | undefined;
  for (const job of jobs) {
    const pixels = read(job);
    // Whoever stops early never awaits it: its failure is nobody's then, and must not end the process.
    pixels.catch(() => {});
    if (waiting) yield [waiting.job, await waiting.pixels];
    // Readers that have their pixels at hand never let the event loop turn, in which an abort is told.
    await setImmediate();
    signal?.throwIfAborted();
    waiting = { job, pixels };
  }
  if (waiting) yield [waiting.job, await waiting.pixels];
}
