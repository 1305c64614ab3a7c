import { revokeKey } from '@darkroom/records';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from './testing.ts';

let api: TestApi;
const keys: Record<'owner' | 'other' | 'operator' | 'admin' | 'revoked', string> = {
  owner: '',
  other: '',
  operator: '',
  admin: '',
  revoked: '',
};

beforeAll(async () => {
  api = await startTestApi({ LIMIT_JSON_BYTES: '2000' });
  keys.owner = (await api.key()).key;
  keys.other = (await api.key({ owner: 'bob' })).key;
  keys.operator = (await api.key({ owner: 'olga', role: 'operator' })).key;
  keys.admin = (await api.key({ owner: 'ada', role: 'admin' })).key;
  const revoked = await api.key();
  await revokeKey(api.records.db, revoked.id);
  keys.revoked = revoked.key;
}, 60_000);
afterAll(() => api?.close());

interface Route {
  method: string;
  path: string;
  open: boolean;
}

/** Every route of the document; that is what the matrix goes over, so that a new one cannot be forgotten. */
async function routes(): Promise<Route[]> {
  const { paths } = (await (await api.get('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { security?: unknown[] }>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path,
      open: security?.length === 0,
    })),
  );
}

const ofAJob = ({ path }: Route): boolean => /\{(?:id|task_id)\}/.test(path) && !path.includes('/uploads/');

/** A file of an item; the job has none yet. */
const ofAFile = '{stage}/{ordinal}/{number}';

/** Asks for a job of ann's of its own, so that no request spoils the next one's. */
async function ask(
  { method, path }: Route,
  key: string,
): Promise<{ status: number; code: string | undefined }> {
  const id = path.includes('{') ? await api.job() : '';
  const answer = await api.send(
    method,
    path
      .replace(/\{(?:id|task_id)\}/, id)
      .replace('{segment_id}', '1')
      .replace(ofAFile, 'recognise/1/1'),
    key,
  );
  const text = answer.headers.get('content-type')?.startsWith('text/event-stream')
    ? await answer.body?.cancel().then(() => '')
    : await answer.text();
  const isProblem = answer.headers.get('content-type') === 'application/problem+json';
  return {
    status: answer.status,
    code: isProblem ? (JSON.parse(text ?? '') as { code: string }).code : undefined,
  };
}

