/** Decoding shared with other threads: what of it they take, and the memory that all of them write to. */
import type { PixelBox, Pixels } from '../../image/plane.ts';
import type { Bitpix } from '../read/file.ts';
import { makePixels } from '../read/plain.ts';
import type { Layout } from './layout.ts';
import type { Target, TileWork } from './place.ts';

/** Decodes tiles elsewhere than in this thread. */
export interface TileThreads {
  /** Pieces of work that go on at once. */
  readonly count: number;
  /** Pixels to decode that are worth a message. */
  readonly leastPixels: number;
  /**
   * Puts the pixels of tiles into targets of {@link targetOf} that are shared. Throws SkyError as it is done here, Error where the thread ended, or
   * the signal's reason.
   */
  place(work: TileWork, signal: AbortSignal | undefined): Promise<void>;
}

/** Whether the tiles of these boxes have so many pixels that two threads are faster than one. */
export function isWorthThreads(
  { leastPixels }: TileThreads,
  { tileWidth, tileHeight }: Layout,
  boxes: readonly PixelBox[],
): boolean {
  let pixels = 0;
  for (const { x0, y0, width, height } of boxes) {
    const across = Math.floor((x0 + width - 1) / tileWidth) - Math.floor(x0 / tileWidth) + 1;
    const down = Math.floor((y0 + height - 1) / tileHeight) - Math.floor(y0 / tileHeight) + 1;
    pixels += across * down * tileWidth * tileHeight;
    if (pixels >= 2 * leastPixels) return true;
  }
  return false;
}

/** A box, and room for its pixels: where they are `shared`, all threads see them. */
export function targetOf(bitpix: Bitpix, box: PixelBox, shared: boolean): Target {
  return { box, data: makePixels(bitpix, box.width * box.height, shared) };
}

/** Of its own again: what is done with pixels asks for memory that nobody else has. */
export const copied = (data: Pixels): Pixels => data.slice();

/** As many pieces as there are threads, or fewer: of about the same work, each with the boxes that it touches. */
export function partsOf(work: TileWork, { count, leastPixels }: TileThreads): TileWork[] {
  const { layout, tiles, targets } = work;
  const pixels = tiles.length * layout.tileWidth * layout.tileHeight;
  const parts = Math.max(1, Math.min(count, tiles.length, Math.floor(pixels / leastPixels)));
  return Array.from({ length: parts }, (_, i) => {
    const from = Math.floor((i * tiles.length) / parts);
    const some = tiles.slice(from, Math.floor(((i + 1) * tiles.length) / parts));
    let [first, last, end] = [Number.POSITIVE_INFINITY, 0, 0];
    for (const tile of some) {
      first = Math.min(first, tile.row);
      last = Math.max(last, tile.row);
      end = Math.max(end, tile.end);
    }
    const top = Math.floor(first / layout.across) * layout.tileHeight;
    const bottom = (Math.floor(last / layout.across) + 1) * layout.tileHeight;
    const start = some[0]?.start ?? work.offset;
    return {
      ...work,
      tiles: some,
      targets: targets.filter(({ box }) => box.y0 < bottom && box.y0 + box.height > top),
      bytes: work.bytes.subarray(start - work.offset, end - work.offset),
      offset: start,
    };
  });
}
