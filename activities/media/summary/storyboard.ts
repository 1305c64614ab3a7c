/** One picture of all scenes, drawn frame by frame. */
import type { Look, Painter } from './painter.ts';
import type { Sheet } from './sheet.ts';

/** Frames in hand at once: while one is decoded, the next ones are fetched. */
export const framesInHand = 3;

export interface Storyboard {
  readonly jpeg: Buffer;
  /** By number of the scene, of those on the sheet. */
  readonly looks: ReadonlyMap<number, Look>;
}

/** The frame of a scene as JPEG, at any size, in memory that whoever draws it may give back. */
export type FrameOf = (scene: number) => Promise<Uint8Array>;

/**
 * Has the sheet drawn, each tile with the time of its frame. Frames are asked for a few at a time, so that memory stays that of the tiles (at
 * most 52 MB) whatever the length of the video. The same frames give the same bytes. Throws what `frameOf` and the painter throw.
 */
export async function storyboard(sheet: Sheet, frameOf: FrameOf, painter: Painter): Promise<Storyboard> {
  const pixels: Uint8Array[] = [];
  const looks = new Map<number, Look>();
  const waiting = sheet.tiles.entries();
  const work = async (): Promise<void> => {
    for (const [index, tile] of waiting) {
      const drawn = await painter.tile(tile, await frameOf(tile.scene));
      looks.set(tile.scene, drawn.look);
      pixels[index] = drawn.pixels;
    }
  };
  await Promise.all(Array.from({ length: framesInHand }, work));
  return { jpeg: await painter.storyboard(sheet, pixels), looks };
}
