/** A lane whose native code was taken over: it makes the calls it is told to, raw, as such code would. */
import { z } from 'zod';
import { laneShape } from '../shape.ts';

export const hostileShape = laneShape({
  setup: z.object({}),
  told: z.object({}),
  tasks: {
    /** A call of the kernel; what it returned, its errno below zero. Text is handed over as such. */
    call: {
      params: z.object({
        name: z.string(),
        args: z.array(z.union([z.int(), z.string()])),
        /** In a thread that begins for it. */
        thread: z.boolean().default(false),
      }),
      result: z.object({ returned: z.int() }),
    },
    /** What Node says of it. */
    node: {
      params: z.object({
        what: z.enum(['read', 'run', 'tcp', 'udp', 'signal']),
        of: z.string(),
      }),
      result: z.object({ code: z.string() }),
    },
    /** All that it has. */
    look: {
      params: z.object({}),
      result: z.object({
        environment: z.record(z.string(), z.string()),
        environ: z.string(),
        descriptors: z.array(z.string()),
        status: z.string(),
        /** Whether types had to be taken out of some source. */
        stripped: z.boolean(),
      }),
    },
  },
});
