import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { services } from '@darkroom/api/app.ts';
import { ProblemError } from '@darkroom/contract';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type InProcess, startInProcess } from '../harness/in-process.ts';
import { registerTallies } from '../new-kind/route.ts';
import { kinds, queues, submitPlay } from './plays.ts';

/** Time: what is slow is not taken for dead, waiting is no outage, and who waits takes no slot. */

/** As short as it goes: an outage may last 3.6 s. */
const outageHours = 0.001;
/** Calls of `finish`: the jobs they end, and how long each takes. */
const finishing = { begun: [] as string[], delayMs: 0 };

let house: InProcess;
beforeAll(async () => {
  const light = queues.light!;
  house = await startInProcess('time', {
    kinds,
    queues: {
      ...queues,
      light: {
        slots: () => 1,
        async activities(deps) {
          const real = (await light.activities(deps)) as Record<
            string,
            (...args: unknown[]) => Promise<unknown>
          >;
          return {
            ...real,
            async finish(...args: unknown[]) {
              finishing.begun.push((args[0] as { jobId: string }).jobId);
              await sleep(finishing.delayMs);
              return real.finish!(...args);
            },
          };
        },
      },
    },
    services: [...services, registerTallies],
    workflows: fileURLToPath(new URL('../new-kind/workflows.ts', import.meta.url)),
    env: {
      // Longer than this process may stall: an attempt taken for dead has a second one beside it.
      HEARTBEAT_TIMEOUT_SECONDS: '3',
      OUTAGE_HOURS: String(outageHours),
      SWEEP_INTERVAL_SECONDS: '1',
      WORKER_SLOTS: 'tally=1',
      PAGE_SECONDS: 'tally=0.1',
    },
  });
}, 300_000);
afterAll(async () => {
  await house?.close();
}, 180_000);

/** Workers for as long as a test takes. */
async function atWork(names?: readonly string[]): Promise<void> {
  const shift = await house.work(names);
  onTestFinished(() => shift.stop());
}

const away = new ProblemError('storage_unavailable', 'It does not answer.');

test('waiting for workers is no outage, however long, and the job says for whom it waits, also while there is none at all', async () => {
  const { id, user } = await submitPlay(house, 'patient', 1);
  const says = (waiting: string) =>
    expect
      .poll(() => user.job(id), { timeout: 60_000, interval: 200 })
      .toMatchObject({ state: 'queued', waiting });
  await says('No worker serves light');
  await atWork(['light']);
  await sleep(outageHours * 3_600_000 + 2000);
  await says('No worker serves tally');
  await atWork(['tally']);
  expect(await user.ended(id)).toMatchObject({ state: 'succeeded', waiting: null });
}, 300_000);

test('a server that stays away longer than an outage may last fails the job as outage', async () => {
  await atWork();
  let tries = 0;
  const began = Date.now();
  const { id, user } = await submitPlay(house, 'unlucky', 1, {
    async item() {
      tries++;
      throw away;
    },
  });
  expect(await user.ended(id)).toMatchObject({ state: 'failed', problem: { code: 'outage' } });
  expect(Date.now() - began).toBeGreaterThan(outageHours * 3_600_000);
  expect(tries).toBeGreaterThan(2);
}, 180_000);

test('an activity that is slower than a heartbeat may be late runs once', async () => {
  await atWork();
  finishing.delayMs = 5000;
  const { id, user } = await submitPlay(house, 'tidy', 1, {
    item: () => Promise.reject(new ProblemError('empty_file', 'Nothing.')),
  });
  expect(await user.ended(id)).toMatchObject({ state: 'failed', problem: { code: 'empty_file' } });
  expect(finishing.begun.filter((each) => each === id)).toHaveLength(1);
  finishing.delayMs = 0;
}, 180_000);

test('a removal waits for the end of its run without a slot, which that end needs', async () => {
  await atWork();
  const { id, user } = await submitPlay(house, 'doomed', 40, { item: () => sleep(300) });
  await expect.poll(async () => (await user.job(id)).state, { timeout: 60_000 }).toBe('running');
  await user.call(`/v1/jobs/${id}`, { method: 'DELETE' });
  const status = async () => (await user.call(`/v1/jobs/${id}`, { method: 'DELETE' })).status;
  await expect.poll(status, { timeout: 60_000 }).toBe(204);
}, 180_000);

test('as many activities run at once as are set for their queue, and a page makes way after the time that is set for it', async () => {
  await atWork();
  const [froms, inHand] = [new Set<number>(), { now: 0, most: 0 }];
  const acts = {
    page: async (from: number) => void froms.add(from),
    async item() {
      inHand.most = Math.max(inHand.most, ++inHand.now);
      await sleep(150);
      inHand.now--;
    },
  };
  const jobs = [await submitPlay(house, 'one', 8, acts), await submitPlay(house, 'other', 8, acts)];
  for (const { id, user } of jobs) expect(await user.ended(id)).toMatchObject({ state: 'succeeded' });
  // A page has two texts in hand, and the queue's definition would let four pages be worked on.
  expect(inHand.most).toBeLessThanOrEqual(2);
  // A page of four lasts 0.3 s where it is not cut short: by default it would have 2 s.
  expect([...froms].filter((from) => from % 4 !== 1)).not.toEqual([]);
}, 180_000);
