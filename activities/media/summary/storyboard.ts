/** One picture of all scenes, drawn frame by frame. */
import sharp from 'sharp';
import type { Sheet, Tile } from './sheet.ts';
import { clock, type Label, timeLabel } from './time-label.ts';

// Each frame is seen once: libvips' operation cache would only hold memory.
sharp.cache(false);

const jpegQuality = 82;
const ground = 0x18;
const labelHeight = 20;
/** From the lower right corner of a tile. */
const labelMargin = 5;
/** Frames in hand at once: while one is decoded, the next ones are fetched. */
const atOnce = 3;

/** How a frame looks, seen at the size of a tile; both 0–1. */
export interface Look {
  /** Mean luma (BT.601). */
  readonly brightness: number;
  /** Its standard deviation: a blank picture has none. */
  readonly contrast: number;
}

export interface Storyboard {
  readonly jpeg: Buffer;
  /** By number of the scene, of those on the sheet. */
  readonly looks: ReadonlyMap<number, Look>;
}

/** The frame of a scene as JPEG, at any size. */
export type FrameOf = (scene: number) => Promise<Uint8Array>;

/**
 * Draws the sheet, each tile with the time of its frame. Frames are asked for a few at a time, so that memory stays that of the sheet (at
 * most 60 MB) whatever the length of the video. The same frames give the same bytes. Throws what `frameOf` throws, and sharp's error for
 * a frame that cannot be read.
 */
export async function storyboard(sheet: Sheet, frameOf: FrameOf): Promise<Storyboard> {
  const { width, height, tiles } = sheet;
  const canvas: Canvas = { data: Buffer.alloc(width * height * 3, ground), width };
  const looks = new Map<number, Look>();
  const waiting = tiles.values();
  const lane = async (): Promise<void> => {
    for (const tile of waiting) {
      const picture = await thumbnail(await frameOf(tile.scene), tile);
      looks.set(tile.scene, lookOf(picture));
      place(canvas, picture, tile);
      print(canvas, await timeLabel(clock(tile.at), labelHeight), tile);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const jpeg = await sharp(canvas.data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: jpegQuality })
    .toBuffer();
  return { jpeg, looks };
}

/** sRGB, 3 bytes a pixel, of the tile's size. */
function thumbnail(jpeg: Uint8Array, { width, height }: Tile): Promise<Buffer> {
  return sharp(jpeg, { limitInputPixels: false })
    .resize({ width, height, fit: 'contain', background: { r: 0, g: 0, b: 0 } })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer();
}

/** sRGB, 3 bytes a pixel. */
interface Canvas {
  readonly data: Buffer;
  readonly width: number;
}

function place(canvas: Canvas, picture: Buffer, { x, y, width, height }: Tile): void {
  const row = width * 3;
  for (let line = 0; line < height; line++)
    picture.copy(canvas.data, ((y + line) * canvas.width + x) * 3, line * row, (line + 1) * row);
}

/** Blends a label into the lower right corner of a tile, as far as it fits. */
function print(canvas: Canvas, label: Label, tile: Tile): void {
  const left = tile.x + Math.max(0, tile.width - label.width - labelMargin);
  const top = tile.y + Math.max(0, tile.height - label.height - labelMargin);
  const [width, height] = [Math.min(label.width, tile.width), Math.min(label.height, tile.height)];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = (y * label.width + x) * 4;
      const to = ((top + y) * canvas.width + left + x) * 3;
      const alpha = (label.data[from + 3] ?? 0) / 255;
      for (let channel = 0; channel < 3; channel++) {
        const below = canvas.data[to + channel] ?? 0;
        canvas.data[to + channel] = Math.round(below + ((label.data[from + channel] ?? 0) - below) * alpha);
      }
    }
}

function lookOf(rgb: Buffer): Look {
  let sum = 0;
  let squares = 0;
  for (let at = 0; at + 2 < rgb.length; at += 3) {
    const luma = 0.299 * (rgb[at] ?? 0) + 0.587 * (rgb[at + 1] ?? 0) + 0.114 * (rgb[at + 2] ?? 0);
    sum += luma;
    squares += luma * luma;
  }
  const pixels = rgb.length / 3;
  const mean = sum / pixels;
  return { brightness: mean / 255, contrast: Math.sqrt(Math.max(0, squares / pixels - mean * mean)) / 255 };
}
