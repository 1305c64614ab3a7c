import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import { type ListSource, listSource } from '@darkroom/contract';
import { getStage, submittedItems } from '@darkroom/records';
import type { Grant } from '@darkroom/storage';
import { alone } from '@darkroom/storage/testing.ts';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../../apps/api/testing.ts';
import { kinds, services } from './registration.ts';

/** Catalogues that come with the request, however long, and as uploads: what becomes of them before anybody plans. */

const MB = 1024 ** 2;
const mostBytes = 24 * MB;

const grant: Grant = { owner: 'ann', prefix: 's3://darkroom-test/surveys/', access: 'read' };

let api: TestApi;
let ann: string;
let bo: string;
beforeAll(async () => {
  const env = {
    LIMIT_PLAN_BYTES: String(mostBytes),
    LIMIT_JSON_BYTES: '4000',
    RECEIVING_TIMEOUT_MINUTES: '0.02',
    DARKROOM_GRANTS: JSON.stringify([grant]),
  };
  api = await startTestApi(env, engineAway, { kinds, services });
  ann = (await api.key({ owner: 'ann' })).key;
  bo = (await api.key({ owner: 'bo' })).key;
}, 180_000);
afterAll(() => api?.close());
beforeEach(async () => {
  await api.records.sql`delete from jobs`;
  await api.storage.removePrefix('stamp-catalogues/', alone);
});

interface Answer {
  readonly status: number | undefined;
  readonly body: {
    readonly id: string;
    readonly state: string;
    readonly input: object;
    readonly code?: string;
    readonly detail?: string;
    readonly errors?: { pointer: string }[];
  };
}

const csv = 'name,x,y\na,1,2\nb,3,4\n';
const ndjson = '{"name":"a","x":1,"y":2}\n{"name":"b","x":3,"y":4}\n';
const csvType = { 'content-type': 'text/csv' };

