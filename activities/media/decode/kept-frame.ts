/** A decoded frame that is kept, and made into pictures when it is chosen. */
import { type ModelRoom, placedSize } from '@darkroom/contract';
import { avImageGetBufferSize, Frame } from 'node-av/lib';
import { type Orientation, shownSize } from './geometry.ts';
import type { KeptFrame } from './reader.ts';
import { encodeJpeg, encodePng, scaleToRgb, setUpright } from './render.ts';

/** How the frames of a stream are to be shown. */
export interface Showing {
  readonly orientation: Orientation;
  /** Width of a pixel by its height. */
  readonly aspect: number;
}

/** Memory a decoded frame holds, about: rows are padded to 64 bytes. */
export function frameBytes({ format, width, height }: Pick<Frame, 'format' | 'width' | 'height'>): number {
  return avImageGetBufferSize(format as Parameters<typeof avImageGetBufferSize>[0], width, height, 64);
}

/** Memory of the frames of a stream, about; of one that does not tell its pixels' format as if they had 10 bits. */
export function codedBytes(stream: Pick<Frame, 'format' | 'width' | 'height'>): number {
  const bytes = frameBytes(stream);
  return bytes > 0 ? bytes : 3 * stream.width * stream.height;
}

/** A reference to the frame's memory; nothing is copied. */
export function keepFrame(
  frame: Frame,
  { at, pts }: { at: number; pts: number },
  showing: Showing,
): KeptFrame {
  const kept = new Frame();
  kept.alloc();
  kept.ref(frame);
  const size = shownSize(frame, showing.aspect, showing.orientation);
  let shown: Frame | undefined;
  const picture = () => {
    shown ??= setUpright(kept, size, showing.orientation);
    return shown;
  };
  return {
    at,
    pts,
    bytes: frameBytes(kept),
    ...size,
    jpeg: () => encodeJpeg(picture()),
    input: (room: ModelRoom) => {
      const placed = scaleToRgb(picture(), placedSize(room, size));
      try {
        return encodePng(placed);
      } finally {
        placed.free();
      }
    },
    release: () => {
      shown?.free();
      shown = undefined;
      kept.free();
    },
  };
}
