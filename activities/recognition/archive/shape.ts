/** What the process that unpacks archives is asked and answers. */
import { archiveFormats } from '@darkroom/contract/jobs/list.ts';
import { problemRecord } from '@darkroom/contract/problems/problem.ts';
import { type LaneShape, laneShape } from '@darkroom/lane/shape.ts';
import { z } from 'zod';
import type { ArchiveLimits } from './gate.ts';

const limits = z.strictObject({
  members: z.number(),
  memberBytes: z.number(),
  unpackedBytes: z.number(),
  ratio: z.number(),
} satisfies Record<keyof ArchiveLimits, z.ZodType>);

const place = { offset: z.int().nonnegative(), members: z.int().nonnegative() };
const entry = { number: z.int().positive(), name: z.string(), place: z.object(place).optional() };

export const archiveShape = laneShape({
  setup: z.object({}),
  told: z.object({}),
  tasks: {
    /** Reads the archive through its parent; the names taken before `place` are the body. An entry is told with its bytes as the body, or with why there are none. */
    unpack: {
      params: z.strictObject({
        format: z.enum(archiveFormats),
        size: z.int().nonnegative(),
        limits,
        after: z.int().nonnegative(),
        place: z.strictObject({ ...place, numbered: z.int().nonnegative() }).optional(),
      }),
      result: z.object({}),
      event: z.discriminatedUnion('type', [
        z.object({ type: z.literal('picture'), ...entry }),
        z.object({ type: z.literal('refused'), ...entry, problem: problemRecord }),
      ]),
    },
  },
} satisfies LaneShape);
