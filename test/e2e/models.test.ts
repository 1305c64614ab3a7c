import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { brokenClassifier, constantClassifier, ModelOperator } from '../harness/registry.ts';
import { startTestStack } from '../harness/stack.ts';
import { ApiUser, sample } from '../harness/user.ts';

/** Versions of a model come and go over HTTP while predictions are asked for. The long form is `npm run bench -- models`. */

let stack: Awaited<ReturnType<typeof startTestStack>>;
let records: Records;
let ada: ApiUser;
let models: ModelOperator;
let form: FormData;

beforeAll(async () => {
  stack = await startTestStack('models', { RECOGNITION_LANES: '1', PREDICTION_DEADLINE_SECONDS: '30' });
  await migrate(stack.stack.postgres);
  records = await openRecords({ url: stack.stack.postgres });
  // What the worker is configured with is version 1, which sees class 1.
  const own = constantClassifier(1);
  const path = join(stack.home, 'own.onnx');
  await writeFile(path, own.file);
  await writeFile(
    join(stack.home, 'own.json'),
    JSON.stringify({ ...own.card, name: 'classes', version: '1' }),
  );
  const [api] = await Promise.all([
    stack.startApi(),
    stack.startWorker({ DARKROOM_QUEUES: 'light,interactive', MODEL_PATH: path }),
  ]);
  const keyOf = async (owner: string, role: 'user' | 'operator') =>
    (await createKey(records.db, { owner, group: null, role, priority: 3 })).key;
  ada = new ApiUser(api.url, await keyOf('ada', 'user'));
  models = new ModelOperator(new ApiUser(api.url, await keyOf('olga', 'operator')), 'classes');
  const { name, bytes } = await sample('cat.jpg');
  form = new FormData();
  form.append('file', new File([bytes], name));
  await models.until('1', ({ workers }) => workers === 1);
}, 300_000);

afterAll(async () => {
  await records?.close();
  await stack?.close();
});

const answer = z.object({
  result: z.int(),
  model: z.object({ version: z.string() }),
  alias: z.string().nullable(),
  canary: z.boolean(),
});
/** One prediction; fails where it is not answered. */
async function predict(model = 'default') {
  const reply = await ada.call(`/predict?detail=true&model=${model}`, { method: 'POST', body: form });
  expect(reply.status, await reply.clone().text()).toBe(200);
  const { result, model: made, alias, canary } = answer.parse(await reply.json());
  // Each version sees the class that it is called by.
  expect(String(result)).toBe(made.version);
  return { version: made.version, alias, canary };
}
const refusal = async (model: string) => {
  const reply = await ada.call(`/predict?model=${model}`, { method: 'POST', body: form });
  return z.object({ code: z.string() }).parse(await reply.json()).code;
};

describe('a second version', () => {
  test('is tried, loaded, and switched to and back under load, without a failed request', async () => {
    await models.setAlias({ version: '1' });
    expect(await models.register('2', constantClassifier(2))).toMatchObject({ state: 'ready', workers: 0 });
    expect(await refusal('classes@2')).toBe('model_not_ready');
    await expect(models.setAlias({ version: '2' })).rejects.toMatchObject({ code: 'model_not_ready' });
    expect(await models.load('2')).toMatchObject({ wanted: true, workers: 1 });
    expect(await predict()).toEqual({ version: '1', alias: 'production', canary: false });
    // The API hears of it a moment after the records have it.
    const sent = async () =>
      (await ada.call('/predict?model=classes@2', { method: 'POST', body: form })).status;
    await expect.poll(sent, { timeout: 30_000 }).toBe(200);
    expect(await predict('classes@2')).toEqual({ version: '2', alias: null, canary: false });

    let seen = '';
    const stop = new AbortController();
    const client = async (): Promise<void> => {
      while (!stop.signal.aborted) seen = (await predict('classes')).version;
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    const seesSoon = (version: string) =>
      Promise.race([expect.poll(() => seen, { timeout: 30_000, interval: 5 }).toBe(version), clients]);
    for (let round = 0; round < 5; round++) {
      await models.setAlias({ version: '2' });
      await seesSoon('2');
      expect((await models.rollBack()).version).toBe('1');
      await seesSoon('1');
    }
    stop.abort();
    await clients;
  }, 120_000);

  test('gets its share as a canary, told in the record', async () => {
    await models.setAlias({ version: '1', canary: { version: '2', share: 0.5 } });
    await expect.poll(async () => (await predict()).canary, { timeout: 30_000 }).toBe(true);
    const all = await Promise.all(Array.from({ length: 30 }, () => predict()));
    expect(new Set(all.map(({ version, alias, canary }) => `${version} ${alias} ${canary}`))).toEqual(
      new Set(['1 production false', '2 production true']),
    );
    const rows =
      await records.sql`select distinct model_version, alias, canary from predictions where canary`;
    expect(rows).toEqual([{ model_version: '2', alias: 'production', canary: true }]);
    await models.rollBack();
  }, 120_000);

  test('is unloaded when nothing stands for it, and removed', async () => {
    await models.setAlias({ version: '2' }, 'next');
    await expect(models.unload('2')).rejects.toMatchObject({ code: 'model_in_use' });
    await models.call('DELETE', 'aliases/next');
    await models.unload('2');
    await expect.poll(() => refusal('classes@2'), { timeout: 30_000 }).toBe('model_not_ready');
    await models.call('DELETE', 'versions/2');
    await expect.poll(() => refusal('classes@2'), { timeout: 30_000 }).toBe('unknown_model');
    expect((await predict()).version).toBe('1');
  }, 120_000);
});

test('a candidate that is broken fails each time, and is in nobody’s way', async () => {
  const failed = { state: 'failed', wanted: false, problem: { code: 'unsupported_model' } };
  expect(await models.register('3', brokenClassifier())).toMatchObject(failed);
  const [again, beside] = await Promise.all([models.load('3'), predict()]);
  expect(again).toMatchObject({ ...failed, problem: { detail: expect.stringContaining('NoSuchOperator') } });
  expect(beside.version).toBe('1');
  await expect(models.setAlias({ version: '3' })).rejects.toMatchObject({ code: 'model_not_ready' });
  expect(await models.register('4', constantClassifier(3))).toMatchObject({ state: 'ready' });
}, 120_000);
