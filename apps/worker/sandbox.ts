/** What holds the lanes of this worker, told once as it starts. */
import { type SandboxReport, sandboxLacks } from '@darkroom/contract';
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
  // A second lock that is missing, as a user of its own where the worker is not root, is nothing to be warned of.
  const level = sandboxLacks(sandbox).length === 0 ? 'info' : 'warn';
  const what = missing.length === 0 ? 'by the whole sandbox' : `without ${missing.join('; ')}`;
  logger[level]({ sandbox }, `lanes are held ${what}`);
  return sandbox;
}