describe('who may do what', () => {
  test('without a valid key nothing is told, on any route that needs one', async () => {
    const closed = (await routes()).filter((route) => !route.open);
    expect(closed.length).toBeGreaterThan(20);
    for (const key of ['', 'dk_wrong', keys.revoked]) {
      const answers = await Promise.all(closed.map(async (route) => ({ route, ...(await ask(route, key)) })));
      for (const { route, status, code } of answers) {
        // Under /v2 an error is what the Open Inference Protocol says: a text alone.
        const told = route.path.startsWith('/v2/') || route.path === '/v2' ? undefined : 'unauthorized';
        expect({ route, status, code }).toEqual({ route, status: 401, code: told });
      }
    }
    const answer = await api.get('/v1/jobs');
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  }, 60_000);

  test("another owner's job is not there, whatever is asked of it", async () => {
    const answers = await Promise.all(
      (await routes()).filter(ofAJob).map(async (route) => ({ route, ...(await ask(route, keys.other)) })),
    );
    expect(answers.length).toBeGreaterThan(15);
    for (const { route, status, code } of answers) {
      expect({ route, status, code }).toEqual({ route, status: 404, code: 'not_found' });
    }
  }, 60_000);

  test('the owner and an admin may do everything, an operator what keeps the platform going', async () => {
    const jobRoutes = (await routes()).filter(({ path }) => path.startsWith('/v1/jobs/'));
    const refused = (route: Route): boolean => route.method === 'DELETE' || route.path.endsWith('/rerun');
    await Promise.all(
      jobRoutes.map(async (route) => {
        const missing = route.path.endsWith(ofAFile) ? [404] : [];
        for (const key of [keys.owner, keys.admin]) {
          const { status } = await ask(route, key);
          expect([200, 202, 204, 409, ...missing], `${route.method} ${route.path}`).toContain(status);
        }
        const { status } = await ask(route, keys.operator);
        if (refused(route)) expect(status, `${route.method} ${route.path}`).toBe(403);
        else expect([200, 202, 409, ...missing], `${route.method} ${route.path}`).toContain(status);
      }),
    );
  }, 60_000);

  test('a list holds what is one’s own; an operator sees all, or one owner’s', async () => {
    const id = await api.job('carl');
    const carl = (await api.key({ owner: 'carl' })).key;
    const list = async (key: string, query = '') => {
      const { jobs } = (await (await api.get(`/v1/jobs${query}`, key)).json()) as {
        jobs: { id: string; owner: string }[];
      };
      return jobs;
    };
    expect(await list(carl)).toMatchObject([{ id }]);
    expect(await list(carl, '?owner=ann')).toMatchObject([{ id }]);
    expect(await list(keys.operator, '?owner=carl')).toMatchObject([{ id }]);
    expect(new Set((await list(keys.operator)).map(({ owner }) => owner))).toContain('ann');
  });

  test('a list begins no earlier than the calendar of Postgres', async () => {
    const { status } = await api.get('/v1/jobs?from=0000-01-01T00:00:00Z', keys.owner);
    expect([status, (await api.get('/v1/jobs?from=0001-01-01T00:00:00Z', keys.owner)).status]).toEqual([
      422, 200,
    ]);
  });

  test('the bare key is as good as Bearer', async () => {
    const answer = await fetch(`${api.url}/v1/jobs`, { headers: { authorization: keys.owner } });
    expect(answer.status).toBe(200);
  });

  test('health and documents need no key', async () => {
    expect(await (await api.get('/status/health')).json()).toEqual({ status: 'ready' });
    for (const path of ['/docs', '/docs/', '/openapi.json', '/docs/problems']) {
      expect((await api.get(path)).status).toBe(200);
    }
  });

  test('measures are for operators, wherever they ask from', async () => {
    const statuses = [];
    for (const key of ['', keys.owner, keys.operator]) statuses.push((await api.get('/metrics', key)).status);
    expect(statuses).toEqual([401, 403, 200]);
    const measures = await (await api.get('/metrics', keys.operator)).text();
    expect(measures).toContain('darkroom_http_seconds_bucket');
  });
});

