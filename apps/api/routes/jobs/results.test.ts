import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ManifestFile, ManifestIndex } from '@darkroom/contract';
import { finishJob } from '@darkroom/records';
import { attemptAt, claimItem, publishItem } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestApi, type TestApi } from '../../testing.ts';

let api: TestApi;
let key: string;
beforeAll(async () => {
  api = await startTestApi();
  key = (await api.key()).key;
}, 60_000);
afterAll(() => api?.close());

const contentType = 'application/octet-stream';

/** A file in the store; of some size that is told nowhere else. */
async function stored(id: string, path: string, known = true): Promise<Omit<ManifestFile, 'item'>> {
  const body = randomBytes(1000 + path.length);
  const { uri, sha256 } = await api.storage.putBytes(`recognition-results/${id}/${path}`, body, {
    contentType,
  });
  return { path, uri, bytes: body.length, sha256, ...(known && { crc32: crc32(body) }), contentType };
}

/** A job that has succeeded: two items with two files each, and two files of its own; as an older version left it, or as this one does. */
async function succeeded(older: false | 'whole' | 'parts' = false): Promise<string> {
  const { db } = api.records;
  const id = await api.job('ann', 2);
  const fence = await attemptAt(api.records, id, { stage: 'recognise' });
  const files: ManifestFile[] = [];
  for (const n of [1, 2]) {
    await claimItem(db, fence, 'recognise', n);
    const of = [await stored(id, `${n}.json`, !older), await stored(id, `${n}.jpg`, !older)];
    await publishItem(db, fence, 'recognise', n, { inputDigest: 'd', files: of, reached: 4 });
    files.push(...of.map((file) => ({ ...file, item: String(n) })));
  }
  const own = [await stored(id, 'coco.json', !older), await stored(id, 'results.csv', !older)];
  files.push(...own.map((file) => ({ ...file, item: null })));
  const home = `recognition-results/${id}/`;
  const top =
    older === 'parts'
      ? { job: id, kind: 'photo', total: files.length, parts: await putParts(home, files, 4) }
      : { job: id, kind: 'photo', files };
  const { uri } = await api.storage.putBytes(`${home}manifest.json`, Buffer.from(JSON.stringify(top)), {
    contentType,
  });
  const result = { manifest: uri, files: files.length };
  await finishJob(db, { jobId: id, run: 1, state: 'succeeded', result, ownFiles: own });
  if (older !== false) {
    await api.records.sql`delete from job_files where job_id = ${id}`;
    await api.records.sql`update jobs set files = null where id = ${id}`;
  }
  return id;
}

async function putParts(home: string, files: readonly ManifestFile[], perPart: number) {
  const parts: ManifestIndex['parts'] = [];
  for (let from = 0; from < files.length; from += perPart) {
    const lines = files.slice(from, from + perPart);
    const text = lines.map((file) => `${JSON.stringify(file)}\n`).join('');
    const { uri, size, sha256 } = await api.storage.putBytes(
      `${home}manifest/${from}.ndjson`,
      Buffer.from(text),
      { contentType },
    );
    parts.push({ uri, files: lines.length, bytes: size, sha256 });
  }
  return parts;
}

interface Page {
  readonly files: readonly { readonly path: string; readonly item: string | null; readonly bytes: number }[];
  readonly total: number;
  readonly nextPageToken: string | null;
}
const pageOf = async (id: string, size: number, token = '', of = '') =>
  (await (
    await api.get(`/v1/jobs/${id}/results?pageSize=${size}&pageToken=${token}${of}`, key)
  ).json()) as Page;

