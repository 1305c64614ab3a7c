import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { createStorage, MIN_PART_BYTES, type Storage } from '../index.ts';

const page = 'https://viewer.example.org';
let s3: TestS3;
let storage: Storage;
beforeAll(async () => {
  s3 = await startS3();
  storage = createStorage({ ...s3, forcePathStyle: true });
});
afterAll(async () => {
  storage?.close();
  await s3?.stop();
});

const preflight = (url: string, method: string, origin = page): Promise<Response> =>
  fetch(url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'range' },
  });

const allowedTo = ({ headers }: Response): string | null => headers.get('access-control-allow-origin');

test('a page of an allowed origin reads by link and sends a part, and sees its ETag', async () => {
  await storage.allowOrigins([page, 'http://localhost:5173']);
  await storage.putBytes('a.txt', Buffer.from('0123456789'), { contentType: 'text/plain' });
  const link = await storage.linkTo('a.txt', { expiresInSeconds: 60 });
  expect(allowedTo(await preflight(link, 'GET'))).toBe(page);
  const read = await fetch(link, { headers: { origin: page, range: 'bytes=2-4' } });
  expect([read.status, await read.text(), allowedTo(read)]).toEqual([206, '234', page]);
  expect(read.headers.get('access-control-expose-headers')).toMatch(/content-range/i);

  const upload = await storage.beginDirectUpload('b', {
    size: MIN_PART_BYTES,
    contentType: 'text/plain',
    maxBytes: MIN_PART_BYTES,
  });
  const [part] = await storage.partLinks(upload, [1], { expiresInSeconds: 60 });
  expect(allowedTo(await preflight(part!.url, 'PUT'))).toBe(page);
  const sent = await fetch(part!.url, {
    method: 'PUT',
    headers: { origin: page },
    body: randomBytes(MIN_PART_BYTES),
  });
  expect([sent.status, allowedTo(sent)]).toEqual([200, page]);
  expect(sent.headers.get('access-control-expose-headers')).toMatch(/etag/i);
  expect(sent.headers.get('etag')).toBeTruthy();
});

test('a page elsewhere may not, and nobody once none is named', async () => {
  await storage.putBytes('a.txt', Buffer.from('x'), { contentType: 'text/plain' });
  const link = await storage.linkTo('a.txt', { expiresInSeconds: 60 });
  await storage.allowOrigins([page]);
  expect(allowedTo(await preflight(link, 'GET', 'https://elsewhere.test'))).toBeNull();
  expect(allowedTo(await preflight(link, 'GET'))).toBe(page);
  await storage.allowOrigins([]);
  await storage.allowOrigins([]);
  expect(allowedTo(await preflight(link, 'GET'))).toBeNull();
});

test('`*` is every page', async () => {
  await storage.allowOrigins(['*']);
  await storage.putBytes('a.txt', Buffer.from('x'), { contentType: 'text/plain' });
  const link = await storage.linkTo('a.txt', { expiresInSeconds: 60 });
  const read = await fetch(link, { headers: { origin: page } });
  expect(['*', page]).toContain(allowedTo(read));
});
