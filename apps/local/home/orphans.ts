import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalProcess } from '@darkroom/servers/run/processes.ts';

/** The variables that every process of a stack carries, so that it is known later whose it was. */
export const stackVariable = 'DARKROOM_STACK';
export const serviceVariable = 'DARKROOM_SERVICE';

export interface Orphan {
  readonly pid: number;
  readonly service: string;
}

const graceMilliseconds = 10_000;
/** What uses the others ends before them. */
const order = ['api', 'worker', 'temporal', 's3', 'postgres'];

/** The processes on this machine that belong to the stack with this id (Linux: read from /proc). */
export async function findOrphans(stack: string): Promise<Orphan[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: Orphan[] = [];
  for (const pid of pids) {
    const env = readEnvironment(await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''));
    if (env[stackVariable] === stack && pid !== process.pid)
      found.push({ pid, service: env[serviceVariable] ?? '' });
  }
  return found;
}

/**
 * Ends what a stack that died without stopping (`kill -9` of its supervisor) left running, so that nothing fights the
 * new stack over the data. A pid is ended only while the process behind it carries the stack's id.
 */
export async function endOrphans(stack: string): Promise<Orphan[]> {
  const orphans = await findOrphans(stack);
  for (const group of Object.values(Object.groupBy(orphans, rank))) {
    await Promise.all((group ?? []).map((orphan) => endOrphan(orphan, stack)));
  }
  return orphans;
}

/** Integer keys are walked in ascending order; what is no service by itself goes first. */
function rank(orphan: Orphan): number {
  return order.indexOf(orphan.service) + 1;
}

async function endOrphan(orphan: Orphan, stack: string): Promise<void> {
  signalProcess(orphan.pid, orphan.service === 'postgres' ? 'SIGINT' : 'SIGTERM');
  const deadline = Date.now() + graceMilliseconds;
  while (await belongs(orphan.pid, stack)) {
    if (Date.now() > deadline) signalProcess(orphan.pid, 'SIGKILL');
    await sleep(50);
  }
}

async function belongs(pid: number, stack: string): Promise<boolean> {
  const env = readEnvironment(await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''));
  return env[stackVariable] === stack;
}

/** Parses the text of /proc/PID/environ. */
export function readEnvironment(text: string): Record<string, string> {
  const pairs = text.split('\0').filter((pair) => pair.includes('='));
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}
