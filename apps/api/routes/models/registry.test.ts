import { createHash } from 'node:crypto';
import type { ModelVersionDetail } from '@darkroom/contract';
import { confirmModels, forgetWorker, loadVersion, recordTrial, registerVersion } from '@darkroom/models';
import { opened } from '@darkroom/models/testing.ts';
import { encodeOnnx } from '@darkroom/recognition/model/onnx/onnx.ts';
import { bytes, integer, message } from '@darkroom/recognition/model/onnx/protobuf.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

const MB = 1024 ** 2;
/** An ONNX file; each `of` is another one. */
const onnx = (of = 'a', bytes = 0): Buffer =>
  encodeOnnx({
    name: of,
    inputs: [{ name: 'image', dims: [1, 3, 8, 8] }],
    outputs: [{ name: 'logits', dims: [1, 3, 8, 8] }],
    nodes: [{ op: 'Identity', inputs: ['image'], output: 'logits' }],
    initializers: [],
    metadata: { filling: 'x'.repeat(bytes) },
  });
const classifier = {
  task: 'classifier',
  outputs: 'logits',
  labels: ['wren', 'robin'],
  preprocess: {
    resize: { mode: 'squash', size: 8, filter: 'lanczos3' },
    colour: 'rgb',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    layout: 'nchw',
    dtype: 'float32',
  },
};

