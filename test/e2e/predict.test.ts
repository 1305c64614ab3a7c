import { prediction } from '@darkroom/contract';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { TestProcess } from '../harness/process.ts';
import { startTestStack } from '../harness/stack.ts';
import { ApiUser, type Photo, sample } from '../harness/user.ts';

/** The journey of a prediction: a picture in over HTTP, its class out, on the real parts. */

let stack: Awaited<ReturnType<typeof startTestStack>>;
let api: TestProcess & { url: string };
let worker: TestProcess;
let records: Records;
let storage: Storage;
let ada: ApiUser;
let adasKey: string;
let bob: ApiUser;

beforeAll(async () => {
  stack = await startTestStack('predict', { PREDICTION_DEADLINE_SECONDS: '30' });
  const { postgres, s3 } = stack.stack;
  await migrate(postgres);
  records = openRecords({ url: postgres });
  storage = createStorage({ ...s3, forcePathStyle: true });
  [api, worker] = await Promise.all([stack.startApi(), stack.startWorker()]);
  const keyOf = async (owner: string) =>
    (await createKey(records.db, { owner, group: null, role: 'user', priority: 3 })).key;
  adasKey = await keyOf('ada');
  ada = new ApiUser(api.url, adasKey);
  bob = new ApiUser(api.url, await keyOf('bob'));
}, 300_000);

afterAll(async () => {
  await records?.close();
  storage?.close();
  await stack?.close();
});

const answer = z.looseObject({
  id: z.int().default(0),
  result: z.int().nullish(),
  code: z.string().optional(),
});
const formOf = ({ name, bytes }: Photo): FormData => {
  const form = new FormData();
  form.append('file', new File([bytes], name));
  return form;
};
const ask = async (user: ApiUser, photo: Photo, path = '/predict', headers: Record<string, string> = {}) => {
  const reply = await user.call(path, { method: 'POST', body: formOf(photo), headers });
  const body = answer.parse(await reply.json());
  return { status: reply.status, location: reply.headers.get('location'), body };
};

const notes: Photo = { name: 'notes.jpg', bytes: new TextEncoder().encode('only words') };

describe('a picture', () => {
  let cat: number;

  test('has its class index, and is in the records by then', async () => {
    const { status, body, location } = await ask(ada, await sample('cat.jpg'));
    expect({ status, body }).toEqual({
      status: 200,
      body: { id: expect.any(Number), result: expect.any(Number) },
    });
    cat = body.id;
    expect(location).toBe(`/predict/${cat}`);
    const [row] = await records.sql`select owner, state, result from predictions where id = ${cat}`;
    expect(row).toEqual({ owner: 'ada', state: 'succeeded', result: body.result });
    expect(await (await ada.call(`/predict/${cat}`)).json()).toEqual(body);
  });

  test('is told of in detail', async () => {
    const { body } = await ask(ada, await sample('cat.jpg'), '/v1/predict?detail=true');
    expect(body).toMatchObject({
      state: 'succeeded',
      label: expect.stringMatching(/cat/i),
      score: expect.any(Number),
      width: 451,
      height: 300,
      format: 'jpeg',
      model: { name: expect.any(String), version: expect.any(String), digest: expect.any(String) },
      filename: 'cat.jpg',
      timings: { gather: expect.any(Number), queue: expect.any(Number), infer: expect.any(Number) },
      problem: null,
    });
  });

  test('is nobody else’s', async () => {
    expect((await bob.call(`/predict/${cat}`)).status).toBe(404);
    expect((await bob.call(`/predict/${cat}`, { method: 'DELETE' })).status).toBe(404);
    expect(await (await bob.call('/predict')).json()).toEqual([]);
    expect((await fetch(new URL('/predict', api.url))).status).toBe(401);
  });

  test('is gone when it was deleted', async () => {
    expect((await ada.call(`/predict/${cat}`, { method: 'DELETE' })).status).toBe(204);
    expect((await ada.call(`/predict/${cat}`)).status).toBe(404);
  });
});

test('what is no picture is refused by name, and has a record', async () => {
  const { status, body } = await ask(ada, notes);
  expect({ status, code: body.code }).toEqual({ status: 415, code: 'unsupported_media' });
  const failed = await (await ada.call('/predict?state=failed&detail=true')).json();
  expect(failed).toMatchObject([{ result: null, state: 'failed', problem: { code: 'unsupported_media' } }]);
});

