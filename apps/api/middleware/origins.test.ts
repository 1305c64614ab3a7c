import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '../testing.ts';

const page = 'https://viewer.example.org';

/** What a browser asks before a request that is not a plain one. */
const preflight = (origin: string, method: string, headers: string): RequestInit => ({
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': headers,
  },
});

const split = (value: string | null): string[] =>
  (value ?? '').split(/,\s*/).map((name) => name.toLowerCase());

describe('with origins', () => {
  let api: TestApi;
  let key: string;
  beforeAll(async () => {
    api = await startTestApi({ CORS_ORIGINS: `${page}, http://localhost:5173` });
    key = (await api.key()).key;
  }, 60_000);
  afterAll(() => api?.close());

  test('a preflight is answered without a key', async () => {
    const asked = preflight(page, 'POST', 'authorization,content-type,idempotency-key');
    const answer = await fetch(`${api.url}/v1/analysis`, asked);
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    expect(answer.headers.get('access-control-allow-origin')).toBe(page);
    expect(split(answer.headers.get('access-control-allow-methods'))).toEqual(
      expect.arrayContaining(['get', 'post', 'delete']),
    );
    expect(split(answer.headers.get('access-control-allow-headers'))).toEqual(
      expect.arrayContaining(['authorization', 'content-type', 'idempotency-key', 'range', 'last-event-id']),
    );
    expect(Number(answer.headers.get('access-control-max-age'))).toBeGreaterThan(0);
    expect(split(answer.headers.get('vary'))).toContain('origin');
  });

  test('an answer can be read by the page, with the headers it needs to go on', async () => {
    const id = await api.job();
    for (const path of [
      '/v1/jobs',
      `/v1/jobs/${id}`,
      `/v1/jobs/${id}/results`,
      '/v1/jobs/none',
      '/nothing',
    ]) {
      const answer = await api.get(path, key, { origin: page });
      await answer.body?.cancel();
      const told = { path, origin: answer.headers.get('access-control-allow-origin') };
      expect(told).toEqual({ path, origin: page });
      expect(split(answer.headers.get('vary'))).toContain('origin');
      expect(split(answer.headers.get('access-control-expose-headers'))).toEqual(
        expect.arrayContaining([
          'location',
          'link',
          'retry-after',
          'ratelimit',
          'etag',
          'content-range',
          'x-request-id',
        ]),
      );
    }
  });

  test('events too, and a refusal for want of a key', async () => {
    const id = await api.job();
    const events = await api.get(`/v1/jobs/${id}/events`, key, { origin: page });
    await events.body?.cancel();
    expect([events.status, events.headers.get('access-control-allow-origin')]).toEqual([200, page]);
    const refused = await api.get('/v1/jobs', '', { origin: page });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, page]);
  });

  test.each(['https://viewer.example.org.evil.test', 'http://viewer.example.org', 'null'])(
    'a page of %s may not, and is told where to ask',
    async (origin) => {
      const refused = await fetch(`${api.url}/v1/jobs`, preflight(origin, 'GET', 'authorization'));
      expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null]);
      expect(await refused.json()).toMatchObject({ code: 'origin_not_allowed' });
      const answer = await api.get('/v1/jobs', key, { origin });
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(split(answer.headers.get('vary'))).toContain('origin');
    },
  );

  test('nothing is allowed with credentials', async () => {
    const answers = await Promise.all([
      fetch(`${api.url}/v1/jobs`, preflight(page, 'GET', 'authorization')),
      api.get('/v1/jobs', key, { origin: page }),
    ]);
    for (const { headers } of answers) expect(headers.get('access-control-allow-credentials')).toBeNull();
  });

  test('an answer is as before to whoever is no page, but a cache tells the two apart', async () => {
    const answer = await api.get('/v1/jobs', key);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(split(answer.headers.get('vary'))).toContain('origin');
    // OPTIONS of somebody who is no page is no preflight.
    expect((await api.send('OPTIONS', '/v1/jobs', '')).status).toBe(401);
    expect((await api.send('OPTIONS', '/v1/jobs', key)).status).toBe(405);
  });
});

describe('without origins, and with all', () => {
  let closed: TestApi;
  let open: TestApi;
  beforeAll(async () => {
    [closed, open] = await Promise.all([startTestApi(), startTestApi({ CORS_ORIGINS: '*' })]);
  }, 60_000);
  afterAll(() => Promise.all([closed?.close(), open?.close()]));

  test('no page elsewhere may use it unless somebody says so', async () => {
    const refused = await fetch(`${closed.url}/v1/jobs`, preflight(page, 'GET', 'authorization'));
    expect(refused.status).toBe(403);
    const health = await closed.get('/status/health', '', { origin: page });
    expect([...health.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('`*` is every page, for ever the same answer', async () => {
    const answer = await open.get('/status/health', '', { origin: page });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(split(answer.headers.get('vary'))).not.toContain('origin');
    const asked = await fetch(`${open.url}/v1/jobs`, preflight(page, 'DELETE', 'authorization'));
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, '*']);
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
  });
});
