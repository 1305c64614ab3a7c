import { type OpenedModel, type PredictionRecord, predictBatch, problemOf } from '@darkroom/contract';
import type { Engine } from '@darkroom/dispatch';
import { tellModel } from '@darkroom/models';
import { type PackedBatch, recordPredictions, unpackBatch } from '@darkroom/prediction';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

/** The API's part of predictions. The worker's is done here: the class of a picture is its first byte, and 255 is no picture. */

const model: OpenedModel = {
  name: 'lite0',
  version: '1',
  digest: 'd'.repeat(64),
  family: 'classifier',
  guessed: false,
  understood: 'as its model card says',
  labels: [{ classId: 0, label: 'robin' }],
  input: {
    ...{ width: 224, height: 224, layout: 'nchw', colour: 'rgb', dtype: 'float32' },
    ...{ scale: 1, mean: [0, 0, 0], std: [1, 1, 1], fit: 'letterbox', pad: 0 },
  },
};
const answer = z.looseObject({ id: z.int().default(0), code: z.string().optional() });

let api: TestApi;
let ann: string;
let operator: string;
/** Whether the batches that are handed over are worked on. */
let working = Promise.resolve();

const start: Engine['units']['start'] = async ({ args }) => {
  const { key, bytes } = predictBatch.parse(args[0]);
  const packed = unpackBatch(await api.storage.getBytes(key, { maxBytes: bytes }));
  void working.then(() => recordPredictions(api.records.db, packed.header.batch, worked(packed)));
};

const worked = ({ header, bodies }: PackedBatch): PredictionRecord[] =>
  header.items.map((item, i) => {
    const { id, acceptedAt, owner, filename, bytes, traceId, alias, canary } = item;
    const said = { id, acceptedAt, owner, filename, bytes, traceId, alias, canary };
    const common = { ...said, model: header.model, timings: {} };
    const result = bodies[i]?.[0] ?? 0;
    const none = { result: null, label: null, score: null, output: null };
    if (result === 255)
      return { ...common, ...none, state: 'failed', problem: problemOf('unsupported_media', 'It is none.') };
    const output = { width: 1, height: 1, format: 'jpeg' };
    return { ...common, result, label: 'robin', score: 1, output, state: 'succeeded', problem: null };
  });

beforeAll(async () => {
  const units = { ...engineAway.units, start, describe: async () => 'running' as const };
  const limits = { PREDICTION_QUEUE: '8', PREDICTION_MEMORY_BYTES: '2000000', PREDICTION_BATCH: '1' };
  api = await startTestApi({ PREDICTION_DEADLINE_SECONDS: '30', ...limits }, { ...engineAway, units });
  ann = (await api.key()).key;
  operator = (await api.key({ owner: 'ops', role: 'operator' })).key;
}, 60_000);
afterAll(() => api?.close());

const serve = () => tellModel(api.records.db, 'w1', { opened: model, serves: 'predictions', lanes: 1 });

