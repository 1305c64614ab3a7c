import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../testing.ts';

const MB = 1024 ** 2;
const photo = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(6 * MB)]);

let api: TestApi;
let ann: string;
let bo: string;
beforeAll(async () => {
  api = await startTestApi(
    {
      LIMIT_UPLOAD_BYTES: String(20 * MB),
      LIMIT_VIDEO_BYTES: String(20 * MB),
      LIMIT_PLAN_BYTES: String(20 * MB),
      LIMIT_MODEL_BYTES: String(20 * MB),
    },
    engineAway,
  );
  ann = (await api.key({ owner: 'ann' })).key;
  bo = (await api.key({ owner: 'bo' })).key;
}, 60_000);
afterAll(() => api?.close());

interface Document {
  readonly id: string;
  readonly state: string;
  readonly code: string;
  readonly task_id: string;
  readonly partBytes: number;
  readonly partCount: number;
  readonly missing: number;
  readonly parts: readonly { readonly partNumber: number; readonly url: string }[];
}

async function call(method: string, path: string, body?: unknown, key = ann, headers = {}) {
  const reply = await api.send(method, path, key, body, headers);
  const text = await reply.text();
  return { status: reply.status, body: (text === '' ? {} : JSON.parse(text)) as Document };
}

const open = (bytes: Buffer, filename = 'large.jpg') =>
  call('POST', '/v1/uploads', { filename, bytes: bytes.length, partBytes: 5 * MB });

async function sendParts({ parts, partBytes }: Document, bytes: Buffer): Promise<void> {
  for (const { partNumber, url } of parts) {
    const body = new Uint8Array(bytes.subarray((partNumber - 1) * partBytes, partNumber * partBytes));
    expect((await fetch(url, { method: 'PUT', body })).status).toBe(200);
  }
}

async function uploaded(bytes: Buffer, filename?: string): Promise<Document> {
  const { body } = await open(bytes, filename);
  await sendParts(body, bytes);
  return (await call('POST', `/v1/uploads/${body.id}/complete`)).body;
}

async function left(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of api.storage.list('uploads/')) keys.push(key);
  for await (const { key } of api.storage.openUploads('uploads/')) keys.push(key);
  return keys;
}

