import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { servedModels } from '@darkroom/models';
import { brightnessModel } from '@darkroom/recognition/testing/models.ts';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestProcess } from '../harness/process.ts';
import { pythonTools } from '../harness/python.ts';
import { startTestStack } from '../harness/stack.ts';

/** The Open Inference Protocol as its clients speak it, on the real parts: theirs is the proof that it is theirs. */

const run = promisify(execFile);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const python = await pythonTools('inference');

let stack: Awaited<ReturnType<typeof startTestStack>>;
let records: Records;
let worker: TestProcess;
let url: string;
let key: string;

beforeAll(async () => {
  stack = await startTestStack('inference', { PREDICTION_DEADLINE_SECONDS: '60' });
  const { postgres } = stack.stack;
  await migrate(postgres);
  records = openRecords({ url: postgres });
  const [api, first] = await Promise.all([
    stack.startApi(),
    stack.startWorker({ DARKROOM_QUEUES: 'interactive' }),
  ]);
  worker = first;
  url = api.url;
  ({ key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 }));
}, 300_000);

afterAll(async () => {
  await records?.close();
  await stack?.close();
});

async function story(script: string, args: readonly string[], env: Record<string, string> = {}) {
  const { stdout } = await run(python.python!, [here(`clients/python/${script}`), ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      API_URL: url,
      API_KEY: key,
      PHOTO: here('../../apps/local/_samples/cat.jpg'),
      ...env,
    },
  }).catch((error) => {
    throw new Error(`${error.stdout}\n${error.stderr}`);
  });
  return JSON.parse(stdout);
}
const status = async (path: string): Promise<number> =>
  (await fetch(url + path, { headers: { authorization: `Bearer ${key}` } })).status;

describe.skipIf(python.missing)(`clients (${python.missing ?? 'Python is there'})`, () => {
  test('tritonclient and the SDK of KServe get what they ask for, each inference recorded', async () => {
    const got = await story('inference.py', ['classifier']);
    const [first] = got.answers;
    expect(got.answers).toEqual([first, first, first]);
    expect(first).toEqual(['mine', [285, 285], expect.any(Array)]);
    expect(got).toMatchObject({
      label: 'Egyptian cat',
      own: [[2, 1000], true],
      best: [['Egyptian cat', expect.any(String), expect.any(String)]],
      tensors: { shape: [1, 1000], same: true, best: true },
      ready: [true, true, true, false],
      model: 'efficientnet-lite0',
      config: 'TYPE_FP32',
      index: ['READY'],
      server: 'darkroom',
      refused: ['401', '404', '404', '404', '404', '415', '400', '415'],
      kserve: { ready: [true, true, true, false], label: ['Egyptian cat'], same: [true, true] },
    });
    // Four times two pictures, one, three runs.
    expect(got.counted).toBe(12);
    const ids = got.ids.split(',').map(Number);
    const rows = await records.sql`select owner, state, result from predictions where id = any(${ids})`;
    expect(rows).toEqual([0, 1].map(() => ({ owner: 'ada', state: 'succeeded', result: 285 })));
    const [left] = await records.sql`select count(*)::int as outputs from prediction_outputs`;
    expect(left).toEqual({ outputs: 0 });
  }, 300_000);

  test('whatever Schemathesis makes of the protocol’s document and of ours is answered as they say', async () => {
    const [{ name, version } = {}] = await servedModels(records.db, 'predictions');
    const seen = await story('protocol.py', ['8'], { MODEL: name ?? '', VERSION: version ?? '' });
    for (const of of [seen.protocol, seen.own]) {
      // Those of an error have its form, which the script has seen to.
      for (const answer of ['200', '400', '404'])
        expect(of[answer], `${answer} of ${JSON.stringify(of)}`).toBeGreaterThan(5);
    }
  }, 300_000);
});

describe('readiness', () => {
  const readiness = async () => [await status('/v2/health/ready'), await status('/v2/models/default/ready')];

  test('ends with the death of the last worker', async () => {
    expect(await readiness()).toEqual([200, 200]);
    worker.kill('SIGKILL');
    await worker.ended;
    await expect.poll(() => status('/v2/health/ready'), { timeout: 30_000, interval: 100 }).toBe(503);
    expect(await status('/v2/models/default/ready')).toBe(503);
    expect(await status('/v2/health/live')).toBe(200);
  });

  test('ends where the last process of the model has died and none can be opened, and is back with one', async () => {
    const path = join(stack.home, 'halves.onnx');
    await copyFile(await brightnessModel({ batch: 1, type: 'float16' }), path);
    worker = await stack.startWorker({ DARKROOM_QUEUES: 'interactive', MODEL_PATH: path });
    const ready = () => status('/v2/models/halves/ready');
    await expect.poll(ready, { timeout: 60_000 }).toBe(200);

    if (!python.missing) {
      const { halves } = await story('inference.py', ['halves'], { MODEL: 'halves' });
      for (const [type, shape, score, exact, corner] of halves) {
        expect([type, shape, corner]).toEqual(['float16', [1, 5, 84], 32]);
        expect(Math.abs(score - exact)).toBeLessThan(0.001);
      }
    }

    await rename(path, `${path}.away`);
    for (const pid of childrenOf(worker.pid)) process.kill(pid, 'SIGKILL');
    await expect.poll(ready, { timeout: 30_000, interval: 100 }).toBe(503);
    await rename(`${path}.away`, path);
    await expect.poll(ready, { timeout: 60_000 }).toBe(200);
  }, 300_000);
});

/** Processes that a process has started: of one that serves predictions alone, its lanes. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(parent);
      } catch {
        return false;
      }
    });
}
