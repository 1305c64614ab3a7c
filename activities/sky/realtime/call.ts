/** What the worker is told of a cutout that somebody waits for. */
import { z } from 'zod';
import { cutoutCall } from '../make/call.ts';

export const realtimeCall = cutoutCall.extend({
  digest: z.string(),
  unit: z.string(),
  /** Milliseconds after it was handed over when nobody waits any more. */
  leftMs: z.int(),
});
export type RealtimeCall = z.infer<typeof realtimeCall>;
