import { problemOf, type SandboxReport } from '@darkroom/contract';
import { forgetWorker, tellModel, tellSandbox } from '@darkroom/models';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

const whole: SandboxReport = {
  landlock: 7,
  seccomp: true,
  capabilities: true,
  user: true,
  network: true,
  limits: true,
  missing: [],
};
const news = { problem: problemOf('unsupported_model', 'None is there.') };

let api: TestApi;
let ann: string;
let olga: string;
beforeAll(async () => {
  api = await startTestApi({}, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
  olga = (await api.key({ owner: 'olga', role: 'operator' })).key;
}, 60_000);
afterAll(() => api?.close());

const told = async (key = olga) =>
  ((await (await api.get('/status/ready', key)).json()) as { sandbox: { ready: boolean; detail?: string } })
    .sandbox;

it('readiness says what holds the processes that work on strangers’ pictures', async () => {
  const { db } = api.records;
  expect(await told()).toMatchObject({ ready: false, detail: expect.stringContaining('No worker') });

  // A worker that only works on videos has no model to tell of.
  await tellSandbox(db, 'a/1', whole);
  const ready = await told();
  expect(ready.ready).toBe(true);
  expect(ready).not.toHaveProperty('detail');

  await tellModel(db, 'b/1', news);
  await tellSandbox(db, 'b/1', { ...whole, network: false, missing: ['a network namespace'] });
  expect(await told()).toMatchObject({ ready: true, detail: 'b/1 is without a network namespace' });
  expect(await told(ann)).toMatchObject({ detail: 'A worker is without a network namespace' });

  await tellSandbox(db, 'c/1', { ...whole, landlock: 0, missing: ['Landlock'] });
  expect(await told()).toMatchObject({
    ready: false,
    detail: expect.stringContaining('c/1 is without Landlock'),
  });

  await forgetWorker(db, 'c/1');
  expect(await told()).toMatchObject({ ready: true });
});

it('a process that was told to stop says that it is not ready, and lives', async () => {
  const { key } = await api.key({ owner: 'ann' });
  api.drain();
  const ready = await api.get('/status/ready', key);
  expect({ status: ready.status, body: await ready.json() }).toMatchObject({
    status: 503,
    body: { status: 'draining', postgres: { ready: true } },
  });
  expect(ready.headers.get('connection')).toBe('close');
  expect((await api.get('/status/health')).status).toBe(200);
});
