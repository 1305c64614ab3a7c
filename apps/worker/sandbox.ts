/** What holds the lanes of this worker, told as it starts, and to the records for as long as it lives. */

import { type SandboxReport, sandboxLacks } from '@darkroom/contract';
import type { FrameDeps } from '@darkroom/frame';
import { probeSandbox } from '@darkroom/lane';
import { keepTelling, tellSandbox } from '@darkroom/models';
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
  const holdings = await Promise.all(served.flatMap(({ lanes }) => lanes?.(config) ?? []));
  const reports: SandboxReport[] = [];
  // One that reads what any of them reads is held as the least of them; a probe is two starts of a process.
  for (const [mode, alike] of Map.groupBy(holdings, ({ sandbox }) => sandbox)) {
    const reads = new Set(alike.flatMap((holding) => holding.reads ?? []));
    const report = await probeSandbox({ ...(mode && { sandbox: mode }), reads: [...reads] });
    const unasked = mode === 'off' && config.lane.sandbox !== 'off';
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

const withoutAsking =
  'anything (the driver of a GPU needs its devices: RECOGNITION_DEVICE), for pictures and for the models that others registered';
const lackOf = (report: SandboxReport): number => sandboxLacks(report).length;

/**
 * Tells the records what lanes are held by, and goes on telling, which is what it returns the end of. Never throws: records that are away
 * are told with the next beat.
 */
export function tellOfSandbox(
  { records, logger, worker }: Pick<FrameDeps, 'records' | 'logger' | 'worker'>,
  sandbox: SandboxReport,
): () => Promise<void> {
  const tell = (): Promise<void> =>
    tellSandbox(records.db, worker, sandbox).catch((error: unknown) => {
      logger.debug({ err: error }, 'the records were not told of the sandbox; trying again');
    });
  return keepTelling(records, worker, tell, tell());
}