describe('uploads', () => {
  it('take a file in parts, tell which are missing, and become a task', async () => {
    const opened = await open(photo, '../große Karte.jpg');
    expect(opened.status).toBe(201);
    const { id, parts } = opened.body;
    expect(opened.body).toMatchObject({
      state: 'open',
      filename: 'große Karte.jpg',
      partCount: 2,
      missing: 2,
    });
    expect((await call('POST', '/analysis', { upload: id })).body.code).toBe('upload_incomplete');

    await sendParts({ ...opened.body, parts: parts.slice(1) }, photo);
    const early = await call('POST', `/v1/uploads/${id}/complete`);
    expect(early).toMatchObject({ status: 409, body: { code: 'upload_incomplete' } });
    const again = await call('GET', `/v1/uploads/${id}`);
    expect(again.body.parts.map(({ partNumber }) => partNumber)).toEqual([1]);
    await sendParts(again.body, photo);
    for (let times = 0; times < 2; times++) {
      const completed = await call('POST', `/v1/uploads/${id}/complete`);
      expect(completed).toMatchObject({ status: 200, body: { state: 'complete', missing: 0, parts: [] } });
    }

    const task = await call('POST', '/analysis', { upload: id, annotate: false });
    expect(task.status).toBe(202);
    const key = `input-files/${task.body.task_id}/große Karte.jpg`;
    const stored = await api.storage.getBytes(key, { maxBytes: 20 * MB });
    expect(stored.equals(photo)).toBe(true);
    const { etag } = await api.storage.head(key);
    const [item] = await api.records.sql`select input from job_items where job_id = ${task.body.task_id}`;
    expect(item?.input).toMatchObject({ uri: `s3://${api.storage.bucket}/${key}`, etag });
    expect(await left()).toEqual([]);
    expect((await call('GET', `/v1/uploads/${id}`)).body.state).toBe('used');
    expect((await call('POST', '/analysis', { upload: id })).body.code).toBe('upload_used');
  });

  it('become the task of one request alone, however many send at once', async () => {
    const { id } = await uploaded(photo);
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => call('POST', '/analysis', { upload: id })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([202, 409, 409, 409, 409, 409]);
    const refused = replies.filter(({ status }) => status === 409);
    expect(new Set(refused.map(({ body }) => body.code))).toEqual(new Set(['upload_used']));
    expect(await left()).toEqual([]);
    const [mine] = await api.records.sql`
      select count(*)::int as jobs from job_items where input->>'filename' = 'large.jpg'
      and job_id in (select id from jobs where state = 'receiving' or id = any(${replies.flatMap(({ body }) => body.task_id ?? [])}))`;
    expect(mine?.jobs).toBe(1);
  });

  it('that have become a task stay so when they are removed', async () => {
    const { id } = await uploaded(photo);
    const { task_id } = (await call('POST', '/analysis', { upload: id })).body;
    expect((await call('DELETE', `/v1/uploads/${id}`)).status).toBe(204);
    expect((await call('GET', `/v1/uploads/${id}`)).body.state).toBe('used');
    expect((await api.storage.head(`input-files/${task_id}/large.jpg`)).size).toBe(photo.length);
  });

  it('keep their object while a request that may use them holds their row', async () => {
    const { id } = await uploaded(photo);
    const held = Promise.withResolvers<void>();
    const decide = Promise.withResolvers<void>();
    const using = api.records.db.transaction(async (tx) => {
      await tx.execute(`update uploads set state = 'used' where id = '${id}'`);
      held.resolve();
      await decide.promise;
      throw new Error('refused after all');
    });
    await held.promise;
    const removal = call('DELETE', `/v1/uploads/${id}`);
    // Long enough for a removal that does not wait to have removed.
    await sleep(1000);
    const during = await left();
    decide.resolve();
    await expect(using).rejects.toThrow('refused after all');
    expect((await removal).status).toBe(204);
    expect(during).toHaveLength(1);
    expect(await left()).toEqual([]);
  });

  it('take parts of the announced length alone', async () => {
    const { body } = await open(photo);
    const [first, last] = body.parts;
    // The store hangs up on what is too long, maybe before its answer was read.
    const put = (url: string, bytes: Buffer) =>
      fetch(url, { method: 'PUT', body: new Uint8Array(bytes) }).then(
        ({ status }) => status,
        () => 403,
      );
    expect(await put(first?.url ?? '', photo.subarray(0, 5 * MB + 1))).toBe(403);
    expect(await put(first?.url ?? '', photo.subarray(0, 5 * MB - 1))).toBe(403);
    expect(await put(last?.url ?? '', photo.subarray(0, 5 * MB))).toBe(403);
    expect((await call('GET', `/v1/uploads/${body.id}`)).body.missing).toBe(2);
    expect(await put(last?.url ?? '', photo.subarray(5 * MB))).toBe(200);
    await call('DELETE', `/v1/uploads/${body.id}`);
  });

  it('become one task of many requests with one Idempotency-Key', async () => {
    const { id } = await uploaded(photo);
    const send = () => call('POST', '/analysis', { upload: id }, ann, { 'idempotency-key': 'an-upload' });
    const replies = await Promise.all(Array.from({ length: 10 }, send));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(replies.map(({ body }) => body.task_id)).size).toBe(1);
    expect((await send()).body.task_id).toBe(replies[0]?.body.task_id);
    expect(await left()).toEqual([]);
  });

  it('are looked into before they become a task', async () => {
    const { id } = await uploaded(Buffer.from('no picture'));
    expect((await call('POST', '/analysis', { upload: id })).body.code).toBe('unsupported_media');
    expect((await call('DELETE', `/v1/uploads/${id}`)).status).toBe(204);
  });

  it('are removed, whatever came of them', async () => {
    const complete = await uploaded(photo);
    const half = await open(photo);
    await sendParts({ ...half.body, parts: half.body.parts.slice(1) }, photo);
    expect(await left()).toHaveLength(2);
    for (const { id } of [complete, half.body]) {
      expect((await call('DELETE', `/v1/uploads/${id}`)).status).toBe(204);
      expect((await call('DELETE', `/v1/uploads/${id}`)).status).toBe(204);
      expect((await call('POST', '/analysis', { upload: id })).body.code).toBe('not_found');
      expect((await call('POST', `/v1/uploads/${id}/complete`)).body.code).toBe('not_found');
    }
    expect(await left()).toEqual([]);
  });

  it("are nobody else's", async () => {
    const { id } = await uploaded(photo);
    for (const [method, path, body] of [
      ['GET', `/v1/uploads/${id}`],
      ['POST', `/v1/uploads/${id}/complete`],
      ['DELETE', `/v1/uploads/${id}`],
      ['POST', '/analysis', { upload: id }],
    ] as const) {
      expect((await call(method, path, body, bo)).status).toBe(404);
    }
    const uri = `s3://${api.storage.bucket}/${(await left())[0]}`;
    expect((await call('POST', '/analysis', { source: uri }, bo)).status).toBe(403);
    expect((await call('POST', '/analysis', { source: uri })).status).toBe(202);
    await call('DELETE', `/v1/uploads/${id}`);
  });

  it('of others are for admins to change, and an operator is told so, as the document says', async () => {
    const { id } = await uploaded(photo);
    const olga = (await api.key({ owner: 'olga', role: 'operator' })).key;
    const { paths } = (await (await api.get('/openapi.json')).json()) as {
      paths: Record<string, Record<string, { responses: object }>>;
    };
    for (const [method, path] of [
      ['GET', '/v1/uploads/{id}'],
      ['POST', '/v1/uploads/{id}/complete'],
      ['DELETE', '/v1/uploads/{id}'],
    ] as const) {
      const reply = await call(method, path.replace('{id}', id), undefined, olga);
      expect(reply).toMatchObject({
        status: 403,
        body: { code: 'forbidden', detail: expect.stringMatching(/^To change/) },
      });
      expect(paths[path]?.[method.toLowerCase()]?.responses).toHaveProperty('403');
    }
    const ada = (await api.key({ owner: 'ada', role: 'admin' })).key;
    expect((await call('DELETE', `/v1/uploads/${id}`, undefined, ada)).status).toBe(204);
  });

  it.each([
    [{ filename: 'a.jpg', bytes: 0 }, 422, 'validation_failed'],
    [{ filename: 'a.jpg', bytes: 1.5 }, 422, 'validation_failed'],
    [{ filename: '', bytes: 1 }, 422, 'validation_failed'],
    [{ filename: 'a.jpg', bytes: 1, partBytes: 1 }, 422, 'validation_failed'],
    [{ filename: 'a.jpg', bytes: 1, colour: 'red' }, 422, 'validation_failed'],
    [{ filename: 'a.jpg', bytes: 21 * MB }, 413, 'too_large'],
    ['{', 400, 'invalid_request'],
  ])('refuse %j', async (body, status, code) => {
    expect(await call('POST', '/v1/uploads', body)).toMatchObject({ status, body: { code } });
  });

  it('have ids that are checked', async () => {
    for (const id of ['nope', '%00', '0197a3c2-7d4e-7c1a-9b1e-2f4f6a8b9c0d']) {
      expect([404, 422]).toContain((await call('GET', `/v1/uploads/${id}`)).status);
    }
  });
});
