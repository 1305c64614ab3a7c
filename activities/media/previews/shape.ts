/** What the process that draws previews is asked and answers. */
import { type LaneShape, laneShape } from '@darkroom/lane/shape.ts';
import { z } from 'zod';

const stages = ['draw'] as const;
const pixels = z.int().nonnegative();
const size = { width: z.int().positive(), height: z.int().positive() };

export const previewShape = laneShape({
  setup: z.object({}),
  told: z.object({}),
  tasks: {
    /** Body: the frame. Answer's body: the tile, sRGB, 3 bytes a pixel. */
    tile: {
      params: z.strictObject({ ...size, at: z.number() }),
      result: z.object({ look: z.object({ brightness: z.number(), contrast: z.number() }) }),
      stages,
    },
    /** Bodies: the tiles, each as it was answered. Answer's body: JPEG. */
    storyboard: {
      params: z.strictObject({
        ...size,
        tiles: z.array(z.strictObject({ x: pixels, y: pixels, ...size })),
      }),
      result: z.object({}),
      stages,
    },
    /** Body: the frame. Answer's body: JPEG. */
    poster: { params: z.strictObject({}), result: z.object({}), stages },
  },
} satisfies LaneShape);
