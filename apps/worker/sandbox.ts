/** What holds the lanes of this worker, told once as it starts. */
import type { SandboxReport } from '@darkroom/contract';
import { probeSandbox } from '@darkroom/lane';
import type { Config } from '@darkroom/platform';
import type { QueueDefinition } from './workers.ts';

/**
 * Tells in the log what lanes are held by; undefined where no queue has lanes. Throws SandboxLacking where the configuration requires
 * more than there is.
 */
export async function checkSandbox(
  { lane }: Pick<Config, 'lane'>,
  served: readonly Pick<QueueDefinition, 'hasLanes'>[],
  logger: Record<'info' | 'warn', (about: { sandbox: SandboxReport }, message: string) => void>,
): Promise<SandboxReport | undefined> {
  if (!served.some(({ hasLanes }) => hasLanes)) return undefined;
  const sandbox = await probeSandbox(lane.sandbox);
  const { missing } = sandbox;
  if (missing.length === 0) logger.info({ sandbox }, 'lanes are held by the whole sandbox');
  else logger.warn({ sandbox }, `lanes are held without ${missing.join('; ')}`);
  return sandbox;
}
