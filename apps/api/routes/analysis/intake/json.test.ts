import { randomBytes } from 'node:crypto';
import { alone } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../../testing.ts';

const MB = 1024 ** 2;
const jpeg = (bytes = 2000): Buffer =>
  Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(bytes - 4)]);

let api: TestApi;
let ann: string;
let bo: string;

beforeAll(async () => {
  const env = {
    LIMIT_UPLOAD_BYTES: String(MB),
    LIMIT_PHOTOS_PER_TASK: '5',
    DARKROOM_GRANTS: JSON.stringify([
      { group: 'lab', prefix: 's3://darkroom-test/samples/', access: 'read' },
    ]),
  };
  api = await startTestApi(env, engineAway);
  ann = (await api.key({ owner: 'ann', group: 'lab' })).key;
  bo = (await api.key({ owner: 'bo' })).key;
}, 60_000);
afterAll(() => api?.close());

// biome-ignore lint/suspicious/noExplicitAny: answers are judged by what is expected of them
type Answer = any;

interface Sent {
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

async function post(path: string, body: FormData | string, { key, headers }: Sent = {}) {
  const json: Record<string, string> = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
  const reply = await fetch(`${api.url}${path}`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${key ?? ann}`, ...json, ...headers },
  });
  return { status: reply.status, body: (await reply.json()) as Answer };
}

describe('POST /analysis with JSON', () => {
  const uri = (key: string) => `s3://${api.storage.bucket}/${key}`;
  const source = (key: string, more: object = {}) => JSON.stringify({ source: uri(key), ...more });
  beforeAll(async () => {
    for (const key of ['samples/one.jpg', 'samples/some/a.jpg', 'samples/some/b.jpg', 'secret/a.jpg']) {
      await api.storage.putBytes(key, jpeg(), { contentType: 'image/jpeg' });
    }
  });

  it('pins a granted object, and all under a granted prefix', async () => {
    const one = await post('/analysis', source('samples/one.jpg', { scoreThreshold: 0.6 }));
    expect(one.status).toBe(202);
    const { etag } = await api.storage.head('samples/one.jpg');
    const [item] = await api.records.sql`select input from job_items where job_id = ${one.body.task_id}`;
    expect(item?.input).toEqual({ uri: uri('samples/one.jpg'), etag, bytes: 2000, filename: 'one.jpg' });
    const some = await post('/analysis', source('samples/some/'));
    const page = await api.get(`/analysis/${some.body.task_id}/segments`, ann);
    const body = (await page.json()) as Answer;
    expect(body.segments.map((s: { filename: string }) => s.filename)).toEqual(['a.jpg', 'b.jpg']);
  });

  it.each(['/analysis', 'rerun'])('refuses __proto__ as a label: %s', async (path) => {
    const thresholds = JSON.parse('{"cat":0.5,"__proto__":0.5}');
    const { body: task } = await post('/analysis', source('samples/one.jpg'));
    const { status, body } = await (path === 'rerun'
      ? post(`/v1/jobs/${task.task_id}/rerun`, JSON.stringify({ thresholds }))
      : post(path, source('samples/one.jpg', { thresholds })));
    expect([status, body.errors]).toEqual([
      422,
      [{ pointer: '/thresholds/__proto__', detail: expect.any(String) }],
    ]);
  });

  it('takes a threshold that is nearly nothing', async () => {
    const { status, body } = await post('/analysis', source('samples/one.jpg', { scoreThreshold: 1e-320 }));
    expect(status).toBe(202);
    const changes = { scoreThreshold: 1e-50 };
    const rerun = await post(`/v1/jobs/${body.task_id}/rerun`, JSON.stringify(changes));
    expect(rerun.status).toBe(202);
    expect((await api.get('/v1/segments?minScore=1e-50', ann)).status).toBe(200);
  });

  it('names the first task when a key comes again, though the source has changed', async () => {
    const headers = { 'idempotency-key': 'a-source' };
    const first = await post('/analysis', source('samples/some/'), { headers });
    await api.storage.putBytes('samples/some/c.jpg', jpeg(), { contentType: 'image/jpeg' });
    const again = await post('/analysis', source('samples/some/'), { headers });
    expect(again.body.task_id).toBe(first.body.task_id);
    const other = await post('/analysis', source('samples/one.jpg'), { headers });
    expect(other.body.code).toBe('idempotency_key_reused');
    await api.storage.remove(['samples/some/c.jpg'], alone);
  });

  it('lets the inputs of an own task be read again, not those of others', async () => {
    const oneFile = new FormData();
    oneFile.append('file', new Blob([new Uint8Array(jpeg())]), 'a.jpg');
    const { body } = await post('/analysis', oneFile, { key: bo });
    const again = source(`input-files/${body.task_id}/a.jpg`);
    expect((await post('/analysis', again, { key: bo })).status).toBe(202);
    expect((await post('/analysis', again)).body.code).toBe('source_not_granted');
  });

  it('keeps the inputs of a task for as long as a task that was made from them is there', async () => {
    const photo = new FormData();
    photo.append('file', new Blob([new Uint8Array(jpeg())]), 'a.jpg');
    const { body: first } = await post('/analysis', photo, { key: bo });
    const input = `input-files/${first.task_id}/a.jpg`;
    const { body: second } = await post('/analysis', source(input), { key: bo });
    const remove = async (id: string): Promise<void> => {
      await api.dispatch.remove(id);
      await api.dispatch.removal.removeObjects(id);
    };
    await remove(first.task_id);
    expect(await api.storage.head(input)).toMatchObject({ size: 2000 });
    // Nobody makes another one from a task that is gone.
    expect((await post('/analysis', source(input), { key: bo })).body.code).toBe('source_not_granted');
    await remove(second.task_id);
    await expect(api.storage.head(input)).rejects.toMatchObject({ code: 'source_not_found' });
  });

  it('takes no inputs of a task that is still being received, which may be taken back', async () => {
    const { id } = await api.dispatch.receive(
      'photo',
      { owner: 'bo', group: null, role: 'user', priority: 3 },
      { input: {} },
    );
    await api.storage.putBytes(`input-files/${id}/a.jpg`, jpeg(), { contentType: 'image/jpeg' });
    const reply = await post('/analysis', source(`input-files/${id}/a.jpg`), { key: bo });
    expect(reply.body.code).toBe('source_not_granted');
  });

  it('answers alike for what is not granted, whether it exists or not', async () => {
    for (const [key, granted] of [
      ['secret/a.jpg', ann],
      ['secret/none.jpg', ann],
      ['samples/one.jpg', bo],
      ['samples/none.jpg', bo],
    ] as const) {
      const reply = await post('/analysis', source(key), { key: granted });
      expect(reply.body).toMatchObject({ status: 403, code: 'source_not_granted' });
      expect(reply.body.detail).toBe(`${uri(key)} is not under a prefix this key may read.`);
    }
  });

  it.each<{ body: unknown; status: number; code: string }>([
    { body: '{"source":', status: 400, code: 'invalid_request' },
    { body: '', status: 415, code: 'unsupported_content_type' },
    { body: '[]', status: 422, code: 'validation_failed' },
    { body: {}, status: 422, code: 'validation_failed' },
    { body: { source: 's3://a/b', upload: 'c' }, status: 422, code: 'validation_failed' },
    { body: { source: 's3://a/b', colour: 'red' }, status: 422, code: 'validation_failed' },
    { body: { source: 'http://example.org/a.jpg' }, status: 422, code: 'validation_failed' },
    { body: { source: 's3://samples/../secret/a.jpg' }, status: 422, code: 'validation_failed' },
    { body: { source: 's3://elsewhere/a.jpg' }, status: 403, code: 'source_not_granted' },
    { body: { upload: 'nope' }, status: 404, code: 'not_found' },
    // What neither Postgres nor Temporal would take.
    { body: { upload: '\u0000' }, status: 422, code: 'validation_failed' },
    ...['a\u0000', '\ud800'].flatMap((text) =>
      [{ labels: [text] }, { model: text }].map((option) => ({
        body: { source: 's3://darkroom-test/samples/one.jpg', ...option },
        status: 422,
        code: 'validation_failed',
      })),
    ),
  ])('answers $code to $body', async ({ body, status, code }) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const headers: Record<string, string> = text === '' ? { 'content-type': '' } : {};
    const reply = await post('/analysis', text, { headers });
    expect(reply.body).toMatchObject({ status, code });
  });

  it('says what to send instead of another content type', async () => {
    const reply = await fetch(`${api.url}/analysis`, {
      method: 'POST',
      headers: { authorization: ann, 'content-type': 'image/jpeg' },
      body: new Uint8Array(jpeg()),
    });
    expect(reply.status).toBe(415);
    expect(((await reply.json()) as Answer).detail).toContain('multipart/form-data');
  });

  it('says what is missing, empty or too much', async () => {
    const cases: [string, Buffer | undefined, string][] = [
      ['samples/none.jpg', undefined, 'source_not_found'],
      ['samples/none/', undefined, 'source_not_found'],
      ['samples/empty.jpg', Buffer.alloc(0), 'empty_file'],
      ['samples/text.jpg', Buffer.from('hello'), 'unsupported_media'],
      ['samples/large.jpg', jpeg(MB + 1), 'too_large'],
      ['samples/', undefined, 'too_many_items'],
    ];
    for (const [key, bytes, code] of cases) {
      if (bytes) await api.storage.putBytes(key, bytes, { contentType: 'image/jpeg' });
      expect((await post('/analysis', source(key))).body.code).toBe(code);
    }
  });
});
