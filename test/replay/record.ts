/**
 * Records the histories that replay.test.ts replays, anew, from real runs: `node test/replay/record.ts`.
 *
 * Do it on purpose: a history that fails to replay tells that runs which are under way would break, and calls for
 * `patched()`. Record anew when a kind is added, or when no run of the old story can be left anywhere.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kinds } from '@darkroom/contract';
import { queueDefinitions } from '@darkroom/worker/workers.ts';
import sharp from 'sharp';
import { startInProcess } from '../harness/in-process.ts';
import { type Photo, sample } from '../harness/user.ts';
import { writeHistory } from './histories.ts';

const folder = join(import.meta.dirname, 'histories');
await mkdir(folder, { recursive: true });
for (const name of await readdir(folder)) await rm(join(folder, name));

const house = await startInProcess('record', { kinds, queues: queueDefinitions });
const ada = await house.user('ada');
await house.work();

try {
  const cat = await sample('cat.jpg');
  const one = await ada.analyse([cat]);
  await keep('photo-succeeded', one, 'succeeded');

  const half = { name: 'half.jpg', bytes: cat.bytes.slice(0, cat.bytes.length / 2) };
  await keep('photo-failed', await ada.analyse([half]), 'failed');
  await keep('photo-with-warnings', await ada.analyse([cat, half]), 'succeeded_with_warnings');

  const many = await photos(100);
  await keep('photo-many-pages', await ada.analyse(many), 'succeeded');

  for (const way of ['api', 'signal'] as const) {
    const task = await ada.analyse(many);
    while ((await ada.job(task)).state === 'queued') await sleep(20);
    if (way === 'api') await ada.post(`/v1/jobs/${task}/cancel`, { reason: 'enough' });
    else await house.temporal.workflow.getHandle(task).signal('cancel', 'enough');
    await keep(`photo-cancelled-by-${way}`, task, 'cancelled');
    if (way === 'signal') continue;
    await ada.post(`/v1/jobs/${task}/resume`);
    await keep('photo-resumed', task, 'succeeded');
  }

  // Its last step comes ten minutes later; what is under way replays too.
  await ada.call(`/v1/jobs/${one}`, { method: 'DELETE' });
  await waitFor(async () => (await ada.call(`/v1/jobs/${one}`, { method: 'DELETE' })).status === 204);
  await write('removal-under-way', `removal/${one}`);

  let sweep: string | undefined;
  await waitFor(async () => {
    const query = "WorkflowType = 'sweep' AND ExecutionStatus = 'Completed'";
    for await (const run of house.temporal.workflow.list({ query })) sweep = run.workflowId;
    return sweep !== undefined;
  });
  await write('sweep-succeeded', sweep!);
} finally {
  await house.close();
}

/** Waits for the job's end and keeps its history. */
async function keep(name: string, jobId: string, state: string): Promise<void> {
  const job = await ada.ended(jobId);
  if (job.state !== state) throw new Error(`${name}: the job is ${job.state} instead of ${state}.`);
  const handle = house.temporal.workflow.getHandle(jobId);
  await waitFor(async () => (await handle.describe()).status.name !== 'RUNNING');
  await write(name, jobId);
}

async function write(name: string, workflowId: string): Promise<void> {
  const history = await house.temporal.workflow.getHandle(workflowId).fetchHistory();
  await writeHistory(name, history);
  console.log(`${name}: ${history.events?.length} events`);
}

/** Small pictures, each its own. */
async function photos(count: number): Promise<Photo[]> {
  const draw = async (_: unknown, index: number): Promise<Photo> => {
    const background = { r: index, g: 255 - index, b: 128 };
    const picture = sharp({ create: { width: 64, height: 48, channels: 3, background } });
    return { name: `${index}.png`, bytes: new Uint8Array(await picture.png().toBuffer()) };
  };
  return Promise.all(Array.from({ length: count }, draw));
}

async function waitFor(ready: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await ready()); tries++) {
    if (tries > 300) throw new Error('Waited a minute in vain.');
    await sleep(200);
  }
}
