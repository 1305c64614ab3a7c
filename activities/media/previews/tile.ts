/** A frame as a tile of the storyboard. */
import sharp from 'sharp';
import type { DrawnTile, Look } from '../summary/painter.ts';
import type { Tile } from '../summary/sheet.ts';
import { clock, type Label, timeLabel } from './time-label.ts';

// Each frame is seen once: libvips' operation cache would only hold memory.
sharp.cache(false);

const labelHeight = 20;
/** From the lower right corner of a tile. */
const labelMargin = 5;

/** Shrinks a frame (JPEG) to its tile and prints the time on it. Throws sharp's error for a frame that cannot be read. */
export async function drawTile(
  frame: Uint8Array,
  { at, ...size }: Pick<Tile, 'width' | 'height' | 'at'>,
): Promise<DrawnTile> {
  const pixels = await thumbnail(frame, size);
  const look = lookOf(pixels);
  print(pixels, size, await timeLabel(clock(at), labelHeight));
  return { pixels, look };
}

type Size = Pick<Tile, 'width' | 'height'>;

/** sRGB, 3 bytes a pixel, of the tile's size. */
function thumbnail(jpeg: Uint8Array, { width, height }: Size): Promise<Buffer> {
  return sharp(jpeg, { limitInputPixels: false })
    .resize({ width, height, fit: 'contain', background: { r: 0, g: 0, b: 0 } })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer();
}

/** Blends a label into the lower right corner of a tile, as far as it fits. */
function print(pixels: Buffer, tile: Size, label: Label): void {
  const left = Math.max(0, tile.width - label.width - labelMargin);
  const top = Math.max(0, tile.height - label.height - labelMargin);
  const [width, height] = [Math.min(label.width, tile.width), Math.min(label.height, tile.height)];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = (y * label.width + x) * 4;
      const to = ((top + y) * tile.width + left + x) * 3;
      const alpha = (label.data[from + 3] ?? 0) / 255;
      for (let channel = 0; channel < 3; channel++) {
        const below = pixels[to + channel] ?? 0;
        pixels[to + channel] = Math.round(below + ((label.data[from + channel] ?? 0) - below) * alpha);
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
