/** Finds out what lanes are held by on this system, by opening one. */
import type { SandboxReport } from '@darkroom/contract/sandbox.ts';
import { z } from 'zod';
import { openLane } from '../parent/lane.ts';
import { type LaneBuild, type LaneShape, laneBuild } from '../shape.ts';

export const probe = laneBuild({
  name: 'probing',
  shape: { setup: z.object({}), told: z.object({}), tasks: {} },
  main: new URL('probe-main.ts', import.meta.url),
  memoryBytes: 256 << 20,
  stallSeconds: 60,
});

/** What lanes of a build are held by goes by this of it. */
export type Holding = Pick<LaneBuild<LaneShape>, 'sandbox' | 'reads'>;

/** What a lane would be held by. Throws SandboxLacking where it is required and there is not enough of it. */
export async function probeSandbox({ sandbox, reads }: Holding): Promise<SandboxReport> {
  const lane = await openLane({ ...probe, ...(sandbox && { sandbox }), ...(reads && { reads }) }, {});
  await lane.close();
  return lane.sandbox;
}
