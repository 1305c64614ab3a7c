import { randomBytes } from 'node:crypto';
import type { Grant } from '@darkroom/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

const jpeg = (): Buffer => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(1996)]);

let api: TestApi;
let ann: string;
const grant: Grant = { group: 'lab', prefix: 's3://darkroom-test/samples/', access: 'read' };
beforeAll(async () => {
  api = await startTestApi({ DARKROOM_GRANTS: JSON.stringify([grant]) }, engineAway);
  ann = (await api.key({ owner: 'ann', group: 'lab' })).key;
}, 60_000);
afterAll(() => api?.close());

const grants = (): Grant[] => api.config.grants as Grant[];
const withdraw = (): void => void grants().splice(0);

async function submitted(key: string, bytes: Buffer): Promise<string> {
  await api.storage.putBytes(key, bytes, { contentType: 'text/html' });
  const reply = await api.send('POST', '/analysis', ann, { source: `s3://${api.storage.bucket}/${key}` });
  return ((await reply.json()) as { task_id: string }).task_id;
}

async function linkTo(id: string): Promise<URL> {
  const reply = await api.get(`/analysis/${id}/segments/1`, ann);
  const { links } = (await reply.json()) as { links: { source: string } };
  return new URL(links.source);
}

const follow = (link: URL) => fetch(`${api.url}${link.pathname}${link.search}`);
const codeOf = async (reply: Response) => ((await reply.json()) as { code: string }).code;

it('a granted photo is read through the API, as what it was when it was submitted', async () => {
  const bytes = jpeg();
  const link = await linkTo(await submitted('samples/read.jpg', bytes));
  const reply = await follow(link);
  expect(reply.status).toBe(200);
  expect(Buffer.from(await reply.arrayBuffer())).toEqual(bytes);
  // Told by content: what the store says may be a page.
  expect(reply.headers.get('content-type')).toBe('image/jpeg');
  expect(reply.headers.get('content-disposition')).toContain('inline');
  // A page served elsewhere may show it, as it may those in the store.
  expect(reply.headers.get('cross-origin-resource-policy')).toBe('cross-origin');
  await api.storage.putBytes('samples/read.jpg', jpeg(), { contentType: 'image/jpeg' });
  expect(await codeOf(await follow(link))).toBe('source_changed');
});

it('an uploaded photo has a link to its object, which no grant decides', async () => {
  const form = new FormData();
  form.append('file', new Blob([new Uint8Array(jpeg())]), 'a.jpg');
  const headers = { authorization: `Bearer ${ann}` };
  const reply = await fetch(`${api.url}/analysis`, { method: 'POST', body: form, headers });
  const { task_id } = (await reply.json()) as { task_id: string };
  const link = await linkTo(task_id);
  expect(link.searchParams.has('X-Amz-Signature')).toBe(true);
  expect((await fetch(link)).status).toBe(200);
});

it('a grant that is withdrawn ends links, rerun and resume, and comes back with the grant', async () => {
  const id = await submitted('samples/withdrawn.jpg', jpeg());
  const link = await linkTo(id);
  expect((await follow(link)).status).toBe(200);
  await api.send('POST', `/v1/jobs/${id}/cancel`, ann);
  withdraw();
  const refused = await follow(link);
  expect([refused.status, await codeOf(refused)]).toEqual([403, 'source_not_granted']);
  for (const action of ['resume', 'rerun']) {
    const reply = await api.send('POST', `/v1/jobs/${id}/${action}`, ann);
    expect([action, reply.status, await codeOf(reply)]).toEqual([action, 403, 'source_not_granted']);
  }
  expect(await (await api.get(`/v1/jobs/${id}`, ann)).json()).toMatchObject({ state: 'cancelled', run: 1 });
  grants().push(grant);
  expect((await follow(link)).status).toBe(200);
  expect((await api.send('POST', `/v1/jobs/${id}/rerun`, ann)).status).toBe(202);
  expect((await api.send('POST', `/v1/jobs/${id}/resume`, ann)).status).toBe(202);
});