let api: TestApi;
let ann: string;
let olga: string;
beforeAll(async () => {
  const grants = JSON.stringify([{ owner: 'olga', prefix: 's3://darkroom-test/shared/', access: 'read' }]);
  api = await startTestApi({ LIMIT_MODEL_BYTES: String(MB), DARKROOM_GRANTS: grants }, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
  olga = (await api.key({ owner: 'olga', role: 'operator' })).key;
}, 180_000);
afterAll(() => api?.close());
beforeEach(
  () =>
    api.records
      .sql`truncate model_workers, model_versions, model_confirmations, model_aliases, model_defaults, model_changes, registered_versions`,
);

// biome-ignore lint/suspicious/noExplicitAny: answers are judged by what is expected of them
type Answer = any;
const read = async (reply: Response): Promise<Answer> => ({
  status: reply.status,
  location: reply.headers.get('location'),
  ...((reply.status === 204 ? {} : await reply.json()) as object),
});
const send = async (method: string, path: string, body?: unknown, key = olga) =>
  read(await api.send(method, path, key, body));

async function form(
  fields: Record<string, string>,
  file: Uint8Array | undefined,
  { filename = 'birds.onnx', key = olga }: { filename?: string; key?: string } = {},
) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  if (file !== undefined) body.append('file', new Blob([Buffer.from(file)]), filename);
  const reply = await fetch(`${api.url}/v1/models`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${key}` },
  });
  return read(reply);
}
const birds = (version: string, card: object = classifier) => ({
  name: 'birds',
  version,
  card: JSON.stringify(card),
});
const listed = async (prefix: string): Promise<string[]> => {
  const uris: string[] = [];
  for await (const { uri } of api.storage.list(prefix)) uris.push(uri.slice(uri.indexOf(prefix)));
  return uris;
};
const objectOf = (file: Buffer) => `models/${createHash('sha256').update(file).digest('hex')}/model.onnx`;

describe('a registration', () => {
  it('is a candidate with a file of its own, the same again the same, and nothing else under its name', async () => {
    const first = await form(birds('1'), onnx());
    expect(first).toMatchObject({
      status: 201,
      location: '/v1/models/birds/versions/1',
      name: 'birds',
      state: 'candidate',
      wanted: false,
      serves: ['predictions'],
      workers: 0,
      registeredBy: 'olga',
      card: { task: 'classifier', name: 'birds', version: '1' },
    });
    expect(await form(birds('1'), onnx())).toMatchObject({ status: 200, digest: first.digest });
    for (const [fields, file] of [
      [birds('1'), onnx('b')],
      [birds('1', { ...classifier, outputs: 'probabilities' }), onnx()],
    ] as const)
      expect(await form(fields, file)).toMatchObject({ status: 409, code: 'model_version_exists' });
    // Equal files lie there once, and nothing is left of what came in.
    expect(await form(birds('2'), onnx())).toMatchObject({ status: 201 });
    expect(await listed('model-uploads/')).toEqual([]);
    expect((await api.storage.head(objectOf(onnx()))).size).toBe(onnx().length);
    expect(await send('GET', first.location, undefined, ann)).toMatchObject({
      status: 200,
      digest: first.digest,
    });
  });

  it('is refused where weights lie in another file, which no worker would have, however late that is told', async () => {
    const weights = message(5, [message(13, [bytes(1, 'location'), bytes(2, 'birds.data')]), integer(14, 1)]);
    const file = Buffer.concat([onnx('a', 200_000), message(7, [weights])]);
    const refused = {
      status: 422,
      code: 'invalid_model',
      detail: expect.stringContaining('(birds.data)'),
    };
    expect(await form(birds('1'), file)).toMatchObject(refused);
    await api.storage.putBytes('shared/outside.onnx', file, { contentType: 'application/octet-stream' });
    const source = 's3://darkroom-test/shared/outside.onnx';
    const given = { name: 'birds', version: '1', card: classifier, source };
    expect(await send('POST', '/v1/models', given)).toMatchObject(refused);
    expect(await listed('model-uploads/')).toEqual([]);
    expect(await send('GET', '/v1/models/birds')).toMatchObject({ status: 404 });
  });

  it('may be of an upload, or of what lies in S3', async () => {
    const file = onnx('lies');
    await api.storage.putBytes('shared/birds.onnx', file, { contentType: 'application/octet-stream' });
    const source = `s3://${api.storage.bucket}/shared/birds.onnx`;
    const detector = await send('POST', '/v1/models', { name: 'boxes', version: 'v1', source });
    expect(detector).toMatchObject({
      status: 201,
      serves: ['recognition', 'predictions'],
      bytes: file.length,
    });
    const upload = await send('POST', '/v1/uploads', { filename: 'birds.onnx', bytes: file.length });
    const asked = { name: 'boxes', version: 'v2', upload: upload.id, serves: ['predictions'] };
    expect(await send('POST', '/v1/models', asked)).toMatchObject({ status: 409, code: 'upload_incomplete' });
    await fetch(upload.parts[0].url, { method: 'PUT', body: Buffer.from(file) });
    await send('POST', `/v1/uploads/${upload.id}/complete`, {});
    expect(await send('POST', '/v1/models', asked)).toMatchObject({ status: 201, serves: ['predictions'] });
    const wrong: [object, number, string][] = [
      [{ source: `s3://${api.storage.bucket}/models/x` }, 403, 'source_not_granted'],
      [{ source: `${source}.gone` }, 422, 'source_not_found'],
      [{ upload: crypto.randomUUID() }, 404, 'not_found'],
      [{}, 422, 'validation_failed'],
      [{ source, card: { task: 'classifier' } }, 422, 'validation_failed'],
    ];
    for (const [fields, status, code] of wrong)
      expect(
        await send('POST', '/v1/models', { name: 'boxes', version: 'v3', ...fields }),
        code,
      ).toMatchObject({ status, code });
  });

  it('of what is no ONNX, too large, or said wrongly leaves nothing', async () => {
    const pickle = Buffer.concat([Buffer.from([0x80, 4]), Buffer.from('builtins.eval')]);
    const before = await listed('models/');
    const wrong: [Promise<Answer>, number, string, RegExp][] = [
      [form(birds('9'), pickle), 422, 'invalid_model', /pickle.*skl2onnx/s],
      [
        form(birds('9'), Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), { filename: 'a.h5' }),
        422,
        'invalid_model',
        /Keras/,
      ],
      [
        form(birds('9'), Buffer.from('PK\x03\x04 archive/data.pkl'), { filename: 'a.pt' }),
        422,
        'invalid_model',
        /PyTorch/,
      ],
      [form(birds('9'), Buffer.from('no model at all')), 422, 'invalid_model', /not an ONNX model/],
      [form(birds('9'), Buffer.alloc(0)), 422, 'empty_file', /no bytes/],
      [form(birds('9'), onnx('large', 2 * MB)), 413, 'too_large', /LIMIT_MODEL_BYTES/],
      [form(birds('9'), undefined), 422, 'validation_failed', /missing/],
      [form({ ...birds('9'), name: 'default' }, onnx()), 422, 'validation_failed', /name/],
      [form(birds('production'), onnx()), 422, 'validation_failed', /version/],
      [form({ ...birds('9'), card: 'task: classifier' }, onnx()), 422, 'validation_failed', /preprocess/],
      [form(birds('9', { ...classifier, name: 'bats' }), onnx()), 422, 'validation_failed', /card\/name/],
      [form({ ...birds('9'), serves: 'recognition' }, onnx()), 422, 'validation_failed', /boxes/],
      [form(birds('9'), onnx(), { key: ann }), 403, 'forbidden', /operator/],
    ];
    for (const [answer, status, code, detail] of wrong)
      expect(await answer, code).toMatchObject({ status, code, detail: expect.stringMatching(detail) });
    expect(await listed('model-uploads/')).toEqual([]);
    expect(await listed('models/')).toEqual(before);
    expect(await send('GET', '/v1/models?all=true')).toMatchObject({ models: [] });
  });
});

