import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { OpenedModel, PredictionRecord } from '@darkroom/contract';
import {
  confirmModels,
  forgetWorker,
  loadVersion,
  recordTrial,
  registerVersion,
  setAlias,
  tellModel,
} from '@darkroom/models';
import { predictionsAt, recordPredictions } from '@darkroom/prediction';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';
import { givenFor } from './pictures/given.ts';

/** The Open Inference Protocol where nobody works: what is told, and what is refused. */

const model: OpenedModel = {
  name: 'birds',
  version: '7',
  digest: createHash('sha256').update('birds').digest('hex'),
  family: 'classifier',
  guessed: false,
  understood: 'classifier',
  labels: [{ classId: 0, label: 'robin' }],
  input: {
    width: 64,
    height: 64,
    layout: 'nchw',
    colour: 'rgb',
    dtype: 'float32',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    fit: 'stretch',
    pad: 0,
  },
  tensors: {
    inputs: [{ name: 'images', datatype: 'FP32', shape: [-1, 3, 64, 64] }],
    outputs: [{ name: 'logits', datatype: 'FP32', shape: [-1, 2] }],
  },
};

const inferenceBytes = 300_000;
let api: TestApi;
let ann: string;
beforeAll(async () => {
  const env = { LIMIT_INFERENCE_BYTES: String(inferenceBytes), LIMIT_PREDICTION_BYTES: '100000' };
  api = await startTestApi(env, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
}, 60_000);
afterAll(() => api?.close());

const worker = 'a/1 predictions';
const tell = () => tellModel(api.records.db, worker, { opened: model, serves: 'predictions' });
const age = (seconds: number) =>
  api.records.sql`update model_workers set seen_at = now() - ${seconds} * interval '1 second'`;

const ask = async (
  method: string,
  path: string,
  body?: string | Buffer<ArrayBuffer>,
  headers: Record<string, string> = {},
) => {
  const reply = await fetch(api.url + path, {
    method,
    headers: {
      authorization: `Bearer ${ann}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
  const text = await reply.text();
  return {
    status: reply.status,
    type: reply.headers.get('content-type'),
    body: text === '' ? '' : JSON.parse(text),
  };
};
const refusal = (status: number, what: unknown = expect.any(String)) => ({
  status,
  type: 'application/json',
  body: { error: what },
});
const infer = '/v2/models/birds/infer';
const bytesOf = (data: unknown, shape = [1]) =>
  JSON.stringify({ inputs: [{ name: 'image', datatype: 'BYTES', shape, data }] });

describe('while no model is open', () => {
  test('the process lives, and is not ready, which anybody may ask', async () => {
    const none = { authorization: '' };
    expect(await ask('GET', '/v2/health/live', undefined, none)).toMatchObject({
      status: 200,
      body: { live: true },
    });
    expect(await ask('GET', '/v2/health/ready', undefined, none)).toEqual(
      refusal(503, expect.stringContaining('No worker')),
    );
    expect(await ask('GET', '/v2/models/birds/ready')).toEqual(refusal(503));
    expect(await ask('POST', infer, bytesOf(['AAAA']))).toEqual(refusal(503));
  });
});

describe('with a model', () => {
  beforeAll(async () => {
    await tell();
    // What was asked before is believed for a second.
    await vi.waitFor(async () => expect((await ask('GET', '/v2/models/birds/ready')).status).toBe(200), {
      timeout: 10_000,
    });
  });
  afterEach(() => tell());
  afterAll(() => forgetWorker(api.records.db, worker));

  test('metadata say what it takes and gives', async () => {
    expect((await ask('GET', '/v2')).body).toMatchObject({ name: 'darkroom', extensions: expect.any(Array) });
    expect((await ask('GET', '/v2/')).body).toMatchObject({ name: 'darkroom' });
    const metadata = await ask('GET', '/v2/models/birds');
    expect(metadata.body).toMatchObject({
      name: 'birds',
      versions: ['7'],
      platform: 'onnx_onnxv1',
      inputs: model.tensors?.inputs,
      outputs: [
        { name: 'logits', datatype: 'FP32', shape: [-1, 2] },
        { name: 'class_id', datatype: 'INT64', shape: [-1] },
        { name: 'score', datatype: 'FP32', shape: [-1] },
        { name: 'label', datatype: 'BYTES', shape: [-1] },
      ],
    });
    expect(await ask('GET', '/v2/models/birds/versions/7')).toEqual(metadata);
    expect(await ask('GET', '/v2/models/default')).toEqual(metadata);
    expect((await ask('GET', '/v2/models/birds/config')).body).toMatchObject({
      input: [{ name: 'images', data_type: 'TYPE_FP32', dims: [-1, 3, 64, 64] }],
    });
    expect((await ask('POST', '/v2/repository/index')).body).toEqual([
      { name: 'birds', version: '7', state: 'READY', reason: '' },
    ]);
    expect((await ask('GET', '/v2/models/birds/stats')).body).toHaveProperty('model_stats');
    expect((await ask('GET', '/v2/models/stats')).body).toHaveProperty('model_stats');
  });

  test('it is ready as long as its worker has said so within the last seconds', async () => {
    const status = async (path: string) => (await ask('GET', path)).status;
    for (const path of ['/v2/health/ready', '/v2/models/birds/ready', '/v2/models/birds/versions/7/ready']) {
      await expect.poll(() => status(path)).toBe(200);
      await age(9);
      await expect.poll(() => status(path)).toBe(503);
      await tell();
      await expect.poll(() => status(path)).toBe(200);
    }
  });

  test('a version is there by its own name also where that of its model stands for none', async () => {
    const { db } = api.records;
    const owls = (version: string) => ({ name: 'owls', version, digest: `d${version}` });
    const tellOpen = (...versions: string[]) =>
      confirmModels(
        db,
        'a/2',
        'predictions',
        versions.map((version) => ({ ...owls(version), state: 'ready', lanes: 1, own: false }) as const),
      );
    for (const version of ['1', '2']) {
      const file = { sha256: version, bytes: 1, card: {}, object: `models/${version}/model.onnx` };
      const registered = { ...owls(version), ...file, serves: ['predictions' as const], by: 'olga' };
      await registerVersion(db, registered, async () => true);
      await recordTrial(db, owls(version), { opened: { ...model, ...owls(version) } });
      await loadVersion(db, owls(version), 'olga');
    }
    await forgetWorker(db, worker);
    await tellOpen('1', '2');
    await setAlias(db, { name: 'owls', alias: 'production' }, { version: '2' }, 'olga');
    await tellOpen('1');
    const status = async (path: string) => (await ask('GET', path)).status;
    await expect.poll(() => status('/v2/models/owls/config')).toBe(503);
    expect(await status('/v2/models/owls/versions/1/config')).toBe(200);
    await tellOpen();
    await tell();
    // What follows asks birds: until that is heard of, none is there.
    await expect.poll(() => status('/v2/models/birds/config')).toBe(200);
  });

  test('every error is an object with that one key', async () => {
    expect(await ask('GET', '/v2/models/birds', undefined, { authorization: '' })).toEqual(refusal(401));
    expect(await ask('POST', infer, bytesOf(['AAAA']), { authorization: 'Bearer wrong' })).toEqual(
      refusal(401),
    );
    expect(await ask('GET', '/v2/nothing')).toEqual(refusal(404));
    expect(await ask('GET', '/v2/models/fish')).toEqual(refusal(404, expect.stringContaining('birds')));
    expect(await ask('GET', '/v2/models/birds/versions/8')).toEqual(
      refusal(404, expect.stringContaining('birds@8')),
    );
    expect(await ask('GET', '/v2/models/birds/versions/8/ready')).toEqual(refusal(404));
    expect(await ask('POST', '/v2/models/fish/infer', bytesOf(['AAAA']))).toEqual(refusal(404));
    for (const path of ['trace/setting', 'logging', 'systemsharedmemory/status', 'cudasharedmemory/status'])
      expect(await ask('GET', `/v2/${path}`)).toEqual(refusal(404));
    expect(await ask('PUT', infer)).toEqual(refusal(405));
    expect(await ask('GET', infer)).toEqual(refusal(405));
    expect(await ask('POST', infer, bytesOf(['AAAA']), { 'content-type': 'text/csv' })).toEqual(refusal(415));
    expect(await ask('POST', infer, bytesOf(['AAAA']), { 'content-encoding': 'br' })).toEqual(refusal(415));
    expect(await ask('POST', '/v2/repository/models/birds/load', '{}')).toEqual(refusal(404));
    expect(await ask('POST', infer, 'no JSON')).toEqual(refusal(400, expect.stringContaining('not JSON')));
  });

  test('what is too large is refused, before and after it is decompressed', async () => {
    const large = bytesOf(['A'.repeat(inferenceBytes)]);
    const limit = expect.stringContaining('LIMIT_INFERENCE_BYTES');
    expect(await ask('POST', infer, large)).toEqual(refusal(413, limit));
    const bomb = gzipSync(Buffer.alloc(50 * inferenceBytes, 0x20));
    expect(bomb.length).toBeLessThan(inferenceBytes);
    expect(await ask('POST', infer, bomb, { 'content-encoding': 'gzip' })).toEqual(refusal(413, limit));
    expect(await ask('POST', infer, bytesOf(['A'.repeat(200_000)]))).toEqual(
      refusal(413, expect.stringContaining('LIMIT_PREDICTION_BYTES')),
    );
  });

  const lies: [about: string, body: string, headers?: Record<string, string>][] = [
    ['its header’s length', bytesOf(['AAAA']), { 'inference-header-content-length': '9999' }],
    ['its header’s length', bytesOf(['AAAA']), { 'inference-header-content-length': '-1' }],
    ['an encoding that is none', bytesOf(['AAAA']), { 'content-encoding': 'gzip' }],
    ['base64', bytesOf(['no base64!'])],
    ['pictures of another number', bytesOf(['AAAA'], [2])],
    ['no pictures', bytesOf([], [0])],
    ['too many', bytesOf(Array(33).fill('AAAA'), [33])],
    ['another name', bytesOf(['AAAA']).replace('"image"', '"picture"')],
    ['an output that there is not', bytesOf(['AAAA']).replace(/}$/, ',"outputs":[{"name":"depth"}]}')],
    ['a deadline', bytesOf(['AAAA']).replace(/}$/, ',"parameters":{"deadline":-1}}')],
  ];
  test.each(lies)('a lie about %s is refused', async (_, body, headers = {}) => {
    expect(await ask('POST', infer, body, headers)).toEqual(refusal(400));
  });

  test('a picture without bytes is refused by name', async () => {
    expect(await ask('POST', infer, bytesOf(['AAAA', ''], [2]))).toEqual(
      refusal(422, 'image[1] has no bytes.'),
    );
  });

  test('a failure of ours is told in the same form, and counted', async () => {
    expect(await ask('POST', infer, bytesOf(['AAAA']))).toEqual(refusal(500));
    expect((await ask('GET', '/v2/models/birds/stats')).body.model_stats).toMatchObject([
      { name: 'birds', inference_stats: { fail: { count: 1 } } },
    ]);
  });

  test('a process that was told to stop is not ready, and infers on', async () => {
    api.drain();
    expect(await ask('GET', '/v2/health/ready')).toEqual(
      refusal(503, expect.stringContaining('told to stop')),
    );
    expect((await ask('GET', '/v2/health/live')).status).toBe(200);
    expect((await ask('GET', '/v2/models/birds/ready')).status).toBe(200);
  });
});

test('what a model gives for several pictures is bounded together, before it is read', async () => {
  const { db } = api.records;
  const record = (id: number): PredictionRecord => ({
    id,
    acceptedAt: '2026-03-04T05:06:07.089Z',
    owner: 'ann',
    state: 'succeeded',
    result: null,
    label: null,
    score: null,
    output: null,
    problem: null,
    model,
    filename: 'image',
    bytes: 12,
    timings: {},
    traceId: null,
    alias: null,
    canary: false,
    outputs: [{ name: 'logits', datatype: 'FP32', shape: [1, 2], data: new Uint8Array(8) }],
  });
  await recordPredictions(db, 'batch', [record(1), record(2)]);
  const rows = await predictionsAt(db, [record(1), record(2)]);
  await expect(givenFor(api.records, rows, ['logits'], 15)).rejects.toMatchObject({ code: 'too_large' });
  expect(await givenFor(api.records, rows, ['logits'], 16)).toMatchObject([{ shape: [2, 2] }]);
});