describe('problems', () => {
  const problem = async (answer: Promise<Response>) => {
    const got = await answer;
    expect(got.headers.get('content-type')).toBe('application/problem+json');
    return (await got.json()) as Record<string, unknown>;
  };

  test('have the shape of RFC 9457, with trace id and a type that leads somewhere', async () => {
    const got = await problem(api.get('/v1/jobs?pageSize=0&colour=red', keys.owner));
    expect(got).toMatchObject({
      type: '/docs/problems#validation_failed',
      status: 422,
      code: 'validation_failed',
      fault: 'yours',
      retryable: false,
      instance: '/v1/jobs',
      traceId: expect.stringMatching(/^[\da-f]{32}$/),
    });
    const pointers = (got.errors as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers.sort()).toEqual(['/query/colour', '/query/pageSize']);
    const page = await (await api.get('/docs/problems')).text();
    expect(page).toContain('id="validation_failed"');
  });

  test('tell a wrong method from a wrong path', async () => {
    const wrong = await api.send('PUT', '/v1/jobs', keys.owner);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const ofAJob = await api.send('PUT', `/v1/jobs/${await api.job()}`, keys.owner);
    expect([ofAJob.status, ofAJob.headers.get('allow')]).toEqual([405, 'DELETE, GET, HEAD']);
    // Pages, which the OpenAPI document does not list.
    for (const path of ['/', '/docs', '/docs/problems', '/openapi.json'])
      expect((await api.send('POST', path, '')).status, path).toBe(405);
    expect(await problem(api.get('/nothing', keys.owner))).toMatchObject({ code: 'not_found' });
  });

  test('of a body: not JSON, unknown field, wrong type, too large', async () => {
    const cancel = async (body: unknown, headers?: Record<string, string>) => {
      const id = await api.job();
      const got = await problem(api.send('POST', `/v1/jobs/${id}/cancel`, keys.owner, body, headers));
      return [got.status, got.code];
    };
    expect(await cancel('{"reason":')).toEqual([400, 'invalid_request']);
    expect(await cancel({ reason: 'x', why: 'y' })).toEqual([422, 'validation_failed']);
    expect(await cancel({ reason: 7 })).toEqual([422, 'validation_failed']);
    // Temporal would refuse to tell the workflow of it.
    expect(await cancel({ reason: 'cut \ud83d' })).toEqual([422, 'validation_failed']);
    expect(await cancel('[]')).toEqual([422, 'validation_failed']);
    expect(await cancel('reason=x', { 'content-type': 'application/x-www-form-urlencoded' })).toEqual([
      415,
      'unsupported_content_type',
    ]);
    expect(await cancel({ reason: 'x'.repeat(3000) })).toEqual([413, 'payload_too_large']);
    expect(await cancel({ reason: 'x' }, { 'content-encoding': 'gzip' })).toEqual([
      415,
      'unsupported_content_type',
    ]);
  });

  test('of a form where none is taken: which type is', async () => {
    const form = new FormData();
    form.append('scoreThreshold', '0.2');
    const answer = fetch(`${api.url}/v1/jobs/${await api.job()}/rerun`, {
      method: 'POST',
      headers: { authorization: `Bearer ${keys.owner}` },
      body: form,
    });
    expect(await problem(answer)).toMatchObject({ status: 415, detail: 'Send application/json.' });
  });

  test('of an Idempotency-Key that no header can mean', async () => {
    const id = await api.job();
    for (const key of ['', 'a b', 'x'.repeat(256)]) {
      const got = await problem(
        api.send('POST', `/v1/jobs/${id}/rerun`, keys.owner, {}, { 'idempotency-key': key }),
      );
      expect(got).toMatchObject({ status: 422, errors: [{ pointer: '/header/idempotency-key' }] });
    }
  });

  test('ids that cannot be ids are not found, without a query', async () => {
    for (const id of ['x', '%00', '..%2f..%2fetc', `${'0'.repeat(4000)}`]) {
      expect((await api.get(`/v1/jobs/${id}`, keys.owner)).status).toBe(404);
    }
  });
});

test('the access log tells who asked for what, without secrets', async () => {
  const id = await api.job();
  await (await api.get(`/v1/jobs/${id}`, keys.owner)).text();
  await (await api.get(`/v1/jobs/${id}/events?signature=very-secret`)).text();
  await expect
    .poll(async () => (await api.accessLines()).filter(({ jobId }) => jobId === id))
    .toMatchObject([
      {
        who: 'ann',
        method: 'GET',
        route: '/v1/jobs/{id}',
        status: 200,
        traceId: expect.any(String),
        ms: expect.any(Number),
      },
    ]);
  expect(JSON.stringify(await api.accessLines())).not.toContain('very-secret');
});

test('readiness names each of the three, within its deadline, even while no key can be looked up', async () => {
  const ready = async () => {
    const began = performance.now();
    const answer = await api.get('/status/ready', keys.owner);
    expect(performance.now() - began).toBeLessThan(5000);
    return { code: answer.status, ...((await answer.json()) as Record<string, unknown>) };
  };
  expect(await ready()).toMatchObject({
    code: 503,
    temporal: { ready: false },
    postgres: { ready: true, ms: expect.any(Number) },
    s3: { ready: true },
  });
  await api.postgres.kill();
  try {
    const key = (await import('node:crypto')).randomUUID();
    const answer = await api.get('/status/ready', key);
    expect(await answer.json()).toMatchObject({ postgres: { ready: false }, s3: { ready: true } });
    const refused = await api.get('/v1/jobs', key);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
  } finally {
    await api.postgres.restart();
  }
  await expect.poll(ready, { timeout: 10_000 }).toMatchObject({ postgres: { ready: true } });
}, 40_000);
