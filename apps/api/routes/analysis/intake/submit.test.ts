import { randomBytes } from 'node:crypto';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../../testing.ts';

const MB = 1024 ** 2;
const jpegStart = Buffer.from([0xff, 0xd8, 0xff, 0xe0]);
const jpeg = (bytes = 2000): Buffer => Buffer.concat([jpegStart, randomBytes(bytes - 4)]);

let api: TestApi;
let ann: string;
let bo: string;

beforeAll(async () => {
  const env = { LIMIT_UPLOAD_BYTES: String(MB), LIMIT_PHOTOS_PER_TASK: '5', LIMIT_UPLOADING_REQUESTS: '100' };
  api = await startTestApi(env, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
  bo = (await api.key({ owner: 'bo' })).key;
}, 60_000);
afterAll(() => api?.close());

type Field = [name: string, value: string] | [name: string, filename: string, bytes: Buffer];

function form(...fields: Field[]): FormData {
  const data = new FormData();
  for (const [name, value, bytes] of fields) {
    if (bytes === undefined) data.append(name, value);
    else data.append(name, new Blob([new Uint8Array(bytes)]), value);
  }
  return data;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are judged by what is expected of them
type Answer = any;

interface Sent {
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

async function post(path: string, body: FormData, { key, headers }: Sent = {}) {
  const reply = await fetch(`${api.url}${path}`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${key ?? ann}`, ...headers },
  });
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Answer };
}

async function get(path: string, key = ann) {
  const reply = await fetch(`${api.url}${path}`, { headers: { authorization: key } });
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
}
const getJson = async (path: string, key = ann) => {
  const { status, text } = await get(path, key);
  return { status, body: JSON.parse(text) as Answer };
};

/** What a request that was refused or cut off must not leave. */
async function leftovers() {
  const receiving = await api.records.sql`select id from jobs where state = 'receiving'`;
  const jobs = await api.records.sql`select id from jobs`;
  const known = new Set(jobs.map(({ id }) => String(id)));
  const objects = (await keysUnder(api.storage, 'input-files/')).filter(
    (key) => !known.has(key.split('/')[1] ?? ''),
  );
  const uploads: string[] = [];
  for await (const { key } of api.storage.openUploads('input-files/')) uploads.push(key);
  return { receiving: receiving.length, objects, uploads };
}
const nothing = { receiving: 0, objects: [], uploads: [] };
afterEach(async () => expect(await leftovers()).toEqual(nothing));

describe('POST /analysis with a form', () => {
  it('takes one photo', async () => {
    const bytes = jpeg();
    const reply = await post('/analysis', form(['file', 'cat.jpg', bytes], ['labels', 'cat,dog']));
    expect(reply.status).toBe(202);
    const { task_id: id, state, links } = reply.body;
    expect(state).toBe('queued');
    expect(reply.headers.get('location')).toBe(links.self);
    expect(reply.headers.get('retry-after')).toBe('1');
    expect(await keysUnder(api.storage, `input-files/${id}/`)).toEqual([`input-files/${id}/cat.jpg`]);
    const stored = await api.storage.getBytes(`input-files/${id}/cat.jpg`, { maxBytes: MB });
    expect(stored.equals(bytes)).toBe(true);

    const task = await getJson(`/analysis/${id}`);
    expect(task.body).toMatchObject({
      task_id: id,
      media: 'photo',
      state: 'queued',
      segments: { total: 1, succeeded: 0, failed: 0 },
      options: { model: 'default', scoreThreshold: 0.4, labels: ['cat', 'dog'], annotate: true },
      labels: [],
      model: null,
    });
    const [item] = await api.records.sql`select key, stage, input from job_items where job_id = ${id}`;
    const [row] = await api.records
      .sql`select media, segments, score_threshold from tasks where job_id = ${id}`;
    expect(row).toMatchObject({ media: 'photo', segments: 1, score_threshold: 0.4 });
    expect(item).toMatchObject({ key: '1', stage: 'recognise', input: { bytes: 2000, filename: 'cat.jpg' } });
  });

  it('keeps equal names of several photos apart', async () => {
    const { body } = await post(
      '/v1/analysis',
      form(['model', 'default'], ['files', 'a.jpg', jpeg()], ['files', 'a.jpg', jpeg()]),
    );
    const id = body.task_id;
    expect(await keysUnder(api.storage, `input-files/${id}/`)).toEqual([
      `input-files/${id}/1/a.jpg`,
      `input-files/${id}/2/a.jpg`,
    ]);
    const { body: page } = await getJson(`/analysis/${id}/segments?pageSize=10000`);
    expect(page.segments.map((s: { segment_id: number }) => s.segment_id)).toEqual([1, 2]);
    const source = await fetch(page.segments[0].links.source);
    expect(source.status).toBe(200);
    expect((await source.arrayBuffer()).byteLength).toBe(2000);
  });

  it.each([
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\windows\\win.ini', 'win.ini'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['no\u0000nul.jpg', 'nonul.jpg'],
    ['.hidden', 'hidden'],
    ['%2e%2e%2fup.jpg', '%2e%2e%2fup.jpg'],
    ['ключ 猫.jpg', 'ключ 猫.jpg'],
  ])('stores %j safely', async (filename, safe) => {
    const { status, body } = await post('/analysis', form(['file', filename, jpeg()]));
    expect(status).toBe(202);
    expect(await keysUnder(api.storage, `input-files/${body.task_id}/`)).toEqual([
      `input-files/${body.task_id}/${safe}`,
    ]);
    const { body: segment } = await getJson(`/analysis/${body.task_id}/segments/1`);
    expect(segment.filename).toBe(safe);
  });

  it('stores a very long name safely', async () => {
    const { status, body } = await post('/analysis', form(['file', `${'ü'.repeat(5000)}.jpg`, jpeg()]));
    expect(status).toBe(202);
    const [key = ''] = await keysUnder(api.storage, `input-files/${body.task_id}/`);
    expect(Buffer.byteLength(key)).toBeLessThan(300);
    expect(key).toMatch(/ü\.jpg$/);
  });

  it.each<{ what: string; fields: Field[]; status: number; code: string }>([
    {
      what: 'text',
      fields: [['file', 'a.jpg', Buffer.from('hello')]],
      status: 415,
      code: 'unsupported_media',
    },
    { what: '0 bytes', fields: [['file', 'a.jpg', Buffer.alloc(0)]], status: 422, code: 'empty_file' },
    { what: 'over the limit', fields: [['file', 'a.jpg', jpeg(MB + 1)]], status: 413, code: 'too_large' },
    {
      what: 'a second photo over the limit',
      fields: [
        ['files', 'a.jpg', jpeg()],
        ['files', 'b.jpg', jpeg(3 * MB)],
      ],
      status: 413,
      code: 'too_large',
    },
    { what: 'no photo', fields: [['model', 'default']], status: 422, code: 'validation_failed' },
    {
      what: 'an unknown field',
      fields: [
        ['file', 'a.jpg', jpeg()],
        ['colour', 'red'],
      ],
      status: 422,
      code: 'validation_failed',
    },
    {
      what: 'a wrong option',
      fields: [
        ['file', 'a.jpg', jpeg()],
        ['scoreThreshold', '7'],
      ],
      status: 422,
      code: 'validation_failed',
    },
    {
      what: 'too many photos',
      fields: [1, 2, 3, 4, 5, 6].map((n): Field => ['files', `${n}.jpg`, jpeg()]),
      status: 422,
      code: 'too_many_items',
    },
  ])('refuses $what', async ({ fields, status, code }) => {
    const reply = await post('/analysis', form(...fields));
    expect(reply.body).toMatchObject({ status, code });
    expect(reply.status).toBe(status);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
  });

  it('refuses a body that is cut off, or no form at all', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=x', authorization: ann };
    const start = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n';
    for (const body of [Buffer.concat([Buffer.from(start), jpeg()]), Buffer.from('junk'), Buffer.alloc(0)]) {
      const reply = await fetch(`${api.url}/analysis`, {
        method: 'POST',
        headers,
        body: new Uint8Array(body),
      });
      expect(reply.status).toBe(400);
      expect(await reply.json()).toMatchObject({ code: 'invalid_request' });
    }
  });
});

describe('Idempotency-Key', () => {
  it('makes one job of 100 requests at once, and keeps one object', async () => {
    const before = (await keysUnder(api.storage, 'input-files/')).length;
    const bytes = jpeg();
    const headers = { 'idempotency-key': 'a-hundred' };
    const send = () =>
      post('/analysis', form(['file', 'cat.jpg', bytes], ['annotate', 'false']), { headers });
    const replies = await Promise.all(Array.from({ length: 100 }, send));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(replies.map(({ body }) => body.task_id)).size).toBe(1);
    expect(await keysUnder(api.storage, 'input-files/')).toHaveLength(before + 1);
    const rows = await api.records.sql`select id from jobs where idempotency_key = 'a-hundred'`;
    expect(rows).toHaveLength(1);

    const later = await send();
    expect(later.body.task_id).toBe(replies[0]?.body.task_id);
    const others: Field[][] = [
      [
        ['file', 'cat.jpg', jpeg()],
        ['annotate', 'false'],
      ],
      [
        ['file', 'dog.jpg', bytes],
        ['annotate', 'false'],
      ],
      [['file', 'cat.jpg', bytes]],
    ];
    for (const fields of others) {
      const other = await post('/analysis', form(...fields), { headers });
      expect(other.body).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    }
    expect(await keysUnder(api.storage, 'input-files/')).toHaveLength(before + 1);
  }, 60_000);

  it('belongs to its owner', async () => {
    const headers = { 'idempotency-key': 'shared' };
    const body = form(['file', 'cat.jpg', jpeg()]);
    const first = await post('/analysis', body, { headers });
    const second = await post('/analysis', body, { headers, key: bo });
    expect(second.body.task_id).not.toBe(first.body.task_id);
  });

  it('of a deleted task tells of the deletion, and is free again after a day', async () => {
    const headers = { 'idempotency-key': 'deleted' };
    const body = form(['file', 'cat.jpg', jpeg()]);
    const first = await post('/analysis', body, { headers });
    const id = String(first.body.task_id);
    expect((await api.send('DELETE', `/v1/jobs/${id}`, ann)).status).toBe(202);
    const again = await post('/analysis', form(['file', 'cat.jpg', jpeg()]), { headers });
    expect(again.body).toMatchObject({ status: 409, code: 'idempotency_key_deleted' });
    expect(again.body.detail).toContain(id);
    await api.records.sql`update jobs set delete_requested_at = now() - interval '25 hours' where id = ${id}`;
    const later = await post('/analysis', form(['file', 'cat.jpg', jpeg()]), { headers });
    expect(later.status).toBe(202);
    expect(later.body.task_id).not.toBe(id);
    const repeated = await post('/analysis', form(['file', 'dog.jpg', jpeg()]), { headers });
    expect(repeated.body).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });

  it('is refused when it is not visible ASCII', async () => {
    const reply = await post('/analysis', form(['file', 'cat.jpg', jpeg()]), {
      headers: { 'idempotency-key': 'a b' },
    });
    expect(reply.body).toMatchObject({ status: 422, code: 'validation_failed' });
  });
});

describe('reading a task', () => {
  it('is for its owner alone', async () => {
    const { body } = await post('/analysis', form(['file', 'a.jpg', jpeg()]));
    for (const path of ['', '/segments', '/segments/1', '/export']) {
      expect((await get(`/analysis/${body.task_id}${path}`)).status).toBe(200);
      expect((await get(`/v1/analysis/${body.task_id}${path}`)).status).toBe(200);
      expect((await get(`/analysis/${body.task_id}${path}`, bo)).status).toBe(404);
      const without = await fetch(`${api.url}/analysis/${body.task_id}${path}`);
      expect(without.status).toBe(401);
    }
    for (const path of ['/segments/2', '/segments/0', '/segments/x', '/segments/99999999999', '/nope']) {
      expect([404, 422]).toContain((await get(`/analysis/${body.task_id}${path}`)).status);
    }
    for (const id of ['nope', '%00', '0197a3c2-7d4e-7c1a-9b1e-2f4f6a8b9c0d', "'; drop table jobs"]) {
      expect((await get(`/analysis/${encodeURIComponent(id)}`)).status).toBe(404);
    }
  });

  it('pages through segments, and takes no token for another list', async () => {
    const fields = Array.from({ length: 5 }, (_, n): Field => ['files', `${n}.jpg`, jpeg()]);
    const { body } = await post('/analysis', form(...fields));
    const path = `/analysis/${body.task_id}/segments`;
    const seen: number[] = [];
    let token: string | null = '';
    while (token !== null) {
      const { body: page } = await getJson(`${path}?pageSize=2&pageToken=${token}`);
      seen.push(...page.segments.map((s: { segment_id: number }) => s.segment_id));
      token = page.nextPageToken as string | null;
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    const { body: first } = await getJson(`${path}?pageSize=2`);
    const elsewhere = await getJson(`${path}?state=failed&pageToken=${first.nextPageToken}`);
    expect(elsewhere.body).toMatchObject({ status: 400, code: 'invalid_page_token' });
    for (const query of ['pageSize=0', 'pageSize=x', 'state=done', 'colour=red']) {
      expect((await get(`${path}?${query}`)).status).toBe(422);
    }
    expect((await getJson(`${path}?state=failed`)).body.segments).toEqual([]);
  });
});

describe('DELETE /analysis/{task_id}', () => {
  it('is for its owner alone, is accepted while Temporal is away, and hides the task at once', async () => {
    const { body } = await post('/analysis', form(['file', 'a.jpg', jpeg()]));
    const remove = (key: string) =>
      fetch(`${api.url}/analysis/${body.task_id}`, { method: 'DELETE', headers: { authorization: key } });
    expect((await remove(bo)).status).toBe(404);
    expect((await remove(ann)).status).toBe(202);
    expect((await get(`/analysis/${body.task_id}`)).status).toBe(404);
    expect((await get(`/analysis/${body.task_id}/segments`)).status).toBe(404);
    expect((await remove(ann)).status).toBe(202);
    await api.dispatch.removal.removeObjects(body.task_id);
    await api.dispatch.removal.removeRows(body.task_id);
    expect((await remove(ann)).status).toBe(204);
    expect(await keysUnder(api.storage, `input-files/${body.task_id}/`)).toEqual([]);
  });
});

describe('the OpenAPI document', () => {
  it('shows a file picker, and every option with its default', async () => {
    const { body: document } = await getJson('/openapi.json');
    const told = (value: string) => ({ description: expect.stringMatching(`Default: ${value}\\.$`) });
    for (const path of ['/analysis', '/v1/analysis']) {
      const { requestBody, parameters, responses } = document.paths[path].post;
      const named = (type: string) => requestBody.content[type].schema.$ref.split('/').at(-1);
      const { properties } = document.components.schemas[named('multipart/form-data')];
      expect(properties.file).toMatchObject({ type: 'string', format: 'binary' });
      expect(properties.files.items).toMatchObject({ type: 'string', format: 'binary' });
      expect(properties).toMatchObject({
        model: told('"default"'),
        scoreThreshold: { ...told('0.4'), minimum: 0, maximum: 1 },
        labels: told('\\[\\]'),
        annotate: told('true'),
      });
      const request = document.components.schemas[named('application/json')];
      expect(Object.keys(request.properties)).toEqual(
        expect.arrayContaining(['source', 'upload', 'model', 'scoreThreshold', 'labels', 'annotate']),
      );
      expect(request.properties.scoreThreshold).toMatchObject(told('0.4'));
      expect(parameters).toContainEqual(expect.objectContaining({ name: 'idempotency-key', in: 'header' }));
      expect(Object.keys(responses)).toEqual(
        expect.arrayContaining(['202', '400', '401', '403', '404', '409', '413', '415', '422', '500', '503']),
      );
    }
  });
});
