/** The two pictures that a video is shown by, as JPEG. */
import sharp from 'sharp';
import type { Sheet, Tile } from '../summary/sheet.ts';

const quality = { storyboard: 82, poster: 85 };
/** Grey between the tiles. */
const ground = 0x18;
/** Of a poster, pixels. */
const largestSide = 1280;

/** Where tiles lie on a sheet. */
export interface Layout extends Pick<Sheet, 'width' | 'height'> {
  readonly tiles: readonly Pick<Tile, 'x' | 'y' | 'width' | 'height'>[];
}

/** The sheet as JPEG; `tiles` are sRGB, 3 bytes a pixel, in the order of the layout. */
export function encodeStoryboard(
  { width, height, tiles: places }: Layout,
  tiles: readonly Uint8Array[],
): Promise<Buffer> {
  const canvas = Buffer.alloc(width * height * 3, ground);
  for (const [index, { x, y, ...tile }] of places.entries()) {
    const row = tile.width * 3;
    for (let line = 0; line < tile.height; line++)
      canvas.set(tiles[index]?.subarray(line * row, (line + 1) * row) ?? [], ((y + line) * width + x) * 3);
  }
  return sharp(canvas, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: quality.storyboard })
    .toBuffer();
}

/** A frame (JPEG) as poster: at most 1280 pixels wide and high. Throws sharp's error for a frame that cannot be read. */
export function encodePoster(frame: Uint8Array): Promise<Buffer> {
  return sharp(frame, { limitInputPixels: false })
    .resize({ width: largestSide, height: largestSide, fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: quality.poster })
    .toBuffer();
}
