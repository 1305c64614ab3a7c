/** The steps that end, sweep and remove a job, with workers that die at each of them. */
import { join } from 'node:path';
import type { TestProcess } from '../harness/process.ts';
import { keepWorking } from './killing.ts';
import { faultsOf, objectsOf, type Rows, tablesWith } from './ledger.ts';
import { failpoints, type Platform, readJournal, until } from './platform.ts';

const steps = ['cancelRun', 'finish', 'sweepOnce', 'askToEnd', 'removeSome', 'removeRows'];

const askedToCancel = 'activity.cancelRun.done';

/** Failpoints of the queue `light`, each of which kills once: before and after each of its activities, and around each delete. */
export const lightPoints: readonly string[] = [
  ...steps.flatMap((step) => [`activity.${step}`, `activity.${step}.done`]),
  ...['finish.begun', 'finish.removed', 'delete.listed', 'delete.held'],
];

/**
 * Takes a job through cancel, resume and removal while every failpoint of `light` kills a worker. What went wrong; empty when the resumed
 * job was as `expected`, nothing of it was left in the end, and every failpoint has acted.
 */
export async function throughLightDeaths(
  platform: Platform,
  worker: 'recognitionWorker' | 'videoWorker',
  source: string,
  expected: { digests: ReadonlyMap<string, string>; rows: Rows },
): Promise<string[]> {
  const file = (name: string): string => join(platform.stack.home, name);
  const points = Object.fromEntries(lightPoints.map((point) => [point, { kill: 1, times: 1 }]));
  const light = keepWorking(platform, failpoints({ journal: file('light.journal'), points }), 'lightWorker');
  const acts = (name: string) => readJournal(file(name));
  // It is held with all its files written, which the clean-up has to delete.
  const held = await platform[worker](
    failpoints({ journal: file('held.journal'), points: { 'job.before-finish': { delayMs: 600_000 } } }),
  );
  const faults: string[] = [];
  let working: TestProcess | undefined;
  try {
    const id = await platform.submit(source);
    const publishing = async () => (await acts('held.journal')).length > 0;
    await until(publishing, { seconds: 600, what: 'the job to be published' });
    await platform.temporal.workflow.getHandle(id).signal('cancel', 'enough');
    const asked = async () => (await acts('light.journal')).some(({ point }) => point === askedToCancel);
    await until(asked, { seconds: 300, what: 'the engine to be asked' });
    held.kill('SIGKILL');
    const cancelled = await platform.ended(id, 300);
    if (cancelled.state !== 'cancelled') faults.push(`the cancelled job ended as ${cancelled.state}`);
    working = await platform[worker]();
    await platform.ask('POST', `/v1/jobs/${id}/resume`);
    const resumed = await platform.ended(id, 600);
    if (resumed.state !== 'succeeded') faults.push(`the resumed job ended as ${resumed.state}`);
    faults.push(...(await faultsOf(platform, id, expected)));
    const gone = async () => (await platform.ask('DELETE', `/v1/jobs/${id}`)).status === 204;
    await until(gone, { seconds: 600, what: 'the job to be gone' });
    faults.push(...(await tablesWith(platform, id)).map((table) => `rows are left in ${table}`));
    faults.push(...[...(await objectsOf(platform, id)).keys()].map((uri) => `${uri} is left`));
    const silent = async (): Promise<string[]> => {
      const acted = (await acts('light.journal')).map(({ point }) => point);
      return lightPoints.filter((point) => !acted.includes(point));
    };
    await until(async () => (await silent()).length === 0, {
      seconds: 120,
      what: async () => `a death at ${(await silent()).join(', ')}`,
    });
  } finally {
    await Promise.all([light.stop(), held.stop(), working?.stop()]);
  }
  return faults;
}
