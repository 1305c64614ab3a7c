import { once } from 'node:events';
import { connect } from 'node:net';
import { problemKinds } from '@darkroom/contract';
import { Hono } from 'hono';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Api, ApiEnv } from '../context.ts';
import { jsonBody } from '../middleware/body.ts';
import { toProblem } from '../problems.ts';
import { startTestApi, type TestApi } from '../testing.ts';
import { listen } from './server.ts';

let api: TestApi;
let key: string;
let path: string;
beforeAll(async () => {
  api = await startTestApi({ LIMIT_JSON_BYTES: '2000' });
  key = (await api.key()).key;
  path = `/v1/jobs/${await api.job()}/cancel`;
}, 60_000);
afterAll(() => api?.close());

/** Asks with these headers and this body, see {@link exchange}. */
const raw = (headers: readonly string[], body = ''): Promise<string> =>
  exchange(
    `${[`POST ${path} HTTP/1.1`, 'host: x', `authorization: Bearer ${key}`, ...headers].join('\r\n')}\r\n\r\n${body}`,
  );

/** Writes `text` to a socket as it is, and reads until the connection ends or a JSON document does. */
async function exchange(text: string, port = api.port): Promise<string> {
  const until = /\r\n\r\n[\s\S]*\}$/;
  const socket = connect(port, '127.0.0.1');
  let got = '';
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`No answer in 5 s: ${got}`)), 5000);
    const end = (): void => {
      clearTimeout(late);
      resolve();
    };
    socket.on('data', (chunk) => {
      got += chunk;
      if (until.test(got)) end();
    });
    socket.on('close', end);
    socket.on('error', () => {});
    socket.write(text);
  });
  socket.destroy();
  return got;
}

const json = 'content-type: application/json';
const large = JSON.stringify({ reason: 'x'.repeat(3000) });
const chunked = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

test('a body over the limit is refused by its length before it is sent', async () => {
  const got = await raw([json, 'content-length: 1000000000']);
  expect(got).toMatch(/^HTTP\/1.1 413 [\s\S]*payload_too_large[\s\S]*LIMIT_JSON_BYTES/);
});

test('and by its bytes where no length is told', async () => {
  expect(await raw([json, 'transfer-encoding: chunked'], chunked(large))).toMatch(/^HTTP\/1.1 413 /);
});

test('the same for a body without a type', async () => {
  expect(await raw(['transfer-encoding: chunked'], chunked(large))).toMatch(/^HTTP\/1.1 413 /);
});

test('a length that lies does not get more in: what goes beyond is no request', async () => {
  const got = await raw([json, 'content-length: 2'], `{}${large}`);
  expect(got.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400']);
  expect(got).toContain('"code":"invalid_request"');
});

test('both a length and chunks are no HTTP, and that is told as a problem too', async () => {
  const got = await raw([json, 'content-length: 2', 'transfer-encoding: chunked'], chunked(large));
  expect(got).toMatch(/^HTTP\/1.1 400 [\s\S]*application\/problem\+json[\s\S]*"code":"invalid_request"/);
});

test('headers that are too large are told as that', async () => {
  const got = await exchange(
    `GET /status/health HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`,
  );
  expect(got).toMatch(
    /^HTTP\/1.1 431 Request Header Fields Too Large\r\n[\s\S]*application\/problem\+json[\s\S]*"code":"headers_too_large"/,
  );
});

test('headers that do not come are told as that', async () => {
  const server = await listen(api.app, { host: '127.0.0.1', port: 0, headersMs: 300 });
  try {
    const got = await exchange('GET /status/health HTTP/1.1\r\nhost: x\r\n', server.port);
    expect(got).toMatch(
      /^HTTP\/1.1 408 Request Timeout\r\n[\s\S]*application\/problem\+json[\s\S]*"code":"request_timeout"/,
    );
  } finally {
    await server.close(0);
  }
});

test('a body that does not come is told as that', async () => {
  const app = new Hono<ApiEnv>().use(jsonBody(1000, () => [], 200)).onError((error) => {
    const { code } = toProblem(error);
    return new Response(code, { status: problemKinds[code].status });
  });
  const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"re')) });
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' };
  const answer = await app.request('/', request as RequestInit);
  expect([answer.status, await answer.text()]).toEqual([408, 'request_timeout']);
});

test('nothing is written into an answer that is under way', async () => {
  const app = new Hono<ApiEnv>().post('/', () => {
    const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('begun')) });
    return new Response(body);
  });
  const server = await listen(app as Api, { host: '127.0.0.1', port: 0 });
  const socket = connect(server.port, '127.0.0.1');
  try {
    let got = '';
    const closed = once(socket, 'close');
    socket.on('data', (chunk) => {
      // What follows the body's first chunk is no chunk: an error of the parser while the answer goes out.
      if (!got.includes('begun') && String(chunk).includes('begun')) socket.write('no chunk\r\n');
      got += chunk;
    });
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n');
    await closed;
    expect(got.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200']);
  } finally {
    socket.destroy();
    await server.close(0);
  }
});