test('lists are pages, newest first, each with the address of the next', async () => {
  const photo = await sample('cat.jpg');
  const made = await Promise.all([1, 2, 3, 4, 5].map(() => ask(bob, photo)));
  const ids = made.map(({ body }) => body.id).sort((a, b) => b - a);
  const listed: number[] = [];
  let next: string | undefined = '/predict?pageSize=2';
  while (next !== undefined) {
    const reply: Response = await bob.call(next);
    const page = z.array(prediction).parse(await reply.json());
    expect(page.length).toBeLessThanOrEqual(2);
    listed.push(...page.map(({ id }) => id));
    const link = /<([^>]+)>; rel="next"/.exec(reply.headers.get('link') ?? '')?.[1];
    next = link && new URL(link).pathname + new URL(link).search;
  }
  expect(listed).toEqual(ids);
});

test('an Idempotency-Key stands for one prediction', async () => {
  const photo = await sample('cat.jpg');
  const key = { 'idempotency-key': 'once' };
  const answers = await Promise.all([1, 2, 3].map(() => ask(ada, photo, '/predict', key)));
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
  const other = await ask(ada, await sample('espresso.jpg'), '/predict', key);
  expect(other.body.code).toBe('idempotency_key_reused');
  const [{ id } = { id: 0 }] = answers.map(({ body }) => body);
  await ada.call(`/predict/${id}`, { method: 'DELETE' });
  expect((await ask(ada, photo, '/predict', key)).body.code).toBe('idempotency_key_deleted');
});

test('answers are each one’s own, beside those that cannot be read', async () => {
  const photos = await Promise.all(['cat.jpg', 'espresso.jpg', 'astronaut-small.jpg'].map(sample));
  const alone = await Promise.all(photos.map(async (photo) => (await ask(ada, photo)).body.result));
  const all = await Promise.all(
    Array.from({ length: 48 }, (_, i) => (i % 8 === 7 ? ask(ada, notes) : ask(ada, photos[i % 3]!))),
  );
  all.forEach(({ status, body }, i) => {
    if (i % 8 === 7) expect([status, body.code]).toEqual([415, 'unsupported_media']);
    else expect([status, body.result]).toEqual([200, alone[i % 3]]);
  });
});

test('leaves no packed pictures behind', async () => {
  await expect.poll(() => keysUnder(storage, 'prediction-batches/'), { timeout: 20_000 }).toEqual([]);
});

test('a worker that is killed under them is another one’s work to do: each has its own answer, once', async () => {
  const photos = await Promise.all(['cat.jpg', 'espresso.jpg', 'astronaut-small.jpg'].map(sample));
  const alone = await Promise.all(photos.map(async (photo) => (await ask(ada, photo)).body.result));
  const other = await stack.startWorker();
  const asked = Array.from({ length: 24 }, (_, i) => ask(ada, photos[i % 3]!, '/predict?deadline=60'));
  await asked[0];
  worker.kill('SIGKILL');
  worker = other;
  const answers = await Promise.all(asked);
  expect(answers.map(({ status, body }) => [status, body.result])).toEqual(
    answers.map((_, i) => [200, alone[i % 3]]),
  );
  const ids = answers.map(({ body }) => body.id);
  const rows = await records.sql`select id from predictions where id = any(${ids})`;
  expect(rows).toHaveLength(new Set(ids).size);
  expect(rows).toHaveLength(24);
});

test('what was handed over is made and found when the API dies meanwhile, and asked for again it is the same', async () => {
  const photo = await sample('cat.jpg');
  worker.kill('SIGKILL');
  await worker.ended;
  const key = { 'idempotency-key': 'outlived' };
  // Those of a worker that was killed stay until the upkeep comes by.
  const before = await keysUnder(storage, 'prediction-batches/');
  const lost = ask(ada, photo, '/predict?deadline=60', key).catch(() => 'lost');
  await expect.poll(() => keysUnder(storage, 'prediction-batches/')).toHaveLength(before.length + 1);
  api.kill('SIGKILL');
  expect(await lost).toBe('lost');
  [api, worker] = await Promise.all([stack.startApi(), stack.startWorker()]);
  const found = async () =>
    (
      await records.sql`select prediction_id as id from prediction_keys join predictions on id = prediction_id where key = 'outlived'`
    ).map(({ id }) => Number(id));
  await expect.poll(found, { timeout: 60_000, interval: 500 }).toHaveLength(1);
  ada = new ApiUser(api.url, adasKey);
  const again = await ask(ada, photo, '/predict', key);
  expect([again.status, [again.body.id]]).toEqual([200, await found()]);
});

test('one whose workers are away is refused when its time is over', async () => {
  worker.kill('SIGKILL');
  await worker.ended;
  const { status, body } = await ask(ada, await sample('cat.jpg'), '/predict?deadline=0.5');
  expect({ status, code: body.code }).toEqual({ status: 504, code: 'deadline_exceeded' });
});