async function sent(
  body: string | FormData | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = csvType,
  query = '',
  key = ann,
): Promise<Answer> {
  const answer = await fetch(`${api.url}/v1/stamps${query}`, {
    method: 'POST',
    headers: { authorization: key, ...headers },
    body,
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

function formOf(text: string, { name = 'list.csv', ...fields }: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append('file', new File([text], name));
  return form;
}

/** What the job is to be planned from. */
async function listOf(id: string): Promise<Exclude<ListSource, { format: 'listing' }>> {
  const source = listSource.parse((await getStage(api.records.db, id, 'plan'))?.input);
  if (source.format === 'listing') throw new Error('It is a listing.');
  return source;
}

async function left(): Promise<{ jobs: number; objects: number; uploads: number }> {
  const count = async (entries: AsyncIterable<unknown>) => {
    let found = 0;
    for await (const _ of entries) found++;
    return found;
  };
  return {
    jobs: (await api.records.sql`select id from jobs`).length,
    objects: await count(api.storage.list('stamp-catalogues/')),
    uploads: await count(api.storage.openUploads('stamp-catalogues/')),
  };
}

const nothing = { jobs: 0, objects: 0, uploads: 0 };

describe('a list that is sent', () => {
  test.each([
    ['CSV', csv, csvType, 'csv', csv],
    ['CSV that says its charset', csv, { 'content-type': 'Text/CSV; charset="UTF-8"' }, 'csv', csv],
    ['NDJSON', ndjson, { 'content-type': 'application/x-ndjson' }, 'ndjson', ndjson],
  ])(
    'as %s lies among the inputs of its job, pinned, with the options of the query',
    async (_, text, headers, format, stored) => {
      const { status, body } = await sent(text, headers, '?bytes=8&keep=false&badRow=job%20fails');
      expect([status, body.state]).toEqual([202, 'queued']);
      expect(body.input).toEqual({ bytes: 8, keep: false, badRow: 'job fails', pageMs: 2000 });
      const { uri, etag, bytes, ...list } = await listOf(body.id);
      expect(list).toEqual({ format });
      expect(uri).toMatch(new RegExp(`/stamp-catalogues/${body.id}/list.${format}$`));
      expect(await api.storage.head(uri)).toMatchObject({ etag, size: bytes });
      expect(String(await api.storage.getBytes(uri, { maxBytes: 1000 }))).toBe(stored);
      // Its plan is made of it: there are no items before that has found some.
      const items = await api.send('GET', `/v1/jobs/${body.id}/items`, ann);
      expect(await items.json()).toEqual({ items: [], nextPageToken: null });
      const taken = await submittedItems(api.records.db, body.id);
      expect(taken).toMatchObject({ stage: 'plan', length: 0, stageInput: { uri, etag, bytes } });
    },
  );

  test.each([
    ['before', true],
    ['behind', false],
  ])('in a form lies there, too; its options come %s it', async (_, before) => {
    const form = new FormData();
    const parameters = JSON.stringify({ bytes: 8, keep: false });
    if (before) form.append('parameters', parameters);
    form.append('file', new File([ndjson], 'positions.jsonl'));
    if (!before) form.append('parameters', parameters);
    const { status, body } = await sent(form, {});
    expect([status, body.input]).toMatchObject([202, { bytes: 8, keep: false }]);
    expect(await listOf(body.id)).toMatchObject({ format: 'ndjson', bytes: ndjson.length });
  });

  test('is one job with its Idempotency-Key, whatever brings it, and no other', async () => {
    const keyed = { 'idempotency-key': 'once' };
    const first = await sent(csv, { ...csvType, ...keyed }, '?bytes=8');
    const again = await Promise.all([
      sent(csv, { ...csvType, ...keyed }, '?bytes=8'),
      sent(formOf(csv, { parameters: '{"bytes":8}' }), keyed),
    ]);
    for (const { status, body } of again) expect([status, body.id]).toEqual([202, first.body.id]);
    const others = await Promise.all([
      sent(`${csv}c,5,6\n`, { ...csvType, ...keyed }, '?bytes=8'),
      sent(csv, { ...csvType, ...keyed }, '?bytes=9'),
      sent(csv, { 'content-type': 'application/x-ndjson', ...keyed }, '?bytes=8'),
    ]);
    for (const { status, body } of others)
      expect([status, body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(await left()).toEqual({ jobs: 1, objects: 1, uploads: 0 });
    // Somebody else's key is another one.
    expect((await sent(csv, { ...csvType, ...keyed }, '?bytes=8', bo)).body.id).not.toBe(first.body.id);
  });

  test('is one job of many requests at once, and one object', async () => {
    const headers = { ...csvType, 'idempotency-key': 'at-once' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => sent(csv, headers)));
    expect([...new Set(answers.map(({ status }) => status))]).toEqual([202]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await left()).toEqual({ jobs: 1, objects: 1, uploads: 0 });
  });

  test('without a byte is refused', async () => {
    const requests = [sent(''), sent('', { 'content-type': 'application/x-ndjson' }), sent(formOf(''), {})];
    for (const { status, body } of await Promise.all(requests))
      expect([status, body.code]).toEqual([422, 'empty_file']);
    expect(await left()).toEqual(nothing);
  });
});

const row = Buffer.from('a,1,2\n'.repeat(MB / 4 / 6 + 1));

function begin(headers: Record<string, string | number>): {
  sending: ClientRequest;
  answer: Promise<Answer>;
} {
  const sending = request(`${api.url}/v1/stamps`, {
    method: 'POST',
    headers: { authorization: ann, ...headers },
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    sending.on('error', reject).on('response', async (message) => {
      const text = (await message.toArray()).join('');
      resolve({ status: message.statusCode, body: JSON.parse(text) });
    });
  });
  // Of a request that is cut off nobody awaits it.
  answer.catch(() => {});
  return { sending, answer };
}

/** Sends about so many bytes, as fast as they are taken; ends early with the connection. */
async function write(
  sending: ClientRequest,
  bytes: number,
  onWritten: (bytes: number) => void = () => {},
): Promise<void> {
  const gone = once(sending, 'close').catch(() => {});
  for (let written = 0; written < bytes && !sending.destroyed; written += row.length) {
    onWritten(written);
    if (!sending.write(row)) await Promise.race([once(sending, 'drain'), gone]);
  }
}

const formHead = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n';

describe('a long list', () => {
  test.each([
    ['of a known length', { ...csvType, 'content-length': 20 * MB }, 'name,x,y\n'],
    ['in chunks', csvType, 'name,x,y\n'],
    ['in a form', { 'content-type': 'multipart/form-data; boundary=x' }, `${formHead}name,x,y\n`],
  ])('%s that is cut off in its middle leaves neither object nor job', async (_, headers, head) => {
    const { sending } = begin(headers);
    sending.write(head);
    await write(sending, 12 * MB);
    await expect.poll(left, { timeout: 60_000 }).toEqual({ jobs: 1, objects: 0, uploads: 1 });
    expect(await api.records.sql`select state from jobs`).toEqual([{ state: 'receiving' }]);
    sending.destroy();
    await expect.poll(left, { timeout: 60_000 }).toEqual(nothing);
  });

  test('that is announced to be too large is refused before it is sent', async () => {
    const receive = vi.spyOn(api.storage, 'uploadStream');
    try {
      const { sending, answer } = begin({ ...csvType, 'content-length': mostBytes + 1 });
      sending.flushHeaders();
      const { status, body } = await answer;
      expect([status, body.code]).toEqual([413, 'too_large']);
      expect(body.detail).toContain('LIMIT_PLAN_BYTES');
      expect(receive).not.toHaveBeenCalled();
      sending.destroy();
    } finally {
      receive.mockRestore();
    }
  });

  test.each([
    ['in chunks', csvType, 'name,x,y\n'],
    ['in a form', { 'content-type': 'multipart/form-data; boundary=x' }, `${formHead}name,x,y\n`],
  ])(
    '%s is refused at the first byte too many, which its sender gets to know, and leaves nothing',
    async (_, headers, head) => {
      const { sending, answer } = begin(headers);
      sending.write(head);
      const [{ status, body }] = await Promise.all([
        answer,
        write(sending, mostBytes + MB).then(() => sending.end()),
      ]);
      expect([status, body.code]).toEqual([413, 'too_large']);
      expect(await left()).toEqual(nothing);
    },
  );

  test('may come so slowly that the sweep would take it for one that has stopped', async () => {
    const { sending, answer } = begin(csvType);
    sending.write('name,x,y\n');
    const trickle = setInterval(() => sending.write('a,1,2\n'), 50);
    const keptSeconds = async (): Promise<number> => {
      const rows = await api.records.sql`
        select extract(epoch from updated_at - created_at)::float8 as seconds from jobs where state = 'receiving'`;
      return Number(rows[0]?.seconds ?? 0);
    };
    try {
      await expect.poll(keptSeconds, { timeout: 60_000 }).toBeGreaterThan(1);
    } finally {
      clearInterval(trickle);
    }
    sending.end();
    expect((await answer).status).toBe(202);
  });

  test('is read no faster than the store takes it', async () => {
    const goOn = Promise.withResolvers<void>();
    let taken = 0;
    const store = vi.spyOn(api.storage, 'uploadStream').mockImplementation(async (key, content) => {
      for await (const chunk of content) {
        taken += chunk.length;
        await goOn.promise;
      }
      return { uri: `s3://${api.storage.bucket}/${key}`, size: taken, sha256: 'x', etag: 'x' };
    });
    try {
      const { sending, answer } = begin(csvType);
      let written = 0;
      const writing = write(sending, mostBytes - MB, (bytes) => (written = bytes)).then(() => sending.end());
      await expect.poll(() => taken, { timeout: 60_000 }).toBeGreaterThan(0);
      // The client is held up, too: what it could send lies in the buffers of both sockets.
      let [before, equal] = [0, 0];
      const standsFor = (): number => {
        equal = written === before ? equal + 1 : 0;
        before = written;
        return equal;
      };
      // Looks that find the same: one alone may come while the machine has stalled.
      await expect.poll(standsFor, { interval: 200, timeout: 60_000 }).toBeGreaterThanOrEqual(3);
      expect(written - taken).toBeLessThan(mostBytes / 2);
      goOn.resolve();
      await writing;
      expect((await answer).status).toBe(202);
      expect(taken).toBeGreaterThan(mostBytes - 2 * MB);
    } finally {
      goOn.resolve();
      store.mockRestore();
    }
  });
});

describe('a request for a list', () => {
  test('of another type is told which are taken', async () => {
    const taken = 'Send application/json, text/csv, application/x-ndjson, multipart/form-data, not';
    for (const [type, text] of [
      ['text/plain', csv],
      ['text/tab-separated-values', csv],
      ['application/csv', csv],
    ] as const) {
      const { status, body } = await sent(text, { 'content-type': type });
      expect([status, body.code, body.detail]).toEqual([
        415,
        'unsupported_content_type',
        `${taken} ${type}.`,
      ]);
    }
    const latin = await sent(csv, { 'content-type': 'text/csv; charset=iso-8859-1' });
    expect([latin.status, latin.body.detail]).toEqual([415, 'Send text/csv in UTF-8, not iso-8859-1.']);
    // Routes without lists take none.
    const elsewhere = await api.send('POST', '/v1/uploads', ann, csv, csvType);
    expect(elsewhere.status).toBe(415);
    expect(await left()).toEqual(nothing);
  });

  test('in JSON that is too long for JSON is told what to send instead', async () => {
    const positions = Array.from({ length: 200 }, () => ({ name: 'a', x: 1, y: 2 }));
    const { status, body } = await sent(JSON.stringify({ positions }), {
      'content-type': 'application/json',
    });
    expect([status, body.code]).toEqual([413, 'payload_too_large']);
    expect(body.detail).toBe(
      'The body has more than 4000 bytes (LIMIT_JSON_BYTES); longer lists are taken as text/csv or application/x-ndjson.',
    );
  });

  test.each([
    ['?bytes=many', '/query/bytes'],
    ['?bytes=-1', '/query/bytes'],
    ['?bytes=8&bytes=9', '/query/bytes'],
    ['?colour=red', '/query/colour'],
    ['?constructor=1', '/query/constructor'],
    ['?__proto__=1', '/query/__proto__'],
  ])('with the query %s is refused by the name of the parameter', async (query, pointer) => {
    const { status, body } = await sent(csv, csvType, query);
    expect([status, body.code, body.errors?.[0]?.pointer]).toEqual([422, 'validation_failed', pointer]);
    expect(await left()).toEqual(nothing);
  });

  test.each([
    ['that is not named as a list', () => formOf(csv, { name: 'a.txt' }), 422],
    ['with options that are none', () => formOf(csv, { parameters: '{"bytes":-1}' }), 422],
    ['with options that are not JSON', () => formOf(csv, { parameters: 'bytes=1' }), 400],
    ['with a field that is not known', () => formOf(csv, { bytes: '1' }), 422],
    [
      'without a file',
      () => {
        const form = new FormData();
        form.append('parameters', '{}');
        return form;
      },
      422,
    ],
    [
      'with two files',
      () => {
        const form = formOf(csv);
        form.append('file', new File([csv], 'b.csv'));
        return form;
      },
      422,
    ],
  ])('in a form %s leaves nothing', async (_, form, expected) => {
    const { status } = await sent(form(), {});
    expect(status).toBe(expected);
    expect(await left()).toEqual(nothing);
  });

  test('in JSON, or a form, has its options there and not in the query', async () => {
    const json = JSON.stringify({ positions: [{ name: 'a', x: 1, y: 2 }] });
    for (const answer of [
      await sent(json, { 'content-type': 'application/json' }, '?bytes=8'),
      await sent(formOf(csv), {}, '?bytes=8'),
    ])
      expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([422, '/query/bytes']);
  });
});

describe('an upload', () => {
  async function uploaded(text: string, filename: string): Promise<string> {
    const { id, parts } = (await (
      await api.send('POST', '/v1/uploads', ann, { filename, bytes: text.length })
    ).json()) as { id: string; parts: { url: string }[] };
    await fetch(parts[0]!.url, { method: 'PUT', body: text });
    expect((await api.send('POST', `/v1/uploads/${id}/complete`, ann)).status).toBe(200);
    return id;
  }

  const named = (upload: string, key = ann, headers = {}) =>
    sent(JSON.stringify({ upload, bytes: 8 }), { 'content-type': 'application/json', ...headers }, '', key);

  test('becomes the list of one job, which keeps it', async () => {
    const upload = await uploaded(csv, 'positions.csv');
    const keyed = { 'idempotency-key': 'upload' };
    const { status, body } = await named(upload, ann, keyed);
    expect([status, body.input]).toMatchObject([202, { bytes: 8 }]);
    const { uri, etag, bytes, format } = await listOf(body.id);
    expect([format, bytes]).toEqual(['csv', csv.length]);
    expect(uri).toContain(`/stamp-catalogues/${body.id}/`);
    expect(String(await api.storage.getBytes(uri, { maxBytes: 1000, ifMatch: etag }))).toBe(csv);
    await expect(api.storage.list('uploads/').next()).resolves.toMatchObject({ done: true });
    // Though the upload is used up by now.
    expect((await named(upload, ann, keyed)).body.id).toBe(body.id);
    expect(await named(upload)).toMatchObject({ status: 409, body: { code: 'upload_used' } });
    expect(await left()).toEqual({ jobs: 1, objects: 1, uploads: 0 });
  });

  test('of somebody else is not to be found', async () => {
    const upload = await uploaded(csv, 'positions.csv');
    expect(await named(upload, bo)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await left()).toEqual(nothing);
    expect((await named(upload)).status).toBe(202);
  });

  test('that holds no list by its name, or is not complete, is refused and stays', async () => {
    const upload = await uploaded(csv, 'positions.fits');
    expect(await named(upload)).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
    const open = await api.send('POST', '/v1/uploads', ann, { filename: 'a.csv', bytes: 10 });
    const { id } = (await open.json()) as { id: string };
    expect(await named(id)).toMatchObject({ status: 409, body: { code: 'upload_incomplete' } });
    expect(await left()).toEqual(nothing);
    expect((await api.send('GET', `/v1/uploads/${upload}`, ann)).status).toBe(200);
  });
});

test('a list in the store is neither resumed nor run again by who may not read it any more', async () => {
  await api.storage.putBytes('surveys/a.csv', Buffer.from(csv), { contentType: 'text/csv' });
  const catalogue = `${grant.prefix}a.csv`;
  const { id } = (await sent(JSON.stringify({ catalogue }), { 'content-type': 'application/json' })).body;
  await api.send('POST', `/v1/jobs/${id}/cancel`, ann);
  const answers = () =>
    Promise.all(
      ['resume', 'rerun'].map(async (action) => {
        const answer = await api.send('POST', `/v1/jobs/${id}/${action}`, ann);
        return [answer.status, ((await answer.json()) as Answer['body']).code];
      }),
    );
  const refused = [403, 'source_not_granted'];
  const [withdrawn] = (api.config.grants as Grant[]).splice(0);
  expect(await answers()).toEqual([refused, refused]);
  (api.config.grants as Grant[]).push(withdrawn!);
  expect(await answers()).toEqual([
    [202, undefined],
    [202, undefined],
  ]);
});

test('the document tells of each way to send a list', async () => {
  const document = (await (await api.get('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { parameters: object[]; requestBody: { content: object } }>>;
  };
  expect(await new Validator().validate(structuredClone(document) as never)).toEqual({ valid: true });
  const { parameters, requestBody } = document.paths['/v1/stamps']!.post!;
  expect(Object.keys(requestBody.content)).toEqual([
    'application/json',
    'text/csv',
    'application/x-ndjson',
    'multipart/form-data',
  ]);
  expect(parameters).toContainEqual(expect.objectContaining({ name: 'bytes', in: 'query', required: false }));
});
