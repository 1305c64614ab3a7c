import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';
import { problemOf } from '@darkroom/contract';
import { finishJob, listJobs, markDispatched, takeExpired } from '@darkroom/records';
import { attemptAt, claimItem, failItem, publishItem } from '@darkroom/records/testing.ts';
import { alone } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiDeps } from '../../context.ts';
import { startTestApi, type TestApi } from '../../testing.ts';
import { createJobTexts } from './texts.ts';

let api: TestApi;
let key: string;
beforeAll(async () => {
  api = await startTestApi({ LIMIT_PAGE_SIZE: '20' });
  key = (await api.key()).key;
}, 60_000);
afterAll(() => api?.close());

const get = async <T>(path: string, by = key): Promise<T> => (await (await api.get(path, by)).json()) as T;

describe('the list', () => {
  interface Page {
    jobs: { id: string; state: string; createdAt: string }[];
    nextPageToken: string | null;
  }
  const everyPage = async (query: string, by: string): Promise<string[][]> => {
    const pages: string[][] = [];
    let token = '';
    do {
      const page = await get<Page>(`/v1/jobs?${query}&pageToken=${token}`, by);
      pages.push(page.jobs.map(({ id }) => id));
      token = page.nextPageToken ?? '';
    } while (token !== '');
    return pages;
  };

  test('goes through all jobs once, newest first, by page and by filter', async () => {
    const dora = (await api.key({ owner: 'dora' })).key;
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push(await api.job('dora'));
    ids.reverse();
    expect(await everyPage('pageSize=3', dora)).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)]);
    expect(await everyPage('pageSize=7', dora)).toEqual([ids]);

    await api.send('POST', `/v1/jobs/${ids[2]}/cancel`, dora);
    expect(await everyPage('state=cancelled', dora)).toEqual([[ids[2]]]);
    expect(await everyPage('kind=photo&state=queued&pageSize=2', dora)).toHaveLength(3);
    expect(await everyPage('kind=video', dora)).toEqual([[]]);

    const { jobs } = await get<Page>('/v1/jobs', dora);
    const middle = encodeURIComponent(jobs[3]?.createdAt ?? '');
    expect((await everyPage(`from=${middle}`, dora)).flat()).toContain(ids[3]);
    expect((await everyPage(`from=${middle}`, dora)).flat()).not.toContain(ids[6]);
    expect((await everyPage(`to=${middle}`, dora)).flat()).not.toContain(ids[0]);
  });

  test('a page size over the maximum is the maximum; one that is none is refused', async () => {
    const emil = (await api.key({ owner: 'emil' })).key;
    for (let i = 0; i < 22; i++) await api.job('emil');
    expect((await get<Page>('/v1/jobs?pageSize=10000', emil)).jobs).toHaveLength(20);
    for (const size of ['0', '-1', '1.5', 'many', '']) {
      expect((await api.get(`/v1/jobs?pageSize=${size}`, emil)).status, size).toBe(422);
    }
  });

  test('a page token is good for its filters and its caller alone', async () => {
    const fay = (await api.key({ owner: 'fay' })).key;
    await api.job('fay');
    await api.job('fay');
    const { nextPageToken: token } = await get<Page>('/v1/jobs?pageSize=1&state=queued', fay);
    const refused = async (query: string, by = fay) => {
      const answer = await api.get(`/v1/jobs?${query}`, by);
      return [answer.status, ((await answer.json()) as { code?: string }).code];
    };
    expect(await refused(`state=queued&pageToken=${token}`)).toEqual([200, undefined]);
    const bad = [400, 'invalid_page_token'];
    expect(await refused(`pageToken=${token}`)).toEqual(bad);
    expect(await refused(`state=failed&pageToken=${token}`)).toEqual(bad);
    expect(await refused(`state=queued&pageToken=${token}x`)).toEqual(bad);
    expect(await refused(`state=queued&pageToken=bm90aGluZw`)).toEqual(bad);
    expect(await refused(`state=queued&pageToken=${token}`, key)).toEqual(bad);
  });
});

