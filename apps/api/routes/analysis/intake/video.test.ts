import { randomBytes } from 'node:crypto';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../../testing.ts';

const MB = 1024 ** 2;
const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(2000)]);
const after = (head: Buffer) => (bytes: number) => Buffer.concat([head, randomBytes(bytes - head.length)]);
const mp4 = after(Buffer.from('\0\0\0\x10ftypisom\0\0\x02\0', 'latin1'));

let api: TestApi;
let ann: string;

beforeAll(async () => {
  const env = {
    LIMIT_UPLOAD_BYTES: String(MB),
    LIMIT_VIDEO_BYTES: String(12 * MB),
    DARKROOM_GRANTS: JSON.stringify([
      { owner: 'ann', prefix: 's3://darkroom-test/samples/', access: 'read' },
    ]),
  };
  api = await startTestApi(env, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
}, 60_000);
afterAll(() => api?.close());

type Field = [name: string, value: string] | [name: string, filename: string, bytes: Buffer];

// biome-ignore lint/suspicious/noExplicitAny: answers are judged by what is expected of them
type Answer = any;

async function post(path: string, body: FormData | object, headers: Record<string, string> = {}) {
  const isForm = body instanceof FormData;
  const reply = await fetch(api.url + path, {
    method: 'POST',
    body: isForm ? body : JSON.stringify(body),
    headers: { authorization: ann, ...(!isForm && { 'content-type': 'application/json' }), ...headers },
  });
  return { status: reply.status, body: (await reply.json()) as Answer };
}

function form(...fields: Field[]): FormData {
  const data = new FormData();
  for (const [name, value, bytes] of fields) {
    if (bytes === undefined) data.append(name, value);
    else data.append(name, new Blob([new Uint8Array(bytes)]), value);
  }
  return data;
}

const getJson = async (path: string) => (await (await api.get(path, ann)).json()) as Answer;

/** What a request that was refused must not leave. */
afterEach(async () => {
  expect(await api.records.sql`select id from jobs where state = 'receiving'`).toHaveLength(0);
  const known = new Set((await api.records.sql`select id from jobs`).map(({ id }) => String(id)));
  const objects = await keysUnder(api.storage, 'input-files/');
  expect(objects.filter((key) => !known.has(key.split('/')[1] ?? ''))).toEqual([]);
});

/** What the stages of a task are made of. */
const madeOf = (id: string) =>
  api.records.sql`select name, input from job_stages where job_id = ${id} and input is not null`;

describe('POST /analysis with a video as a form', () => {
  it('makes a job of its own kind, whose segments are yet to be found', async () => {
    const bytes = mp4(5 * MB);
    const { status, body } = await post(
      '/analysis',
      form(['file', 'holiday.mov', bytes], ['mode', 'fast'], ['to', '90'], ['labels', 'cat']),
    );
    expect(status).toBe(202);
    const id = body.task_id;
    expect(await keysUnder(api.storage, `input-files/${id}/`)).toEqual([`input-files/${id}/holiday.mov`]);
    const { etag } = await api.storage.head(`input-files/${id}/holiday.mov`);

    const source = { uri: `s3://${api.storage.bucket}/input-files/${id}/holiday.mov`, etag };
    expect(await madeOf(id)).toEqual([
      { name: 'probe', input: { ...source, bytes: 5 * MB, filename: 'holiday.mov' } },
    ]);
    expect(await api.records.sql`select key from job_items where job_id = ${id}`).toEqual([]);
    const [row] = await api.records.sql`select media, segments from tasks where job_id = ${id}`;
    expect(row).toEqual({ media: 'video', segments: 0 });

    const task = await getJson(`/v1/analysis/${id}`);
    expect(task).toMatchObject({
      media: 'video',
      state: 'queued',
      segments: { total: 0, succeeded: 0, failed: 0 },
      labels: [],
      video: null,
      options: { mode: 'fast', from: 0, to: 90, labels: ['cat'], gradual: true, longestScene: 60 },
    });
    expect(task.progress.stages.map(({ name }: { name: string }) => name)).toEqual([
      'probe',
      'split',
      'recognise',
      'annotate',
      'publish',
    ]);
    expect(task.links.poster).toBeUndefined();
    expect((await getJson(`/analysis/${id}/segments`)).segments).toEqual([]);
    const { kind, input } = await getJson(`/v1/jobs/${id}`);
    expect([kind, input.mode]).toEqual(['video', 'fast']);
  });

  it.each<{ what: string; fields: Field[]; status: number; code: string; field?: string }>([
    {
      what: 'a video as one of files',
      fields: [
        ['files', 'a.jpg', jpeg],
        ['files', 'b.mp4', mp4(3000)],
      ],
      status: 422,
      code: 'video_among_photos',
    },
    {
      what: 'a second file',
      fields: [
        ['file', 'a.mp4', mp4(3000)],
        ['file', 'b.mp4', mp4(3000)],
      ],
      status: 422,
      code: 'validation_failed',
    },
    { what: 'too many bytes', fields: [['file', 'a.mp4', mp4(12 * MB + 1)]], status: 413, code: 'too_large' },
    {
      what: 'a container that is not read',
      fields: [['file', 'a.wmv', after(Buffer.from('3026b2758e66cf11', 'hex'))(3000)]],
      status: 415,
      code: 'unsupported_video',
    },
    {
      what: 'a list of files that is called a video',
      fields: [['file', 'a.mp4', Buffer.from("ffconcat version 1.0\nfile '/etc/passwd'\n")]],
      status: 415,
      code: 'unsupported_media',
    },
    {
      what: 'sound alone',
      fields: [['file', 'a.mp4', after(Buffer.from('\0\0\0\x10ftypM4A \0\0\x02\0', 'latin1'))(3000)]],
      status: 415,
      code: 'unsupported_media',
    },
    {
      what: 'a wrong option',
      fields: [
        ['longestScene', '1'],
        ['file', 'a.mp4', mp4(3000)],
      ],
      status: 422,
      code: 'validation_failed',
      field: '/longestScene',
    },
    {
      what: 'a range that ends before it begins',
      fields: [
        ['file', 'a.mp4', mp4(3000)],
        ['from', '9'],
        ['to', '3'],
      ],
      status: 422,
      code: 'validation_failed',
      field: '/to',
    },
    {
      what: 'an option of videos with a photo',
      fields: [
        ['file', 'a.jpg', jpeg],
        ['cutThreshold', '2'],
      ],
      status: 422,
      code: 'validation_failed',
      field: '/cutThreshold',
    },
  ])('refuses $what', async ({ fields, status, code, field }) => {
    const reply = await post('/analysis', form(...fields));
    expect(reply.body).toMatchObject({ status, code });
    expect(reply.status).toBe(status);
    if (field !== undefined) {
      expect(reply.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([field]);
    }
  });

  it('keeps the limit of photos', async () => {
    const large = Buffer.concat([jpeg, randomBytes(MB)]);
    const { body } = await post('/analysis', form(['file', 'a.jpg', large]));
    expect(body).toMatchObject({ status: 413, code: 'too_large' });
    expect(body.detail).toContain('LIMIT_UPLOAD_BYTES');
  });
});

describe('Idempotency-Key of a video', () => {
  it('makes one job of 20 requests at once, and keeps one object', async () => {
    const before = (await keysUnder(api.storage, 'input-files/')).length;
    const bytes = mp4(100_000);
    const headers = { 'idempotency-key': 'a-video' };
    const send = (...more: Field[]) =>
      post('/analysis', form(['file', 'a.mp4', bytes], ['gradual', 'false'], ...more), headers);
    const replies = await Promise.all(Array.from({ length: 20 }, () => send()));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(replies.map(({ body }) => body.task_id)).size).toBe(1);
    expect(await keysUnder(api.storage, 'input-files/')).toHaveLength(before + 1);
    expect((await send(['mode', 'exact'])).body.task_id).toBe(replies[0]?.body.task_id);
    for (const other of [
      await send(['mode', 'fast']),
      await post('/analysis', form(['file', 'a.mp4', mp4(100_000)], ['gradual', 'false']), headers),
    ]) {
      expect(other.body).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    }
    expect(await keysUnder(api.storage, 'input-files/')).toHaveLength(before + 1);
  }, 60_000);
});

describe('POST /analysis with JSON', () => {
  const uri = (key: string) => `s3://${api.storage.bucket}/samples/${key}`;
  beforeAll(async () => {
    const put = (key: string, bytes: Buffer) =>
      api.storage.putBytes(`samples/${key}`, bytes, { contentType: 'application/octet-stream' });
    await Promise.all([
      put('film.mp4', mp4(2 * MB)),
      put('cat.jpg', jpeg),
      put('large.mp4', mp4(12 * MB + 1)),
    ]);
  });

  it('pins a video where it lies', async () => {
    const { status, body } = await post('/v1/analysis', {
      source: uri('film.mp4'),
      longestScene: 30,
      to: null,
    });
    expect(status).toBe(202);
    const { etag } = await api.storage.head('samples/film.mp4');
    expect(await madeOf(body.task_id)).toEqual([
      { name: 'probe', input: { uri: uri('film.mp4'), etag, bytes: 2 * MB, filename: 'film.mp4' } },
    ]);
    expect((await getJson(`/analysis/${body.task_id}`)).options).toMatchObject({
      longestScene: 30,
      to: null,
    });
    expect(await keysUnder(api.storage, `input-files/${body.task_id}/`)).toEqual([]);
  });

  it('takes an upload, and leaves it when the options are not those of what it is', async () => {
    const upload = await uploaded(mp4(6 * MB), 'film.mp4');
    const { body } = await post('/analysis', { upload, gradual: false });
    expect(await keysUnder(api.storage, `input-files/${body.task_id}/`)).toEqual([
      `input-files/${body.task_id}/film.mp4`,
    ]);
    expect((await getJson(`/analysis/${body.task_id}`)).media).toBe('video');
    expect((await post('/analysis', { upload })).body.code).toBe('upload_used');

    const photo = await uploaded(jpeg, 'cat.jpg');
    const refused = await post('/analysis', { upload: photo, mode: 'fast' });
    expect(refused.body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect(refused.body.errors).toMatchObject([{ pointer: '/mode' }]);
    expect((await post('/analysis', { upload: photo })).status).toBe(202);
  });

  it('tells requests with the same key apart by what they ask for', async () => {
    const headers = { 'idempotency-key': 'a-source' };
    const first = await post('/analysis', { source: uri('film.mp4') }, headers);
    const again = await post('/analysis', { mode: 'exact', source: uri('film.mp4') }, headers);
    expect(again.body.task_id).toBe(first.body.task_id);
    const other = await post('/analysis', { source: uri('film.mp4'), mode: 'fast' }, headers);
    expect(other.body.code).toBe('idempotency_key_reused');
  });

  it.each([
    ['an option of videos for a photo', { source: 'cat.jpg', from: 2 }, 'validation_failed'],
    ['an option of videos for many photos', { source: '', mode: 'fast' }, 'validation_failed'],
    ['too many bytes', { source: 'large.mp4' }, 'too_large'],
    ['an unknown option', { source: 'film.mp4', colour: 'red' }, 'validation_failed'],
    ['a wrong option', { source: 'film.mp4', mode: 'slow' }, 'validation_failed'],
    ['a range that ends before it begins', { source: 'film.mp4', from: 5, to: 2 }, 'validation_failed'],
  ])('refuses %s', async (_what, { source, ...options }, code) => {
    expect((await post('/analysis', { source: uri(source), ...options })).body.code).toBe(code);
  });

  async function uploaded(bytes: Buffer, filename: string): Promise<string> {
    const { body } = await post('/v1/uploads', { filename, bytes: bytes.length });
    for (const { partNumber, url } of body.parts) {
      const part = bytes.subarray((partNumber - 1) * body.partBytes, partNumber * body.partBytes);
      expect((await fetch(url, { method: 'PUT', body: new Uint8Array(part) })).status).toBe(200);
    }
    expect((await post(`/v1/uploads/${body.id}/complete`, {})).body.state).toBe('complete');
    return body.id;
  }
});

describe('running again', () => {
  const ended = (id: string) =>
    api.records.sql`update jobs set state = 'succeeded', finished_at = now() where id = ${id}`;

  it('takes a video with other options, and finds its scenes anew', async () => {
    const { body } = await post('/analysis', form(['file', 'a.mp4', mp4(3000)], ['mode', 'fast']));
    await api.records.sql`insert into job_items (job_id, stage, ordinal, key, input)
      values (${body.task_id}, 'recognise', 1, '1', '{}')`;
    await ended(body.task_id);
    const again = await post(`/v1/jobs/${body.task_id}/rerun`, { from: 2, mode: 'exact' });
    expect(again.body).toMatchObject({ kind: 'video', state: 'queued', rerunOf: body.task_id });
    expect(await api.records.sql`select key from job_items where job_id = ${again.body.id}`).toEqual([]);
    expect(await madeOf(again.body.id)).toEqual(await madeOf(body.task_id));
    expect(await getJson(`/analysis/${again.body.id}`)).toMatchObject({
      media: 'video',
      segments: { total: 0 },
      options: { mode: 'exact', from: 2 },
    });
    const refused = await post(`/v1/jobs/${body.task_id}/rerun`, { longestScene: 1 });
    expect(refused.body).toMatchObject({ code: 'validation_failed', errors: [{ pointer: '/longestScene' }] });
  });

  it('takes no option of videos for photos', async () => {
    const { body } = await post('/analysis', form(['file', 'a.jpg', jpeg]));
    await ended(body.task_id);
    const refused = await post(`/v1/jobs/${body.task_id}/rerun`, { mode: 'fast' });
    expect(refused.body).toMatchObject({ code: 'validation_failed', errors: [{ pointer: '/mode' }] });
    expect((await post(`/v1/jobs/${body.task_id}/rerun`, { scoreThreshold: 0.2 })).status).toBe(202);
  });
});

describe('the OpenAPI document', () => {
  it('has every option of videos with its default, in the form and in JSON', async () => {
    const document = await getJson('/openapi.json');
    const { AnalysisForm, AnalysisRequest } = document.components.schemas;
    const told = (value: unknown) => ({ description: expect.stringMatching(`Default: ${value}\\.$`) });
    const defaults = {
      mode: { ...told('"exact"'), enum: ['exact', 'fast'] },
      from: told(0),
      to: told(null),
      shortestScene: told(0.5),
      longestScene: told(60),
      cutThreshold: told(3),
      gradual: told(true),
    };
    expect(AnalysisForm.properties).toMatchObject(defaults);
    expect(AnalysisRequest.properties).toMatchObject(defaults);
    expect(AnalysisRequest.properties.thresholds).toMatchObject({
      type: 'object',
      additionalProperties: { type: 'number', minimum: 0, maximum: 1 },
      description: 'Lowest score of some labels, in place of scoreThreshold.',
      examples: [{ person: 0.6 }],
    });
    const codes = Object.keys(
      document.paths['/analysis'].post.responses['415'].content['application/problem+json'].examples,
    );
    expect(codes).toContain('unsupported_video');
  });
});
