import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { archiveSource, listSource, modelOptionLength } from '@darkroom/contract';
import { registerVersion, tellModel } from '@darkroom/models';
import { opened } from '@darkroom/models/testing.ts';
import { getStage } from '@darkroom/records';
import type { Grant } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

/** What a batch comes as, and what its plan will be made of. */

const grant: Grant = { owner: 'ann', prefix: 's3://darkroom-test/photos/', access: 'read' };
let api: TestApi;
let ann: string;
beforeAll(async () => {
  const env = {
    LIMIT_ARCHIVE_BYTES: '2000',
    LIMIT_PLAN_BYTES: '1000',
    CLIENT_IDLE_SECONDS: '10',
    DARKROOM_GRANTS: JSON.stringify([grant]),
  };
  api = await startTestApi(env, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
}, 180_000);
afterAll(() => api?.close());

const answered = z.looseObject({
  id: z.string().optional(),
  code: z.string().optional(),
  input: z.looseObject({}).optional(),
});

async function sent(body: string | FormData, type?: string, query = '') {
  const answer = await fetch(`${api.url}/v1/batch-predictions${query}`, {
    method: 'POST',
    headers: { authorization: ann, ...(type !== undefined && { 'content-type': type }) },
    body,
  });
  return { status: answer.status, ...answered.parse(await answer.json()) };
}
const asked = (body: object) => sent(JSON.stringify(body), 'application/json');

const sourceOf = async (id = '') => (await getStage(api.records.db, id, 'plan'))?.input;

test.each([
  ['application/zip', 'zip'],
  ['application/x-tar', 'tar'],
  ['application/gzip', 'tar.gz'],
])('an archive that is sent as %s lies among the inputs of its job, pinned', async (type, format) => {
  const { status, id, input } = await sent('some bytes', type, '?topK=2&formats=csv');
  expect({ status, input }).toEqual({
    status: 202,
    input: { model: 'default', topK: 2, threshold: 0.4, formats: ['csv'] },
  });
  const source = archiveSource.parse(await sourceOf(id));
  expect(source).toMatchObject({ format, bytes: 10 });
  expect(await keysUnder(api.storage, `batch-prediction-inputs/${id}/`)).toEqual([
    `batch-prediction-inputs/${id}/list.${format}`,
  ]);
});

test('an archive is bounded by its own limit, a list by that of lists', async () => {
  expect(await sent('x'.repeat(1500), 'application/zip')).toMatchObject({ status: 202 });
  expect(await sent('x'.repeat(2001), 'application/zip')).toMatchObject({ status: 413, code: 'too_large' });
  expect(await sent('x'.repeat(1500), 'text/csv')).toMatchObject({ status: 413, code: 'too_large' });
});

test('a prefix, a list or an archive in the store is pinned by its name', async () => {
  const put = (name: string) =>
    api.storage.putBytes(`photos/${name}`, Buffer.from('uri\n'), { contentType: 'text/plain' });
  for (const [name, format] of [
    ['', 'listing'],
    ['list.csv', 'csv'],
    ['all.TGZ', 'tar.gz'],
    ['all.zip', 'zip'],
  ] as const) {
    if (name !== '') await put(name);
    const { status, id } = await asked({ source: `s3://darkroom-test/photos/${name}` });
    expect(status).toBe(202);
    expect(await sourceOf(id)).toMatchObject({ format });
  }
});

test('pictures named in the request become a list: their plan asks the store for each', async () => {
  const { status, id } = await asked({ pictures: ['s3://darkroom-test/photos/a.jpg', 's3://b/c'] });
  expect(status).toBe(202);
  const source = listSource.parse(await sourceOf(id));
  if (source.format === 'listing') throw new Error('It is a listing.');
  expect(String(await api.storage.getBytes(source.uri, { maxBytes: 1000 }))).toBe(
    '{"uri":"s3://darkroom-test/photos/a.jpg"}\n{"uri":"s3://b/c"}\n',
  );
});

test('a model is named in as many characters as a prediction takes', async () => {
  const of = (characters: number) =>
    asked({ source: 's3://darkroom-test/photos/', model: 'x'.repeat(characters) });
  expect(await of(modelOptionLength)).toMatchObject({ status: 202 });
  expect(await of(modelOptionLength + 1)).toMatchObject({ status: 422, code: 'validation_failed' });
});

test('what cannot be begun is refused', async () => {
  expect(await asked({})).toMatchObject({ status: 422, code: 'validation_failed' });
  expect(await asked({ source: 's3://elsewhere/' })).toMatchObject({
    status: 403,
    code: 'source_not_granted',
  });
  expect(await asked({ source: 's3://darkroom-test/photos/a.rar' })).toMatchObject({ status: 422 });
  expect(await asked({ source: 's3://darkroom-test/photos/', topK: 0 })).toMatchObject({ status: 422 });
  expect(await sent('x', 'application/x-rar')).toMatchObject({ status: 415 });
  const form = new FormData();
  form.append('file', new File(['x'], 'pictures.rar'));
  expect(await sent(form)).toMatchObject({ status: 422, code: 'validation_failed' });
});

/** Sends the beginning of a body, of which no more ever comes; what is answered all the same. */
async function answeredUnfinished(query: string, type: string, beginning: string) {
  const sending = request(`${api.url}/v1/batch-predictions${query}`, {
    method: 'POST',
    headers: { authorization: ann, 'content-type': type },
  });
  const answer = Promise.withResolvers<string>();
  sending.on('response', (response) => text(response).then(answer.resolve, answer.reject));
  sending.on('error', answer.reject);
  sending.write(beginning);
  try {
    return answered.parse(JSON.parse(await answer.promise)).code;
  } finally {
    sending.destroy();
  }
}

test('a model that no worker has, or has not open yet, is refused before the list or archive is read', async () => {
  const { db } = api.records;
  const birds = opened({ version: '7', digest: 'd'.repeat(64), family: 'classifier' });
  await tellModel(db, 'a/1', { opened: birds, serves: 'predictions' });
  const candidate = {
    name: 'birds',
    version: '8',
    digest: 'e'.repeat(64),
    sha256: 'f'.repeat(64),
    bytes: 1,
    card: {},
    object: 'models/f',
    serves: ['predictions'],
    by: 'ann',
  } as const;
  await registerVersion(db, candidate, async () => true);
  const code = async (model: string) => (await asked({ pictures: ['s3://b/c'], model })).code;
  await vi.waitFor(async () => expect(await code('birds@8')).toBe('model_not_ready'), 10_000);

  const form = (model: string) =>
    [
      '--x\r\ncontent-disposition: form-data; name="parameters"\r\n\r\n',
      `${JSON.stringify({ model })}\r\n`,
      '--x\r\ncontent-disposition: form-data; name="file"; filename="a.zip"\r\n\r\nPK',
    ].join('');
  for (const [model, expected] of [
    ['nobody', 'unknown_model'],
    ['birds@8', 'model_not_ready'],
  ] as const) {
    expect(await answeredUnfinished(`?model=${model}`, 'application/zip', 'PK')).toBe(expected);
    expect(await answeredUnfinished('', 'multipart/form-data; boundary=x', form(model))).toBe(expected);
  }
}, 60_000);