test('answers of a server that drains are the last of their connections, also what was asked before', async () => {
  const draining = new AbortController();
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const app = new Hono<ApiEnv>()
    .get('/slow', async (c) => {
      asked.resolve();
      await answered.promise;
      return c.text('slow');
    })
    .get('/', (c) => c.text('quick'));
  const server = await listen(app as Api, { host: '127.0.0.1', port: 0, draining: draining.signal });
  const at = `http://127.0.0.1:${server.port}`;
  const told = async (answer: Response) => [answer.headers.get('connection'), await answer.text()];
  try {
    expect(await told(await fetch(at))).toEqual(['keep-alive', 'quick']);
    const slow = fetch(`${at}/slow`);
    await asked.promise;
    draining.abort();
    expect(await told(await fetch(at))).toEqual(['close', 'quick']);
    answered.resolve();
    expect(await told(await slow)).toEqual(['close', 'slow']);
  } finally {
    await server.close(0);
  }
});

test('a chunked body within the limit is read', async () => {
  expect(await raw([json, 'transfer-encoding: chunked'], chunked('{"reason":"why not"}'))).toMatch(
    /^HTTP\/1.1 202 /,
  );
});

test('a body of no bytes is no body, whatever its type is said to be', async () => {
  expect(await raw([json, 'content-length: 0'])).toMatch(/^HTTP\/1.1 202 /);
  expect(await raw(['content-length: 0'])).toMatch(/^HTTP\/1.1 202 /);
});

test('a client that leaves in the middle of a body harms nobody', async () => {
  const socket = connect(api.port, '127.0.0.1');
  await new Promise((resolve) => {
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${key}\r\n${json}\r\ncontent-length: 100\r\n\r\n{"re`,
      resolve,
    );
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  socket.destroy();
  expect((await api.get('/status/health')).status).toBe(200);
});

test('the front door leads to the reference', async () => {
  const answer = await fetch(`${api.url}/`, { redirect: 'manual' });
  expect([answer.status, answer.headers.get('location')]).toEqual([302, '/docs']);
});

test('the reference page loads nothing from anywhere else', async () => {
  const fetched = async (at: string) => {
    const answer = await api.get(at);
    expect(answer.status, at).toBe(200);
    return { text: await answer.text(), policy: answer.headers.get('content-security-policy') ?? '' };
  };
  for (const at of ['/docs', '/docs/', '/docs/problems']) {
    const { text, policy } = await fetched(at);
    expect(text).not.toMatch(/(?:https?:)?\/\/[\w.-]+\.\w/);
    expect(text).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=/);
    const loaded = [...text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, address]) => address ?? '');
    expect(loaded.length).toBeGreaterThan(1);
    await Promise.all(loaded.map(fetched));
    // The bundle names addresses it never asks for; the policy holds the browser to that.
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|script-src[^;]*unsafe/);
  }
  const { text: start } = await fetched('/docs/start.js');
  expect(start).not.toMatch(/https?:/);
  expect(start).toContain('validatorUrl: null');
  const { text: css } = await fetched('/docs/swagger-ui.css');
  const external = [...css.matchAll(/url\(\s*(?!["']?data:)([^)]*)/g)].map(([, address]) => address);
  expect(external).toEqual([]);
  expect(css).not.toContain('@import');
});

test('no middleware makes a stream of an answer that is text: it would take twice the time', async () => {
  const read = vi.spyOn(ReadableStream.prototype, 'getReader');
  try {
    for (const asked of ['/v1/jobs', path.replace('/cancel', ''), '/v1/nothing', '/status/health']) {
      const got = await exchange(
        `GET ${asked} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\nx-request-id: mine\r\n\r\n`,
      );
      expect(got).toMatch(/\r\nx-request-id: mine\r\n/i);
    }
    expect(read).not.toHaveBeenCalled();
  } finally {
    read.mockRestore();
  }
});