describe('the documents of a list', () => {
  const asListed = async (by: string): Promise<unknown[]> =>
    (await get<{ jobs: unknown[] }>('/v1/jobs', by)).jobs;
  /** As `get` tells it, without its place in the queue and the links that are signed for the caller. */
  const asGot = async (id: string, by: string): Promise<unknown> => {
    const { links, queue, ...job } = await get<{ links: Record<string, string>; queue?: object }>(
      `/v1/jobs/${id}`,
      by,
    );
    expect(queue === undefined).toBe((job as unknown as { state: string }).state !== 'queued');
    const { live: _, archive: __, ...plain } = links;
    return { ...job, links: plain };
  };

  test('are those of now, however often the list was asked for', async () => {
    const gil = (await api.key({ owner: 'gil' })).key;
    const ids = [await api.job('gil'), await api.job('gil')].reverse();
    const inOrder = async () => [await asGot(ids[0]!, gil), await asGot(ids[1]!, gil)];
    const { sql } = api.records;
    const changes = [
      () => sql`select 1`,
      () => sql`update job_stages set attempts = 7, work_ms = 1200 where job_id = ${ids[0]} and ordinal = 1`,
      () => sql`update jobs set waiting = 'no_worker' where id = ${ids[1]}`,
      () => api.send('POST', `/v1/jobs/${ids[1]}/cancel`, gil),
    ];
    const texts = new Set<string>();
    for (const change of changes) {
      await change();
      expect(await asListed(gil)).toEqual(await inOrder());
      expect(await asListed(gil)).toEqual(await inOrder());
      texts.add(JSON.stringify(await asListed(gil)));
    }
    expect(texts.size).toBe(changes.length);
  });

  test('of a running job tell anew how long it takes', async () => {
    const ida = (await api.key({ owner: 'ida' })).key;
    const id = await api.job('ida');
    const { sql } = api.records;
    await sql`update jobs set state = 'running' where id = ${id}`;
    await sql`update job_stages set state = 'running', done = 1, total = 1000, started_at = now() - interval '10 seconds'
      where job_id = ${id} and ordinal = 0`;
    const eta = async () =>
      (await get<{ jobs: { progress: { etaSeconds: number } }[] }>('/v1/jobs', ida)).jobs[0]!.progress
        .etaSeconds;
    const before = await eta();
    // A second more of work a thousandth takes is a thousand seconds more.
    await expect.poll(eta, { timeout: 10_000 }).toBeGreaterThan(before + 100);
  });

  test('are whole where less than a page of them may be kept', async () => {
    await api.key({ owner: 'jan' });
    const ids = [await api.job('jan'), await api.job('jan'), await api.job('jan')].reverse();
    const textsOf = createJobTexts(4000);
    for (let i = 0; i < 3; i++) {
      const page = await listJobs(api.records.db, { owner: 'jan', limit: 10 });
      const texts = await textsOf({ records: api.records, config: api.config } as ApiDeps, page);
      expect(texts.map((text) => (JSON.parse(text) as { id: string }).id)).toEqual(ids);
    }
  });
});

describe('while Temporal is away', () => {
  const stateOf = async (id: string) => (await get<{ state: string }>(`/v1/jobs/${id}`)).state;

  test('a job that no engine was told of is cancelled at once, and again is the same', async () => {
    const id = await api.job();
    for (let i = 0; i < 2; i++) {
      const answer = await api.send('POST', `/v1/jobs/${id}/cancel`, key, { reason: 'Wrong photos.' });
      expect([answer.status, answer.headers.get('location')]).toEqual([202, `/v1/jobs/${id}`]);
      expect(await answer.json()).toMatchObject({ state: 'cancelled', cancelReason: 'Wrong photos.' });
    }
  });

  test('one that runs is cancelling, in some seconds', async () => {
    const id = await api.job();
    await markDispatched(api.records.db, id, 1);
    const began = performance.now();
    const answer = await api.send('POST', `/v1/jobs/${id}/cancel`, key);
    expect([answer.status, await stateOf(id)]).toEqual([202, 'cancelling']);
    expect(performance.now() - began).toBeLessThan(6000);
  });

  test('resume queues a failed job under the next run; one that runs is refused', async () => {
    const id = await api.job();
    expect((await api.send('POST', `/v1/jobs/${id}/resume`, key)).status).toBe(409);
    await finishJob(api.records.db, { jobId: id, run: 1, state: 'failed', problem: problemOf('outage', '') });
    const answer = await api.send('POST', `/v1/jobs/${id}/resume`, key);
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ state: 'queued', run: 2, problem: null });
  });

  test('rerun makes a job of the same source with changes, once per key', async () => {
    const id = await api.job('ann', 3);
    const rerun = (changes: object, headers = {}) =>
      api.send('POST', `/v1/jobs/${id}/rerun`, key, changes, headers);
    const once = { 'idempotency-key': 'again' };
    const first = (await (await rerun({ scoreThreshold: 0.9 }, once)).json()) as { id: string };
    expect(first).toMatchObject({
      state: 'queued',
      rerunOf: id,
      input: { scoreThreshold: 0.9, annotate: true },
    });
    expect(await (await rerun({ scoreThreshold: 0.9 }, once)).json()).toMatchObject({ id: first.id });
    expect((await rerun({ scoreThreshold: 0.8 }, once)).status).toBe(422);
    expect(await (await rerun({ scoreTreshold: 0.9 })).json()).toMatchObject({
      code: 'validation_failed',
      errors: [{ pointer: '/scoreTreshold' }],
    });
    expect((await get<{ items: unknown[] }>(`/v1/jobs/${first.id}/items`)).items).toHaveLength(3);
  });

  test('delete is accepted and the job is found no more, except to repeat it', async () => {
    const id = await api.job();
    expect((await api.send('DELETE', `/v1/jobs/${id}`, key)).status).toBe(202);
    expect((await api.get(`/v1/jobs/${id}`, key)).status).toBe(404);
    await api.dispatch.removal.removeObjects(id);
    await api.dispatch.removal.removeRows(id);
    expect((await api.send('DELETE', `/v1/jobs/${id}`, key)).status).toBe(204);
    expect((await api.send('DELETE', `/v1/jobs/${id}`, (await api.key({ owner: 'gus' })).key)).status).toBe(
      404,
    );
  });
});

