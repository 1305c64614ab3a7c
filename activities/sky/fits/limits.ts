/** What a file may promise before it is refused with `fits_too_large`: a header can say anything, memory is bounded. */
export interface FitsLimits {
  /** HDUs of a file. */
  readonly hdus: number;
  /** Cards of one header, END not counted. */
  readonly cards: number;
  /** Pixels of an image, as its header says. */
  readonly pixels: number;
  /** Pixels of one read: a box takes 1 to 8 bytes a pixel. */
  readonly boxPixels: number;
  /** Pixels of one compressed tile. */
  readonly tilePixels: number;
  /** Bytes of one compressed tile, as it lies in the file. */
  readonly tileBytes: number;
  /** Pixels that one read decodes: all tiles of a file can be the same few bytes. A tile counts as {@link TILE_COST} at least. */
  readonly decodedPixels: number;
}

/** Pixels that could be decoded in the time that a tile takes beside its own. */
export const TILE_COST = 1024;

export const DEFAULT_LIMITS: FitsLimits = {
  hdus: 2_000,
  cards: 50_000,
  pixels: 2 ** 36,
  boxPixels: 2 ** 27,
  tilePixels: 2 ** 26,
  tileBytes: 2 ** 27,
  decodedPixels: 2 ** 30,
};
