/** From the coded picture to the picture as shown: turned, mirrored, with square pixels; and its size in a model's input. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** One of the eight ways a picture can lie. */
export interface Orientation {
  /** Degrees clockwise that the coded picture is turned to stand upright; mirroring not told. */
  readonly rotation: 0 | 90 | 180 | 270;
  /** Whether width and height change places. */
  readonly turned: boolean;
  /** FFmpeg filters that set it upright, in order. */
  readonly filters: readonly string[];
}

export const upright: Orientation = { rotation: 0, turned: false, filters: [] };

/** By the signs of a, b, c, d in x' = a·x + c·y, y' = b·x + d·y (y downwards). */
const orientations: Readonly<Record<string, Orientation>> = {
  '1 0 0 1': upright,
  '-1 0 0 1': { rotation: 0, turned: false, filters: ['hflip'] },
  '1 0 0 -1': { rotation: 180, turned: false, filters: ['vflip'] },
  '-1 0 0 -1': { rotation: 180, turned: false, filters: ['hflip', 'vflip'] },
  '0 1 -1 0': { rotation: 90, turned: true, filters: ['transpose=clock'] },
  '0 -1 1 0': { rotation: 270, turned: true, filters: ['transpose=cclock'] },
  '0 1 1 0': { rotation: 90, turned: true, filters: ['transpose=cclock_flip'] },
  '0 -1 -1 0': { rotation: 270, turned: true, filters: ['transpose=clock_flip'] },
};

/**
 * Orientation by a display matrix as FFmpeg hands it over: nine little-endian int32 (a b u, c d v, x y w), ISO/IEC 14496-12 §8.3.2.
 * An angle between the right ones is taken as the nearest of them, a matrix without sense as upright.
 */
export function orientationOf(matrix: Uint8Array | null): Orientation {
  if (matrix === null || matrix.length < 36) return upright;
  const view = new DataView(matrix.buffer, matrix.byteOffset, matrix.length);
  const [a, b, c, d] = [0, 4, 12, 16].map((at) => view.getInt32(at, true)) as [
    number,
    number,
    number,
    number,
  ];
  const along = Math.abs(a) + Math.abs(d) >= Math.abs(b) + Math.abs(c);
  const signs = along ? [sign(a), 0, 0, sign(d)] : [0, sign(b), sign(c), 0];
  return orientations[signs.join(' ')] ?? upright;
}

const sign = (value: number) => (value > 0 ? 1 : value < 0 ? -1 : 0);

/** Pixels more oblong than this are a broken header, not a picture. */
const MOST_OBLONG = 10;

/**
 * Size with square pixels of a picture whose pixels are `aspect` as wide as high: the shorter side of a pixel grows, so that nothing
 * is lost. An aspect without sense counts as 1.
 */
export function squareSize({ width, height }: Size, aspect: number): Size {
  if (!(aspect >= 1 / MOST_OBLONG && aspect <= MOST_OBLONG)) return { width, height };
  return aspect >= 1
    ? { width: Math.round(width * aspect), height }
    : { width, height: Math.round(height / aspect) };
}

/** The size as shown: pixels made square, then turned. */
export function shownSize(coded: Size, aspect: number, orientation: Orientation): Size {
  const { width, height } = squareSize(coded, aspect);
  return orientation.turned ? { width: height, height: width } : { width, height };
}
