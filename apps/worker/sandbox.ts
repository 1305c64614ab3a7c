/** What holds the lanes of this worker, told once as it starts. */
import { type SandboxReport, sandboxLacks } from '@darkroom/contract';
import { probeSandbox } from '@darkroom/lane';
import type { Config } from '@darkroom/platform';
import type { QueueDefinition } from './workers.ts';

/**
 * Tells in the log what lanes are held by, those that are held least where the queues' lanes are not held alike; undefined where no queue
 * has lanes. Throws SandboxLacking where the configuration requires more than there is.
 */
export async function checkSandbox(
  config: Config,
  served: readonly Pick<QueueDefinition, 'lanes'>[],
  logger: Record<'info' | 'warn', (about: { sandbox: SandboxReport }, message: string) => void>,
): Promise<SandboxReport | undefined> {
  const reports: SandboxReport[] = [];
  for (const { lanes } of served) {
    const holding = await lanes?.(config);
    if (holding === undefined) continue;
    const report = await probeSandbox(holding);
    const unasked = holding.sandbox === 'off' && config.lane.sandbox !== 'off';
    reports.push(unasked ? { ...report, missing: [withoutAsking] } : report);
  }
  const [sandbox] = reports.sort((a, b) => lackOf(b) - lackOf(a) || b.missing.length - a.missing.length);
  if (sandbox === undefined) return undefined;
  const { missing } = sandbox;
  // A second lock that is missing, as a user of its own where the worker is not root, is nothing to be warned of.
  const level = lackOf(sandbox) === 0 ? 'info' : 'warn';
  const what = missing.length === 0 ? 'by the whole sandbox' : `without ${missing.join('; ')}`;
  logger[level]({ sandbox }, `lanes are held ${what}`);
  return sandbox;
}

const withoutAsking = 'anything (the driver of a GPU needs its devices: RECOGNITION_DEVICE)';
const lackOf = (report: SandboxReport): number => sandboxLacks(report).length;
