/** A decoded frame that is kept, and made into pictures when it is chosen. */
import { type ModelRoom, ProblemError, placedSize } from '@darkroom/contract';
import { AV_FRAME_DATA_DISPLAYMATRIX, AV_FRAME_FLAG_INTERLACED } from 'node-av/constants';
import { avImageGetBufferSize, Frame } from 'node-av/lib';
import type { KeptFrame, VideoLimits } from '../reader.ts';
import { type Orientation, orientationOf, type Size, shownSize, upright } from './geometry.ts';
import { encodeJpeg, encodePng, scaleToRgb, setUpright } from './render.ts';

/** How the frames of a stream are to be shown, unless one says otherwise of itself. */
export interface Showing {
  /** As the container tells; undefined where it does not, and the coded stream may. */
  readonly orientation: Orientation | undefined;
  /** Width of a pixel by its height; 0 where it is not told. */
  readonly aspect: number;
  /** The same as the coded stream says of its beginning. */
  readonly codedAspect: number;
  /** Whether what is flagged as interlaced is one field. */
  readonly fields: boolean;
}

/** Width by height of the pixels of one field, where the stream tells that of the frame; some tell that of the field. */
export const aspectOfField = (aspect: number): number =>
  aspect > 0 && aspect < NARROW ? aspect : (aspect || 1) / 2;
/** Narrower than any pixel of a frame, wider than any of a field but those of wide pictures in standard definition. */
const NARROW = 0.8;

/** How one frame is to be shown. */
export interface Shown {
  readonly orientation: Orientation;
  readonly aspect: number;
  /** Whether it holds two fields, which may show two moments. */
  readonly interlaced: boolean;
}

/** Tells of frames in order how each is to be shown. */
export class Showings {
  readonly #stream: Showing;
  /** What the coded stream said last; it holds up to the next key frame. */
  #said: Orientation | undefined;

  constructor(stream: Showing) {
    this.#stream = stream;
  }

  /**
   * The container wins over what the codec says of pixels, as players have it, until that changes: then the picture has, and the container
   * speaks of the one before.
   */
  of(frame: Frame): Shown {
    const { orientation, aspect, codedAspect, fields } = this.#stream;
    if (orientation === undefined) {
      const matrix = frame.getSideData(AV_FRAME_DATA_DISPLAYMATRIX);
      if (matrix !== null) this.#said = orientationOf(matrix);
      else if (frame.keyFrame !== 0) this.#said = undefined;
    }
    const { num, den } = frame.sampleAspectRatio;
    const own = num > 0 && den > 0 ? num / den : 0;
    const changed = own > 0 && Math.abs(own / (codedAspect || 1) - 1) > SAME_ASPECT;
    const flagged = frame.hasFlags(AV_FRAME_FLAG_INTERLACED);
    const told = changed ? own : aspect;
    return {
      orientation: orientation ?? this.#said ?? upright,
      aspect: flagged && fields ? aspectOfField(told) : told,
      interlaced: flagged && !fields,
    };
  }
}
/** Ratios that differ by less are one, told in other numbers. */
const SAME_ASPECT = 1e-3;

/** Memory a decoded frame holds, about: rows are padded to 64 bytes. */
export function frameBytes({ format, width, height }: Pick<Frame, 'format' | 'width' | 'height'>): number {
  return avImageGetBufferSize(format as Parameters<typeof avImageGetBufferSize>[0], width, height, 64);
}

/** Memory of the frames of a stream, about; of one that does not tell its pixels' format as if they had 10 bits. */
export function codedBytes(stream: Pick<Frame, 'format' | 'width' | 'height'>): number {
  const bytes = frameBytes(stream);
  return bytes > 0 ? bytes : 3 * stream.width * stream.height;
}

/** Of a JPEG, as FFmpeg makes them. */
const MOST_SIDE = 65_500;

/** Throws ProblemError `too_many_pixels` for a size, as shown, that no picture is made of. */
export function requirePixels({ width, height }: Size, { pixels }: Pick<VideoLimits, 'pixels'>): void {
  const told = `Its pictures have ${width} × ${height} pixels`;
  if (width * height > pixels)
    throw new ProblemError('too_many_pixels', `${told}; at most ${pixels} are decoded here.`);
  if (Math.max(width, height) > MOST_SIDE)
    throw new ProblemError('too_many_pixels', `${told}; a side can have at most ${MOST_SIDE}.`);
}

/** A reference to the frame's memory; nothing is copied. */
export function keepFrame(
  frame: Frame,
  { at, pts }: { at: number; pts: number },
  { orientation, aspect, interlaced }: Shown,
  limits: Pick<VideoLimits, 'pixels'>,
): KeptFrame {
  const size = shownSize(frame, aspect, orientation);
  requirePixels(size, limits);
  const kept = new Frame();
  kept.alloc();
  kept.ref(frame);
  if (!interlaced) kept.clearFlags(AV_FRAME_FLAG_INTERLACED);
  let shown: Frame | undefined;
  const picture = () => {
    shown ??= setUpright(kept, size, orientation);
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
