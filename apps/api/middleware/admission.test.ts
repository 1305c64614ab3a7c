import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate as nextTurnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { appendLog, finishJob, getUpload } from '@darkroom/records';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiEnv } from '../context.ts';
import { startTestApi, type TestApi } from '../testing.ts';
import { createAdmission } from './admission.ts';
import type { TypesTaken } from './body.ts';

/** Resolves when this process' server has closed the connection that its next request comes by. */
const serverHangsUp = (): Promise<void> =>
  new Promise((resolve) => {
    const channel = 'http.server.request.start';
    const begun = (message: unknown): void => {
      unsubscribe(channel, begun);
      (message as { socket: Socket }).socket.once('close', () => resolve());
    };
    subscribe(channel, begun);
  });

describe('requests a second', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi({ LIMIT_REQUESTS_PER_SECOND: '0.01', LIMIT_REQUEST_BURST: '5' });
  }, 60_000);
  afterAll(() => api?.close());

  test('a key that has used up its own gets 429 with when to come again, and no other key does', async () => {
    const [ann, bo] = [(await api.key()).key, (await api.key({ owner: 'bo' })).key];
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await api.get('/v1/jobs', ann));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    expect(answers[0]?.headers.get('ratelimit-policy')).toBe('"requests";q=5;w=500');
    expect(answers[0]?.headers.get('ratelimit')).toBe('"requests";r=4;t=100');
    const refused = answers[5]!;
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(90);
    expect(refused.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited', fault: 'limit', retryable: true });
    // What is an error itself tells of the limit, too.
    const missing = await api.get('/v1/jobs/nothing', bo);
    expect([missing.status, missing.headers.get('ratelimit')]).toEqual([404, '"requests";r=4;t=100']);
  });

  test('keys that nobody knows are counted by address, and hold up no key that is known', async () => {
    const known = (await api.key({ owner: 'kim' })).key;
    expect((await api.get('/v1/jobs', known)).status).toBe(200);
    const guessed = await api.get('/v1/jobs', 'guess');
    expect([guessed.status, guessed.headers.get('ratelimit')]).toEqual([
      401,
      expect.stringMatching(/^"requests";r=\d;t=\d+$/),
    ]);
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await api.get('/v1/jobs', `guess-${i}`)).status);
    expect(statuses.at(-1)).toBe(429);
    expect((await api.get('/docs')).status).toBe(429);
    // A process whose probe is refused would be replaced.
    expect((await api.get('/status/health')).status).toBe(200);
    expect((await api.get('/v1/jobs', known)).status).toBe(200);
  });
});