/** Registers versions as they are when a worker has tried and opened them. */
async function ready(...versions: string[]) {
  const { db } = api.records;
  const confirmations = [];
  for (const version of versions) {
    const identity = { name: 'birds', version, digest: `digest-${version}` };
    const file = { sha256: version, bytes: 1, card: {}, object: `models/${version}/model.onnx` };
    await registerVersion(
      db,
      { ...identity, ...file, serves: ['predictions'], by: 'olga' },
      async () => true,
    );
    await recordTrial(db, identity, { opened: opened(identity) });
    await loadVersion(db, identity, 'olga');
    confirmations.push({ ...identity, state: 'ready', lanes: 1, own: false } as const);
  }
  await confirmModels(db, 'a/1', 'predictions', confirmations);
}
const path = '/v1/models/birds';
const production = `${path}/aliases/production`;

describe('an alias', () => {
  it('is set, rolled back and removed, and tells who did so', async () => {
    await ready('1', '2');
    expect(await send('PUT', production, { version: '1' })).toMatchObject({
      status: 200,
      version: '1',
      canary: null,
      previous: null,
      changedBy: 'olga',
    });
    const canary = { version: '2', share: 0.25 };
    expect(await send('PUT', production, { version: '1', canary })).toMatchObject({ status: 200, canary });
    const [model] = (await send('GET', '/v1/models', undefined, ann)).models;
    expect(model.versions.map(({ version, aliases }: ModelVersionDetail) => [version, aliases])).toEqual([
      ['2', ['production']],
      ['1', ['default', 'production']],
    ]);
    expect(await send('POST', `${production}/rollback`)).toMatchObject({
      version: '1',
      canary: null,
      previous: { canary },
    });
    const again = { from: '2' };
    expect(await send('POST', `${production}/rollback`, again)).toMatchObject({
      status: 409,
      code: 'conflict',
    });
    expect(await send('POST', `${production}/rollback`, { form: '1' })).toMatchObject({ status: 422 });
    expect(await send('GET', production, undefined, ann)).toMatchObject({
      changes: [
        { action: 'alias_rolled_back', by: 'olga', target: { version: '1', canary: null } },
        { action: 'alias_set', target: { canary } },
        { action: 'alias_set' },
      ],
    });
    expect((await send('DELETE', production)).status).toBe(204);
    expect(await send('GET', production)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('is refused where it cannot hold', async () => {
    await ready('1', '2');
    await form(birds('3'), onnx());
    const wrong: [string, object, number, string][] = [
      [production, { version: '3' }, 409, 'model_not_ready'],
      [production, { version: '4' }, 404, 'not_found'],
      [production, { version: '1', canary: { version: '1', share: 0.5 } }, 422, 'validation_failed'],
      [production, { version: '1', canary: { version: '2', share: 1 } }, 422, 'validation_failed'],
      [`${path}/aliases/v2`, { version: '1' }, 422, 'validation_failed'],
      ['/v1/models/bats/aliases/production', { version: '1' }, 404, 'not_found'],
    ];
    for (const [at, body, status, code] of wrong)
      expect(await send('PUT', at, body), `${at} ${code}`).toMatchObject({ status, code });
    await send('PUT', production, { version: '1' });
    expect(await send('POST', `${production}/rollback`)).toMatchObject({ status: 409, code: 'conflict' });
    for (const [method, at, body] of [
      ['PUT', production, { version: '2' }],
      ['POST', `${production}/rollback`, undefined],
      ['DELETE', production, undefined],
      ['POST', `${path}/versions/1/load`, undefined],
      ['POST', `${path}/versions/1/unload`, undefined],
      ['DELETE', `${path}/versions/1`, undefined],
      ['PUT', '/v1/models/default', { serves: 'predictions', name: 'birds' }],
    ] as const)
      expect(await send(method, at, body, ann), `${method} ${at}`).toMatchObject({
        status: 403,
        code: 'forbidden',
      });
  });
});

describe('a version', () => {
  it('is loaded, unloaded where nothing stands for it, and removed with its file', async () => {
    const at = (await form(birds('1'), onnx('goes'))).location;
    await form(birds('2'), onnx('goes'));
    expect(await send('POST', `${at}/load`)).toMatchObject({ status: 202, wanted: true, state: 'candidate' });
    expect(await send('DELETE', at)).toMatchObject({ status: 409, code: 'model_in_use' });
    expect(await send('POST', `${at}/unload`)).toMatchObject({ status: 202, wanted: false });
    expect((await send('DELETE', at)).status).toBe(204);
    expect(await send('GET', at)).toMatchObject({ status: 404 });
    // Another version has it still.
    expect(await listed('models/')).toContain(objectOf(onnx('goes')));
    expect((await send('DELETE', `${path}/versions/2`)).status).toBe(204);
    expect(await listed('models/')).not.toContain(objectOf(onnx('goes')));
    expect(await send('GET', path)).toMatchObject({ status: 404 });
  });

  it('is gone also where its file is left to the sweep, and a registration finds that file or puts it', async () => {
    const { location } = await form(birds('1'), onnx('left'));
    const away = vi.spyOn(api.storage, 'remove').mockRejectedValue(new Error('away'));
    try {
      expect((await send('DELETE', location)).status).toBe(204);
    } finally {
      away.mockRestore();
    }
    expect(await send('GET', location)).toMatchObject({ status: 404 });
    expect(await listed('models/')).toContain(objectOf(onnx('left')));
    expect((await form(birds('1'), onnx('left'))).status).toBe(201);
    await api.storage.remove([objectOf(onnx('left'))], { assertHeld: async () => {} });
    expect((await form(birds('1'), onnx('left'))).status).toBe(200);
    expect(await listed('models/')).toContain(objectOf(onnx('left')));
  });

  it('that an alias or the default stands for is not unloaded', async () => {
    await ready('1', '2');
    await send('PUT', production, { version: '1' });
    const unload = (version: string) => send('POST', `${path}/versions/${version}/unload`);
    expect(await unload('1')).toMatchObject({
      status: 409,
      code: 'model_in_use',
      detail: expect.stringContaining('@production'),
    });
    expect(await unload('2')).toMatchObject({ status: 202 });
    await send('DELETE', production);
    expect(await send('PUT', '/v1/models/default', { serves: 'predictions', name: 'birds' })).toMatchObject({
      recognition: null,
      predictions: 'birds',
    });
    expect(await unload('1')).toMatchObject({ status: 409, code: 'model_in_use' });
    expect(await send('PUT', '/v1/models/default', { serves: 'predictions', name: null })).toMatchObject({
      predictions: null,
    });
    expect(await send('GET', '/v1/models/default', undefined, ann)).toMatchObject({ predictions: null });
    expect(await unload('1')).toMatchObject({ status: 202 });
  });

  it('tells what each worker says of it', async () => {
    await ready('1');
    const said = (worker: string | null) => ({
      state: 'ready',
      family: 'yolov8',
      workers: 1,
      confirmations: [{ worker, serves: 'predictions', state: 'ready', lanes: 1, problem: null }],
    });
    expect(await send('GET', `${path}/versions/1`)).toMatchObject(said('a/1'));
    expect(await send('GET', `${path}/versions/1`, undefined, ann)).toMatchObject(said(null));
    await api.records.sql`update registered_versions set own = true, registered_by = 'a/1'`;
    expect(await send('GET', `${path}/versions/1`)).toMatchObject({ registeredBy: 'a/1' });
    expect(await send('GET', `${path}/versions/1`, undefined, ann)).toMatchObject({ registeredBy: null });
    await forgetWorker(api.records.db, 'a/1');
    expect(await send('GET', path)).toMatchObject({ versions: [{ version: '1', workers: 0 }] });
    expect(await send('GET', '/v1/models')).toMatchObject({ models: [] });
    expect((await send('GET', '/v1/models?all=true&serves=predictions')).models).toHaveLength(1);
    expect((await send('GET', '/v1/models?all=true&serves=recognition')).models).toEqual([]);
  });
});