describe.each([
  ['of this version', false],
  ['of an older version, by its manifest', 'whole'],
  ['without files in the ledger, by a manifest in parts', 'parts'],
] as const)('the results of a job %s', (_, older) => {
  let id: string;
  beforeAll(async () => {
    id = await succeeded(older);
  });
  const paths = ['1.json', '1.jpg', '2.json', '2.jpg', 'coco.json', 'results.csv'];

  test.each([1, 2, 3, 5, 6, 100])('come in pages of %i, each file once', async (size) => {
    const seen: string[] = [];
    let token: string | null = '';
    while (token !== null) {
      const page: Page = await pageOf(id, size, token);
      expect(page.total).toBe(6);
      expect(page.files.length).toBeLessThanOrEqual(size);
      seen.push(...page.files.map(({ path }) => path));
      token = page.nextPageToken;
    }
    expect(seen).toEqual(paths);
  });

  test.each([1, 100])('of one item are had alone, in pages of %i', async (size) => {
    const of = async (item: string): Promise<string[]> => {
      const seen: string[] = [];
      for (let token: string | null = ''; token !== null; ) {
        const page: Page = await pageOf(id, size, token, `&item=${item}`);
        seen.push(...page.files.map(({ path }) => path));
        token = page.nextPageToken;
      }
      return seen;
    };
    expect(await of('2')).toEqual(['2.json', '2.jpg']);
    expect(await of('3')).toEqual([]);
    expect(await of('')).toEqual(['coco.json', 'results.csv']);
  });

  test('make one archive, whose length is known and of which any part may be asked for', async () => {
    const path = `/v1/jobs/${id}/results/archive`;
    const whole = await api.get(path, key);
    const bytes = Buffer.from(await whole.arrayBuffer());
    const etag = whole.headers.get('etag')!;
    expect(Number(whole.headers.get('content-length'))).toBe(bytes.length);
    expect(whole.headers.get('accept-ranges')).toBe('bytes');
    const head = await api.send('HEAD', path, key);
    expect([head.status, head.headers.get('content-length'), head.headers.get('etag')]).toEqual([
      200,
      String(bytes.length),
      etag,
    ]);

    const ofPart = await api.send('HEAD', path, key, undefined, { range: 'bytes=1500-2999' });
    expect([ofPart.status, ofPart.headers.get('content-length')]).toEqual([200, String(bytes.length)]);

    const part = await api.get(path, key, { range: 'bytes=1500-2999', 'if-range': etag });
    expect([part.status, part.headers.get('content-range'), part.headers.get('content-length')]).toEqual([
      206,
      `bytes 1500-2999/${bytes.length}`,
      '1500',
    ]);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(1500, 3000));
    const rest = await api.get(path, key, { range: `bytes=${bytes.length - 700}-` });
    expect(Buffer.from(await rest.arrayBuffer())).toEqual(bytes.subarray(-700));

    const other = await api.get(path, key, { range: 'bytes=1500-2999', 'if-range': '"other"' });
    expect([other.status, Buffer.from(await other.arrayBuffer()).equals(bytes)]).toEqual([200, true]);
    const behind = await api.get(path, key, { range: `bytes=${bytes.length}-` });
    expect([behind.status, behind.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`]);
    expect(await behind.json()).toMatchObject({ code: 'range_not_satisfiable' });
  });
});

test('a page token of the manifest opens no page of another job', async () => {
  const [one, two] = [await succeeded(), await succeeded()];
  const { nextPageToken } = await pageOf(one, 2);
  expect(await pageOf(two, 2, nextPageToken!)).toMatchObject({ code: 'invalid_page_token' });
});

describe('a file that lies in a pack', () => {
  const [first, second] = [randomBytes(500), randomBytes(700)];
  let id: string;
  let url: string;
  let sha256: string;
  beforeAll(async () => {
    const { db } = api.records;
    id = await api.job('ann', 1);
    const fence = await attemptAt(api.records, id, { stage: 'recognise' });
    const { uri } = await api.storage.putBytes(
      `recognition-results/${id}/packs/a`,
      Buffer.concat([first, second]),
      { contentType },
    );
    sha256 = createHash('sha256').update(second).digest('hex');
    const file = (path: string, body: Buffer, start: number) => ({
      path,
      uri,
      range: { start, length: body.length },
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
      crc32: crc32(body),
      contentType: 'image/png',
    });
    const files = [file('a/1.png', first, 0), file('a/2.png', second, 500)];
    await claimItem(db, fence, 'recognise', 1);
    await publishItem(db, fence, 'recognise', 1, { inputDigest: 'd', files, reached: 4 });
    await finishJob(db, { jobId: id, run: 1, state: 'succeeded', result: {}, ownFiles: [] });
    const page = z
      .object({ files: z.array(z.looseObject({ url: z.string(), range: z.unknown() })) })
      .parse(await (await api.get(`/v1/jobs/${id}/results`, key)).json());
    expect(page.files[1]!.range).toEqual({ start: 500, length: 700 });
    ({ url } = page.files[1]!);
  });
  const ask = (headers: Record<string, string> = {}, method = 'GET') => {
    const { pathname, search } = new URL(url);
    return api.send(method, pathname + search, '', undefined, headers);
  };

  test('is had by a link that needs no key, under its own name', async () => {
    const answer = await ask();
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(second);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-length': '700',
      'content-type': 'image/png',
      'accept-ranges': 'bytes',
      etag: `"${sha256}"`,
      'content-disposition': expect.stringContaining('filename="2.png"'),
    });
    const head = await ask({}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '700']);
  });

  test('is had in parts, none of which is a neighbour’s', async () => {
    const part = async (range: string): Promise<[number, string | null, Buffer]> => {
      const answer = await ask({ range });
      const { status, headers } = answer;
      return [status, headers.get('content-range'), Buffer.from(await answer.arrayBuffer())];
    };
    expect(await part('bytes=0-9')).toEqual([206, 'bytes 0-9/700', second.subarray(0, 10)]);
    expect(await part('bytes=690-100000')).toEqual([206, 'bytes 690-699/700', second.subarray(690)]);
    expect(await part('bytes=-5')).toEqual([206, 'bytes 695-699/700', second.subarray(695)]);
    expect((await part('bytes=700-')).slice(0, 2)).toEqual([416, 'bytes */700']);
  });

  test('is not sent again to whoever has it', async () => {
    expect((await ask({ 'if-none-match': `"other", "${sha256}"` })).status).toBe(304);
    expect((await ask({ 'if-none-match': '"other"' })).status).toBe(200);
  });

  test('is nobody else’s, and there is none beside it', async () => {
    const path = (number: number): string => `/v1/jobs/${id}/results/files/recognise/1/${number}`;
    expect((await api.get(path(2), key)).status).toBe(200);
    for (const number of [0, 3]) expect((await api.get(path(number), key)).status).toBe(404);
    expect((await api.get(path(2), (await api.key({ owner: 'bo' })).key)).status).toBe(404);
    // The signature is good for one of them alone.
    const signature = new URL(url).searchParams.get('signature');
    expect((await api.get(`${path(1)}?signature=${signature}`)).status).toBe(401);
  });

  test('goes into the archive as any other', async () => {
    const bytes = Buffer.from(await (await api.get(`/v1/jobs/${id}/results/archive`, key)).arrayBuffer());
    expect([bytes.includes(first), bytes.includes(second)]).toEqual([true, true]);
  });
});
