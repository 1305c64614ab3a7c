/** Where a pass over a video stands: JSON, small, and enough to go on as if it had never stopped. */
import { z } from 'zod';
import { fastState } from './fast.ts';
import { segmenterState } from './segmenter.ts';

export const splitCursor = z.object({
  /** Seconds; the last frame that the pass is done with. */
  reached: z.number(),
  /** Frames it has passed. */
  frames: z.int().nonnegative(),
  /** Of them, or lost between them, are damaged. */
  damaged: z.int().nonnegative().default(0),
  scenes: segmenterState,
  /** Number in the pass and seconds of the frames that were at hand, in order. */
  candidates: z.array(z.tuple([z.int(), z.number()])),
  /** Seconds; the picture from which on the detector is fed again, so that it knows what it knew. */
  fedFrom: z.number(),
  /** Of the statistics: parts and lines that were told with cursors, and seconds of the last line; null unless asked for. */
  statistics: z
    .object({ parts: z.int().nonnegative(), lines: z.int().nonnegative(), until: z.number() })
    .nullable(),
  /** Of `fast`, see there. */
  fast: fastState.nullable(),
});
export type SplitCursor = z.infer<typeof splitCursor>;
