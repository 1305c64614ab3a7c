/** A lane that does what tests ask of it. */
import { z } from 'zod';
import { type LaneBuild, laneShape } from '../shape.ts';

export const trialShape = laneShape({
  setup: z.object({ greeting: z.string() }),
  told: z.object({ greeting: z.string(), pid: z.int() }),
  tasks: {
    /** Each body upside down, with its sum. */
    reverse: {
      params: z.object({ add: z.number() }),
      result: z.object({ sums: z.array(z.number()) }),
      stages: ['look', 'turn'],
    },
    /** So many events with so many bytes each, without giving way to the event loop. */
    stream: {
      params: z.object({ events: z.int(), bytes: z.int() }),
      result: z.object({ told: z.int() }),
      event: z.object({ number: z.int() }),
    },
    /** The source from its beginning to its end, in steps. */
    read: { params: z.object({ size: z.int(), step: z.int() }), result: z.object({}) },
    /** What hostile bytes might make it do. */
    misbehave: {
      params: z.object({
        how: z.enum(['spin', 'exit', 'throw', 'problem', 'memory', 'lie', 'garbage', 'abort', 'lack']),
        begun: z.boolean().optional(),
      }),
      result: z.object({ number: z.number() }),
    },
  },
});

export const trialBuild: LaneBuild<typeof trialShape> = {
  name: 'trial',
  shape: trialShape,
  main: new URL('trial-main.ts', import.meta.url),
  memoryBytes: 300e6,
  stallSeconds: 30,
};
