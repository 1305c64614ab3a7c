import { encodePoster, encodeStoryboard } from '../previews/encode.ts';
import { drawTile } from '../previews/tile.ts';
import type { Painter } from '../summary/painter.ts';

/** Draws in the process of the test, as lanes do in theirs. */
export const painterHere: Painter = {
  tile: (tile, frame) => drawTile(frame, tile),
  storyboard: encodeStoryboard,
  poster: (_, frame) => encodePoster(frame),
};