describe('what is open at once', () => {
  let api: TestApi;
  let ann: string;
  let bo: string;
  beforeAll(async () => {
    api = await startTestApi({
      LIMIT_OPEN_REQUESTS: '4',
      LIMIT_EVENT_STREAMS: '2',
      LIMIT_ARCHIVES: '1',
      LIMIT_UPLOADING_REQUESTS: '1',
      LIMIT_OPEN_UPLOADS: '2',
      LIMIT_LOG_BYTES: String(64 * 1024 ** 2),
      CLIENT_IDLE_SECONDS: '1',
    });
    ann = (await api.key()).key;
    bo = (await api.key({ owner: 'bo' })).key;
  }, 60_000);
  afterAll(() => api?.close());

  const follow = async (path: string, key: string) => {
    const leave = new AbortController();
    const answer = await fetch(api.url + path, {
      headers: { authorization: `Bearer ${key}` },
      signal: leave.signal,
    });
    return { status: answer.status, answer, leave: () => leave.abort() };
  };
  /** A job of which a file is too large to lie in the buffers of a connection that nobody reads. */
  const finished = async (owner = 'ann'): Promise<string> => {
    const id = await api.job(owner);
    const body = Buffer.alloc(32 * 1024 ** 2);
    const contentType = 'application/octet-stream';
    const { uri, sha256 } = await api.storage.putBytes(`recognition-results/${id}/big`, body, {
      contentType,
    });
    const file = {
      path: 'big',
      uri,
      bytes: body.length,
      sha256,
      crc32: crc32(body),
      contentType,
      item: null,
    };
    await finishJob(api.records.db, { jobId: id, run: 1, state: 'succeeded', ownFiles: [file] });
    return id;
  };
  /** A request whose body never comes to its end; what it is answered. */
  const halfOpen = async (key: string): Promise<{ socket: Socket; answer: Promise<string> }> => {
    const socket = connect(api.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      `POST /v1/analysis HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: multipart/form-data; boundary=b\r\n` +
        'content-length: 100000\r\n\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n\xff\xd8\xff',
    );
    const answer = (async () => {
      let got = '';
      for await (const chunk of socket) {
        got += chunk;
        if (got.includes('}')) break;
      }
      return got;
    })();
    return { socket, answer };
  };
  const eventually = async <T>(ask: () => Promise<T>, fits: (value: T) => boolean): Promise<T> => {
    for (let i = 0; ; i++) {
      const value = await ask();
      if (fits(value) || i === 200) return value;
      await sleep(50);
    }
  };

  test('event streams: one too many is refused, and taken when another has left', async () => {
    const path = `/v1/jobs/${await api.job()}/events`;
    const open = [await follow(path, ann), await follow(path, ann)];
    const refused = await follow(path, ann);
    expect(refused.status).toBe(429);
    expect(refused.answer.headers.get('retry-after')).toBe('5');
    expect(await refused.answer.json()).toMatchObject({ code: 'too_many_open' });
    // Asking for a stream's head alone holds nothing.
    expect((await api.send('HEAD', path, ann)).status).toBe(429);
    open[0]?.leave();
    const again = await eventually(
      () => follow(path, ann),
      ({ status }) => status === 200,
    );
    expect(again.status).toBe(200);
    open[1]?.leave();
    again.leave();
    for (let i = 0; i < 4; i++) {
      const head = await eventually(
        () => api.send('HEAD', path, ann),
        ({ status }) => status === 200,
      );
      expect(head.status).toBe(200);
    }
  });

  test('archives: one too many is refused, and taken when another has been left', async () => {
    const path = `/v1/jobs/${await finished()}/results/archive`;
    const open = await follow(path, ann);
    expect(open.status).toBe(200);
    const refused = await follow(path, ann);
    expect([refused.status, refused.answer.headers.get('retry-after')]).toEqual([429, '5']);
    expect(await refused.answer.json()).toMatchObject({
      code: 'too_many_open',
      detail: expect.stringContaining('LIMIT_ARCHIVES'),
    });
    open.leave();
    const again = await eventually(
      () => follow(path, ann),
      ({ status }) => status === 200,
    );
    expect(again.status).toBe(200);
    again.leave();
  });

  test('requests of any kind: one too many is refused, and those of another key are not', async () => {
    const cal = (await api.key({ owner: 'cal' })).key;
    const path = `/v1/jobs/${await finished('cal')}/results/archive`;
    // Two streams, an archive and a file that is being sent: four requests.
    const streams = `/v1/jobs/${await api.job('cal')}/events`;
    const open = [await follow(streams, cal), await follow(streams, cal), await follow(path, cal)];
    expect(open.map(({ status }) => status)).toEqual([200, 200, 200]);
    const sending = await halfOpen(cal);
    // It is left before it has one.
    sending.answer.catch(() => {});
    const refused = await eventually(
      () => follow('/v1/jobs', cal),
      ({ status }) => status === 429,
    );
    expect(await refused.answer.json()).toMatchObject({
      code: 'too_many_open',
      detail: expect.stringContaining('LIMIT_OPEN_REQUESTS'),
    });
    expect((await follow('/v1/jobs', bo)).status).toBe(200);
    sending.socket.destroy();
    for (const { leave } of open) leave();
    const again = await eventually(
      () => follow('/v1/jobs', cal),
      ({ status }) => status === 200,
    );
    expect(again.status).toBe(200);
  });

  test.each(['text/csv', 'multipart/form-data; boundary=b'])(
    'requests that only claim to send %s wait for their turn, and those whose route takes it do not',
    async (type) => {
      const limits = { ...api.config, quotas: { ...api.config.quotas, workingRequests: 1 } };
      const taken: TypesTaken = (c) => (c.req.method === 'POST' ? [type.split(';')[0]!] : []);
      const { turn } = createAdmission(limits, taken, () => false);
      const entered: string[] = [];
      const leave = Promise.withResolvers<void>();
      const app = new Hono<ApiEnv>();
      app.use(turn);
      app.all('/', async (c) => {
        entered.push(c.req.method);
        await leave.promise;
        return c.text('');
      });
      const ask = (method: string) => app.request('/', { method, headers: { 'content-type': type } });
      const answers = [ask('GET'), ask('GET'), ask('POST')];
      await nextTurnOfTheLoop();
      expect(entered.toSorted()).toEqual(['GET', 'POST']);
      leave.resolve();
      await Promise.all(answers);
      expect(entered.at(-1)).toBe('GET');
    },
  );

  test('predictions: one lasts until its answer is taken, and who does not take it is cut off', async () => {
    const limits = { ...api.config, predictions: { ...api.config.predictions, queue: 1 } };
    const { middleware } = createAdmission(
      limits,
      () => ['text/csv'],
      () => true,
    );
    const app = new Hono<ApiEnv>();
    app.use(middleware);
    // More than lies in the buffers of a connection that nobody reads.
    app.post('/', (c) => c.body(new Uint8Array(32 * 1024 ** 2)));
    app.onError((error, c) => c.text(error.message, 429));
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const unread = await Promise.all(
      [1, 2].map(async () => {
        const socket = connect(port, '127.0.0.1');
        socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 0\r\n\r\n');
        await once(socket, 'readable');
        return socket;
      }),
    );
    const ask = async (): Promise<number> => {
      const headers = { 'content-type': 'text/csv' };
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers });
      await answer.arrayBuffer();
      return answer.status;
    };
    try {
      expect(await ask()).toBe(429);
      // CLIENT_IDLE_SECONDS, 1, ends one that nobody reads.
      expect(await eventually(ask, (status) => status === 200)).toBe(200);
    } finally {
      for (const socket of unread) socket.destroy();
      server.close();
    }
  });

  test('requests that send files: one too many is refused, and one that stops sending is ended', async () => {
    const first = await halfOpen(ann);
    await sleep(100);
    const second = await halfOpen(ann);
    expect(await second.answer).toMatch(/^HTTP\/1.1 429 [\s\S]*LIMIT_UPLOADING_REQUESTS/);
    const other = await halfOpen(bo);
    expect(await first.answer).toMatch(/^HTTP\/1.1 408 [\s\S]*Nothing of the body came in 1 s/);
    const third = await halfOpen(ann);
    expect(await third.answer).toContain('Nothing of the body came');
    expect(await other.answer).toContain('Nothing of the body came');
    for (const { socket } of [first, second, third, other]) socket.destroy();
  });

  test('a file that trickles in is ended as one that stops', async () => {
    const { socket, answer } = await halfOpen(ann);
    const drip = setInterval(() => socket.write('x'), 100);
    expect(await answer).toMatch(/^HTTP\/1.1 408 [\s\S]*Only \d+ bytes of the body came/);
    clearInterval(drip);
    socket.destroy();
  });

  test('uploads to the object store: as many open as said, however many are asked for at once', async () => {
    const ask = () => api.send('POST', '/v1/uploads', ann, { filename: 'a.tif', bytes: 100 });
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, 201, 429, 429]);
    const opened = answers.find(({ status }) => status === 201)!;
    const { id } = (await opened.json()) as { id: string };
    expect((await api.send('DELETE', `/v1/uploads/${id}`, ann)).status).toBe(204);
    expect((await getUpload(api.records.db, id))?.state).toBe('removed');
    expect([(await ask()).status, (await ask()).status]).toEqual([201, 429]);
  });

  test('a client that does not read its stream is cut off, and what waits for it stays small', async () => {
    const id = await api.job('ann', 1);
    const line = { jobId: id, run: 1, level: 'info', line: 'x'.repeat(7000) };
    for (let i = 0; i < 4; i++)
      await appendLog(api.records.db, Array<typeof line>(1000).fill(line), 64 * 1024 ** 2);
    const socket = connect(api.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    const closed = once(socket, 'close');
    const hungUp = serverHangsUp();
    socket.write(
      `GET /v1/jobs/${id}/log?follow=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ann}\r\n\r\n`,
    );
    await hungUp;
    // What was under way comes, then the end.
    socket.resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(27 * 1024 ** 2);
  });
});