describe('items and results', () => {
  const files = [
    { name: 'a.json', body: Buffer.from('{"a":1}') },
    { name: 'größe.bin', body: randomBytes(3_000_000) },
  ];
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

  /** A job of three items: one with files, one that failed, one untouched; it still runs. */
  async function worked(): Promise<string> {
    const id = await api.job('ann', 3);
    const { db } = api.records;
    const fence = await attemptAt(api.records, id, { stage: 'recognise' });
    await claimItem(db, fence, 'recognise', 1);
    const published = await Promise.all(
      files.map(async ({ name, body }) => {
        const { uri } = await api.storage.putBytes(`recognition-results/${id}/${name}`, body, {
          contentType: 'application/octet-stream',
        });
        return {
          path: `1/${name}`,
          uri,
          bytes: body.length,
          sha256: sha256(body),
          contentType: 'application/octet-stream',
        };
      }),
    );
    await publishItem(db, fence, 'recognise', 1, { inputDigest: 'd', files: published, reached: 4 });
    await claimItem(db, fence, 'recognise', 2);
    await failItem(db, fence, 'recognise', 2, problemOf('truncated_image', 'It ends after 7 bytes.'));
    return id;
  }
  const finish = (id: string) =>
    finishJob(api.records.db, { jobId: id, run: 1, state: 'failed', problem: problemOf('outage', '') });

  test('items tell what became of each', async () => {
    const id = await worked();
    const { items } = await get<{ items: unknown[] }>(`/v1/jobs/${id}/items`);
    expect(items).toMatchObject([
      { key: '1', state: 'succeeded', problem: null },
      { key: '2', state: 'failed', problem: { code: 'truncated_image', detail: 'It ends after 7 bytes.' } },
      { key: '3', state: 'pending' },
    ]);
    expect(await get(`/v1/jobs/${id}/items?state=failed`)).toMatchObject({ items: [{ key: '2' }] });
    const first = await get<{ nextPageToken: string }>(`/v1/jobs/${id}/items?pageSize=2`);
    expect(await get(`/v1/jobs/${id}/items?pageSize=2&pageToken=${first.nextPageToken}`)).toMatchObject({
      items: [{ key: '3' }],
      nextPageToken: null,
    });
  });

  test('items of one state are looked for among so many at a time, and not where a job that has succeeded has none', async () => {
    const id = await api.job('ann', 3);
    await api.records.sql`
      insert into job_items (job_id, stage, ordinal, key, input, state)
      select ${id}, 'recognise', n, n, '{}', case n when 25000 then 'failed' else 'succeeded' end
      from generate_series(4, 25000) as n`;
    const pages = async (state: string): Promise<string[][]> => {
      const found: string[][] = [];
      for (let token: string | null = ''; token !== null; ) {
        const page: { items: { key: string }[]; nextPageToken: string | null } = await get(
          `/v1/jobs/${id}/items?state=${state}&pageToken=${token}`,
        );
        found.push(page.items.map(({ key }) => key));
        token = page.nextPageToken;
      }
      return found;
    };
    expect(await pages('failed')).toEqual([[], [], ['25000']]);
    expect(await pages('running')).toEqual([[], [], []]);
    expect(await pages('pending')).toEqual([['1', '2', '3'], [], []]);
    // As the end of a job leaves it.
    await api.records.sql`update jobs set state = 'succeeded_with_warnings' where id = ${id}`;
    await api.records.sql`update job_stages set failed = 1 where job_id = ${id}`;
    expect(await pages('running')).toEqual([[]]);
    expect(await pages('failed')).toEqual([[], [], ['25000']]);
    await api.records.sql`update job_stages set failed = 0 where job_id = ${id}`;
    expect(await pages('failed')).toEqual([[]]);
  });

  test('there are none before the end, and none after their retention', async () => {
    const id = await worked();
    for (const path of ['results', 'results/archive']) {
      expect(await get(`/v1/jobs/${id}/${path}`)).toMatchObject({ code: 'results_not_ready', status: 409 });
    }
    await finish(id);
    await api.records.sql`update jobs set results_expire_at = now() where id = ${id}`;
    await takeExpired(api.records.db, id, new Date(Date.now() + 1000));
    for (const path of ['results', 'results/archive']) {
      expect(await get(`/v1/jobs/${id}/${path}`)).toMatchObject({ code: 'results_removed', status: 410 });
    }
  });

  test('a manifest with digests and links that give just those bytes', async () => {
    const id = await worked();
    await finish(id);
    interface Results {
      files: { path: string; url: string; sha256: string; bytes: number; item: string }[];
      total: number;
      archive: string;
      nextPageToken: string | null;
    }
    const results = await get<Results>(`/v1/jobs/${id}/results`);
    expect(results).toMatchObject({ total: 2, nextPageToken: null });
    for (const [i, { url, sha256: digest, bytes, item }] of results.files.entries()) {
      const body = Buffer.from(await (await fetch(url)).arrayBuffer());
      expect([bytes, digest, item]).toEqual([body.length, sha256(body), '1']);
      expect(body.equals(files[i]?.body ?? Buffer.alloc(0))).toBe(true);
    }
    const first = await get<Results>(`/v1/jobs/${id}/results?pageSize=1`);
    const second = await get<Results>(`/v1/jobs/${id}/results?pageSize=1&pageToken=${first.nextPageToken}`);
    expect([...first.files, ...second.files].map(({ path }) => path)).toEqual(
      results.files.map(({ path }) => path),
    );

    const { pathname, search } = new URL(results.archive);
    expect((await api.get(pathname + search)).status).toBe(200);
  });

  test('an archive holds the files, whole', async () => {
    const id = await worked();
    await finish(id);
    for (const path of ['results/archive']) {
      const answer = await api.get(`/v1/jobs/${id}/${path}`, key);
      expect(answer.headers.get('content-type')).toBe('application/zip');
      expect(answer.headers.get('content-disposition')).toContain(`${id}.zip`);
      const entries = readZip(Buffer.from(await answer.arrayBuffer()));
      expect(entries.map(({ name }) => name)).toEqual(files.map(({ name }) => `1/${name}`));
      for (const [i, { body }] of entries.entries()) expect(body.equals(files[i]?.body ?? body)).toBe(true);
    }
  });

  test('an archive whose object is gone breaks off, so that nobody takes it for whole', async () => {
    const id = await worked();
    await finish(id);
    await api.storage.remove([`recognition-results/${id}/größe.bin`], alone);
    const answer = await api.get(`/v1/jobs/${id}/results/archive`, key);
    await expect(answer.arrayBuffer()).rejects.toThrow();
  });

  test('a client that leaves in the middle of an archive leaves nothing open', async () => {
    const id = await worked();
    await finish(id);
    const socket = connect(api.port, '127.0.0.1');
    socket.write(`GET /v1/jobs/${id}/results/archive HTTP/1.1\r\nhost: x\r\nauthorization: ${key}\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.destroy();
    await expect
      .poll(async () =>
        (await api.accessLines()).filter(
          ({ jobId, route }) => jobId === id && String(route).endsWith('archive'),
        ),
      )
      .toHaveLength(1);
  });
});

/** Entries of a zip of stored files, by its central directory (APPNOTE 4.3.12), their CRC checked. */
function readZip(zip: Buffer): { name: string; body: Buffer }[] {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = zip.readUInt32LE(end + 16);
  return Array.from({ length: zip.readUInt16LE(end + 10) }, () => {
    const [method, crc, size] = [
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 16),
      zip.readUInt32LE(at + 24),
    ];
    const [nameBytes, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    const local = zip.readUInt32LE(at + 42);
    const name = zip.toString('utf8', at + 46, at + 46 + nameBytes);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const body = zip.subarray(start, start + size);
    expect([method, crc32(body)]).toEqual([0, crc]);
    at += 46 + nameBytes + extra + comment;
    return { name, body };
  });
}
