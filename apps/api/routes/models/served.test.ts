import { modelList, type OpenedModel, problemOf } from '@darkroom/contract';
import { forgetWorker, tellModel } from '@darkroom/models';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

const model: OpenedModel = {
  name: 'birds',
  version: '7',
  digest: 'd'.repeat(64),
  family: 'yolov8',
  guessed: false,
  understood: 'yolov8, as its model card says',
  labels: [
    { classId: 0, label: 'robin' },
    { classId: 1, label: 'wren' },
  ],
  input: {
    width: 640,
    height: 640,
    layout: 'nchw',
    colour: 'rgb',
    dtype: 'float16',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    fit: 'letterbox',
    pad: 114,
  },
};
const photo = new Blob([new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3])]);

let api: TestApi;
let ann: string;
beforeAll(async () => {
  api = await startTestApi({}, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
}, 60_000);
afterAll(() => api?.close());

async function submit(...fields: [string, string][]) {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  form.append('file', photo, 'a.jpg');
  const reply = await fetch(`${api.url}/v1/analysis`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${ann}` },
  });
  return { status: reply.status, ...((await reply.json()) as object) };
}
const jobs = async () => ((await (await api.get('/v1/jobs', ann)).json()) as { jobs: unknown[] }).jobs.length;
const readiness = async () => (await (await api.get('/status/ready', ann)).json()) as { recognition: object };

it('models are those that living workers have told of, and readiness says why there is none', async () => {
  const { db } = api.records;
  const list = async () => modelList.parse(await (await api.get('/v1/models', ann)).json()).models;
  expect(await list()).toEqual([]);
  expect(await readiness()).toMatchObject({
    recognition: { ready: false, detail: expect.stringContaining('No worker') },
  });
  // Nobody knows yet: the job will say so.
  expect(await submit(['labels', 'robbin'])).toMatchObject({ status: 202 });

  await tellModel(db, 'a/1', { problem: problemOf('unsupported_model', 'birds.pt is not an ONNX model.') });
  expect(await readiness()).toMatchObject({
    recognition: { ready: false, detail: 'birds.pt is not an ONNX model.' },
  });

  await tellModel(db, 'b/1', { opened: model });
  await tellModel(db, 'c/1', { opened: { ...model, version: '8', digest: 'e'.repeat(64) } });
  const { name, ...version } = model;
  // Workers of a release before: what they have is not registered.
  const unregistered = {
    state: 'ready',
    wanted: false,
    serves: ['recognition'],
    problem: null,
    registeredAt: null,
  };
  expect(await list()).toEqual([
    {
      name,
      aliases: [],
      versions: [
        {
          ...version,
          ...unregistered,
          version: '8',
          digest: 'e'.repeat(64),
          aliases: ['default'],
          workers: 1,
        },
        { ...version, ...unregistered, aliases: [], workers: 1 },
      ],
    },
  ]);
  expect(await readiness()).toMatchObject({
    recognition: { ready: true, detail: expect.stringContaining('A worker: birds.pt is not an ONNX model.') },
  });
  await forgetWorker(db, 'c/1');
  expect((await list())[0]?.versions).toHaveLength(1);
});

it('a label that the model does not know is 422 with the nearest, and leaves nothing behind', async () => {
  await tellModel(api.records.db, 'b/1', { opened: model });
  const before = await jobs();
  expect(await submit(['labels', 'wren,robbin'], ['thresholds', 'ren=0.5'])).toMatchObject({
    status: 422,
    code: 'unknown_label',
    detail: expect.stringContaining('"robbin" is no label of birds; nearest: robin'),
    errors: [{ pointer: '/labels/1' }, { pointer: '/thresholds/ren' }],
  });
  expect(await submit(['model', 'bords'])).toMatchObject({
    status: 422,
    code: 'unknown_model',
    detail: expect.stringContaining('birds'),
  });
  expect(await jobs()).toBe(before);
  const good = [
    ['model', 'birds'],
    ['labels', 'wren'],
    ['thresholds', '{"robin":0.5}'],
  ] as const;
  expect(await submit(...good.map(([name, value]): [string, string] => [name, value]))).toMatchObject({
    status: 202,
  });
});

it('an upload is not copied for labels that the model does not know', async () => {
  await tellModel(api.records.db, 'b/1', { opened: model });
  const post = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${ann}`, 'content-type': 'application/json' };
    const reply = await fetch(`${api.url}${path}`, { method: 'POST', body: JSON.stringify(body), headers });
    return z
      .looseObject({ id: z.string(), parts: z.array(z.object({ url: z.string() })) })
      .partial()
      .parse(await reply.json());
  };
  const { id, parts } = await post('/v1/uploads', { filename: 'a.jpg', bytes: photo.size });
  await fetch(parts?.[0]?.url ?? '', { method: 'PUT', body: photo });
  await post(`/v1/uploads/${id}/complete`, {});
  const copy = vi.spyOn(api.storage, 'copy');
  const before = await jobs();
  expect(await post('/v1/analysis', { upload: id, labels: ['robbin'] })).toMatchObject({
    status: 422,
    code: 'unknown_label',
  });
  expect(copy).not.toHaveBeenCalled();
  expect(await jobs()).toBe(before);
  expect(await post('/v1/analysis', { upload: id, labels: ['robin'] })).toMatchObject({ state: 'queued' });
  expect(copy).toHaveBeenCalledOnce();
  copy.mockRestore();
});
