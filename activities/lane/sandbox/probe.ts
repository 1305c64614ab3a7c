/** Finds out what lanes are held by on this system, by opening one. */
import type { SandboxReport } from '@darkroom/contract/sandbox.ts';
import { z } from 'zod';
import { openLane } from '../parent/lane.ts';
import { laneBuild } from '../shape.ts';
import type { SandboxMode } from './report.ts';

export const probe = laneBuild({
  name: 'probing',
  shape: { setup: z.object({}), told: z.object({}), tasks: {} },
  main: new URL('probe-main.ts', import.meta.url),
  memoryBytes: 256 << 20,
  stallSeconds: 60,
});

/** What a lane would be held by. Throws SandboxLacking where it is required and there is not enough of it. */
export async function probeSandbox(sandbox: SandboxMode): Promise<SandboxReport> {
  const lane = await openLane({ ...probe, sandbox }, {});
  await lane.close();
  return lane.sandbox;
}