async function predict(picture: Uint8Array, { query = '', key = ann, headers = {} } = {}) {
  const form = new FormData();
  form.append('file', new Blob([Uint8Array.from(picture)]), 'a.jpg');
  const reply = await fetch(`${api.url}/predict${query}`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${key}`, ...headers },
  });
  return { status: reply.status, headers: reply.headers, body: answer.parse(await reply.json()) };
}
/** The value of that series at the next scrape; 0 where there is none. */
const measured = async (series: string): Promise<number> => {
  const text = await (await api.get('/metrics', operator)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.split(' ').at(-1) ?? 0);
};
const refusals = (outcome: string, { name, version } = { name: '', version: '' }): Promise<number> =>
  measured(`darkroom_predictions_total{model="${name}",version="${version}",outcome="${outcome}"}`);

test('with no model a picture is refused, large ones too, and that is counted', async () => {
  const before = await refusals('no_prediction_model');
  const large = new Uint8Array(8_000_000);
  const refused = await Promise.all([predict(large), predict(large), predict(Uint8Array.of(1))]);
  expect(refused.map(({ status, body }) => [status, body.code])).toEqual(
    Array(3).fill([503, 'no_prediction_model']),
  );
  expect(refused[0]?.headers.get('retry-after')).toBe('5');
  // What is wrong with it is told before.
  expect((await predict(Uint8Array.of(1), { query: '?deadline=-5' })).status).toBe(422);
  expect(await refusals('no_prediction_model')).toBe(before + 3);
});

test('an answer is in the access log with who asked, and the prediction’s id', async () => {
  await serve();
  const made = await expect
    .poll(() => predict(Uint8Array.of(7)), { timeout: 20_000, interval: 300 })
    .toMatchObject({ status: 200, body: { result: 7 } })
    .then(() => predict(Uint8Array.of(7)));
  const failed = await predict(Uint8Array.of(255));
  expect([failed.status, failed.body.code]).toEqual([415, 'unsupported_media']);
  await api.get(`/predict/${made.body.id}`, ann);
  const lines = async () =>
    (await api.accessLines()).map(({ who, method, route, status, predictionId }) =>
      [who, method, route, status, predictionId].join(' '),
    );
  await expect
    .poll(lines, { timeout: 20_000 })
    .toEqual(
      expect.arrayContaining([
        `ann POST /predict 200 ${made.body.id}`,
        expect.stringMatching(/^ann POST \/predict 415 \d+$/),
        `ann GET /predict/{id} 200 ${made.body.id}`,
        expect.stringMatching(/^ann POST \/predict 503 $/),
      ]),
    );
});

test('a picture is kept where that was asked for: its owner’s, and gone with the prediction', async () => {
  await serve();
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const notes = new TextEncoder().encode('<script>alert(1)</script>');
  const kept = await predict(png, { query: '?keep=true&detail=true' });
  const text = await predict(notes, { query: '?keep=true' });
  const forgotten = await predict(png, { query: '?detail=true' });
  expect([kept.status, text.status, forgotten.body.picture]).toEqual([200, 200, null]);
  const path = `/predict/${kept.body.id}/picture`;
  const shown = await api.get(path, ann);
  expect(Buffer.from(await shown.arrayBuffer())).toEqual(Buffer.from(png));
  expect(Object.fromEntries(shown.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-length': '8',
    'content-disposition': expect.stringContaining('inline; filename="a.jpg"'),
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringContaining("default-src 'none'"),
  });
  // What is no picture is nothing for a browser to open.
  const opened = await api.get(`/v1/predict/${text.body.id}/picture`, ann);
  expect([opened.headers.get('content-type'), opened.headers.get('content-disposition')]).toEqual([
    'application/octet-stream',
    expect.stringContaining('attachment'),
  ]);
  await opened.body?.cancel();
  const listed = await (await api.get('/predict?detail=true&pageSize=3', ann)).json();
  const link = z.string().parse(kept.body.picture);
  expect(
    z
      .array(answer)
      .parse(listed)
      .map(({ picture }) => typeof picture),
  ).toEqual(['object', 'string', 'string']);
  const byLink = await fetch(link.replace(api.config.api.publicUrl, api.url));
  expect([byLink.status, byLink.headers.get('cross-origin-resource-policy')]).toEqual([200, 'cross-origin']);
  await byLink.body?.cancel();
  const bob = (await api.key({ owner: 'bob' })).key;
  const others = [api.get(path, bob), api.get(path), api.get(`/predict/${forgotten.body.id}/picture`, ann)];
  expect((await Promise.all(others)).map(({ status }) => status)).toEqual([404, 401, 404]);
  expect((await api.send('DELETE', `/predict/${kept.body.id}`, ann)).status).toBe(204);
  expect((await api.get(path, ann)).status).toBe(404);
  expect(await keysUnder(api.storage, 'prediction-pictures/')).toEqual([
    `prediction-pictures/${text.body.id}`,
  ]);
});

test('an Idempotency-Key tells keeping a picture from not keeping it', async () => {
  const headers = { 'idempotency-key': 'kept' };
  const made = await predict(Uint8Array.of(3), { query: '?keep=true', headers });
  expect((await predict(Uint8Array.of(3), { query: '?keep=true', headers })).body.id).toBe(made.body.id);
  expect((await predict(Uint8Array.of(3), { headers })).body.code).toBe('idempotency_key_reused');
});

test('what there is no room for is refused before its picture is read, and who sent it reads why', async () => {
  await serve();
  const held = Promise.withResolvers<void>();
  working = held.promise;
  const before = await refusals('overloaded', model);
  // Two batches of one, and eight places to wait in.
  const pictures = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const taken = pictures.map((picture) => predict(Uint8Array.of(picture)));
  const waiting = () => measured('darkroom_predictions_waiting{model="lite0",version="1"}');
  await expect.poll(waiting, { timeout: 20_000 }).toBe(8);
  const refused = await Promise.all(Array.from({ length: 5 }, () => predict(new Uint8Array(8_000_000))));
  expect(refused.map(({ status, body }) => [status, body.code])).toEqual(Array(5).fill([503, 'overloaded']));
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refusals('overloaded', model)).toBe(before + 5);
  // Nothing else of it was looked at.
  const wrong = await predict(Uint8Array.of(1), { headers: { 'idempotency-key': 'k'.repeat(300) } });
  expect([wrong.status, wrong.body.code]).toEqual([503, 'overloaded']);
  held.resolve();
  const results = (await Promise.all(taken)).map(({ body }) => body.result);
  expect(results).toEqual(pictures);
});
