/** What the decoder's process and its parent say to each other. */
import { scene, videoInfo } from '@darkroom/contract';
import { laneShape } from '@darkroom/lane/shape.ts';
import { z } from 'zod';
import type { VideoLimits } from '../decode/reader.ts';
import { splitCursor } from '../split/cursor.ts';
import type { SplitRequest } from '../split/split.ts';

/** Of a file that the process reads through its parent. */
const file = { size: z.int().nonnegative(), limits: z.custom<VideoLimits>() };

/** Lines of a part of the statistics. */
const statistics = z.string().optional();

/** A split tells a scene with its two pictures as bodies: the image, then the input of the model. */
const splitEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('scene'),
    number: z.int().positive(),
    scene,
    width: z.int().positive(),
    height: z.int().positive(),
    cursor: splitCursor,
    statistics,
  }),
  z.object({ type: z.literal('checkpoint'), at: z.number(), cursor: splitCursor, statistics }),
  z.object({ type: z.literal('progress'), at: z.number(), decoded: z.int(), again: z.int() }),
  z.object({ type: z.literal('end'), at: z.number(), warnings: z.array(z.string()), statistics }),
]);

export const decoderShape = laneShape({
  setup: z.object({}),
  told: z.object({}),
  tasks: {
    probe: { params: z.object(file), result: z.object({ info: videoInfo }) },
    split: {
      params: z.object({ ...file, request: z.custom<SplitRequest>(), cursor: splitCursor.optional() }),
      result: z.object({}),
      event: splitEvent,
    },
  },
});
