/** Whoever draws the pictures of a video's summary. */
import type { Sheet, Tile } from './sheet.ts';

/** How a frame looks, seen at the size of a tile; both 0–1. */
export interface Look {
  /** Mean luma (BT.601). */
  readonly brightness: number;
  /** Its standard deviation: a blank picture has none. */
  readonly contrast: number;
}

export interface DrawnTile {
  /** sRGB, 3 bytes a pixel, of the tile's size. */
  readonly pixels: Buffer;
  /** Of the frame, without what is printed on it. */
  readonly look: Look;
}

/** Takes along the memory of the frames and tiles that it is given. The same ones give the same bytes. */
export interface Painter {
  /** The frame of a tile's scene (JPEG, at any size) at the size of the tile, with the time printed on it. */
  tile(tile: Tile, frame: Uint8Array): Promise<DrawnTile>;
  /** The sheet as JPEG; `tiles` are the pixels of its tiles, in their order. */
  storyboard(sheet: Sheet, tiles: readonly Uint8Array[]): Promise<Buffer>;
  /** The frame (JPEG) of this scene as JPEG, at most 1280 pixels wide and high. */
  poster(scene: number, frame: Uint8Array): Promise<Buffer>;
}
