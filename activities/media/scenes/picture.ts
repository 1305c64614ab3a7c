/**
 * A frame made small for comparison: 8-bit planar 4:2:0, rows from the top, no padding between rows.
 * The arrays may be reused by whoever made it: copy what you keep.
 */
export interface SmallPicture {
  readonly width: number;
  readonly height: number;
  readonly y: Uint8Array;
  readonly u: Uint8Array;
  readonly v: Uint8Array;
}

/** Pixels of a small picture, about; 160 × 90 of 16:9. */
const area = 160 * 90;
/** Shortest side, so that blocks of motion have room; a very long and narrow video is squeezed. */
const shortest = 32;
const longest = 320;

/** Size that pictures of a video are compared at: about its aspect, even both ways, the same for every frame. */
export function smallSize(width: number, height: number): { width: number; height: number } {
  const aspect = width / height;
  const side = (length: number): number => 2 * Math.round(Math.min(longest, Math.max(shortest, length)) / 2);
  return { width: side(Math.sqrt(area * aspect)), height: side(Math.sqrt(area / aspect)) };
}
