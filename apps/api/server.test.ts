import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from './testing.ts';

let api: TestApi;
let key: string;
let path: string;
beforeAll(async () => {
  api = await startTestApi({ LIMIT_JSON_BYTES: '2000' });
  key = (await api.key()).key;
  path = `/v1/jobs/${await api.job()}/cancel`;
}, 60_000);
afterAll(() => api?.close());

/** Writes `lines` and `body` to a socket as they are, and reads until the connection ends or `until` matches. */
async function raw(headers: readonly string[], body = '', until = /\r\n\r\n[\s\S]*\}$/): Promise<string> {
  const socket = connect(api.port, '127.0.0.1');
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
    socket.write(
      `${[`POST ${path} HTTP/1.1`, 'host: x', `authorization: Bearer ${key}`, ...headers].join('\r\n')}\r\n\r\n${body}`,
    );
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

test('the document: every operation has an id of its own, tags, a summary; every error is a problem', async () => {
  const document = (await (await api.get('/openapi.json')).json()) as {
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
  };
  interface Operation {
    operationId?: string;
    tags?: string[];
    summary?: string;
    responses: Record<string, { content?: Record<string, { examples?: object }> }>;
  }
  expect(document.openapi).toBe('3.1.0');
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  for (const { operationId, tags, summary, responses } of operations) {
    expect([operationId, tags?.length, summary?.length]).toEqual([expect.any(String), 1, expect.any(Number)]);
    for (const [status, { content = {} }] of Object.entries(responses)) {
      if (Number(status) < 400 || (operationId === 'ready' && status === '503')) continue;
      expect(Object.keys(content), `${operationId} ${status}`).toEqual(['application/problem+json']);
      expect(content['application/problem+json']?.examples, `${operationId} ${status}`).toBeDefined();
    }
  }
});
