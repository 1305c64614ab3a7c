import { hash } from 'node:crypto';
import { join } from 'node:path';
import { createKey } from '@darkroom/records';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { makeSkySamples, putSkySamples } from '../../apps/local/stack/sky.ts';
import { failpoints, type Platform, readJournal, startPlatform } from '../faults/platform.ts';
import { ApiUser } from '../harness/user.ts';

/** Cutouts of many positions whose files are stored as packs, on the real parts, beside the same as objects of their own. */

let platform: Platform;
let ada: ApiUser;
const queues = { DARKROOM_QUEUES: 'light,sky,sky-mosaic' };

beforeAll(async () => {
  platform = await startPlatform('cutout packs', { BATCH_NICE: '0' });
  const { stack, records } = platform;
  const made = await makeSkySamples(stack.home, { tile: 120 });
  await putSkySamples(made, stack.stack, stack.home);
  const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
  ada = new ApiUser(platform.api.url, key);
}, 300_000);
afterAll(() => platform?.close());

/** On a spiral of half an arcminute; the last one is where the tenth is. */
const rows = Array.from({ length: 150 }, (_, i) => {
  const n = i === 149 ? 9 : i;
  const [radius, angle] = [(22 / 3600) * Math.sqrt(n / 150), 2.4 * n];
  const ra = 150.1 + (radius * Math.cos(angle)) / Math.cos((2.2 * Math.PI) / 180);
  return `A${i + 1},${ra.toFixed(6)},${(2.2 + radius * Math.sin(angle)).toFixed(6)}`;
});
const csv = ['id,ra,dec', ...rows, ''].join('\n');

async function asked(pack: boolean): Promise<string> {
  const query = new URLSearchParams({
    survey: 'sample-coadd',
    bands: 'r',
    size: '12px',
    pack: String(pack),
  });
  const headers = { 'content-type': 'text/csv' };
  const reply = await ada.call(`/v1/cutouts?${query}`, { method: 'POST', headers, body: csv });
  const body: unknown = await reply.json();
  expect(reply.status, JSON.stringify(body)).toBe(202);
  return z.object({ id: z.string() }).parse(body).id;
}

const results = z.object({
  files: z.array(
    z.object({
      path: z.string(),
      uri: z.string(),
      url: z.string(),
      sha256: z.string(),
      range: z.unknown().optional(),
      item: z.string().nullable(),
    }),
  ),
  archive: z.string(),
});
const resultsOf = async (id: string) =>
  results.parse(await (await ada.call(`/v1/jobs/${id}/results?pageSize=1000`)).json());
const keysOf = (id: string) => keysUnder(platform.storage, `cutouts/${id}/`);
const bytesAt = async (url: string): Promise<Buffer> => Buffer.from(await (await fetch(url)).arrayBuffer());

test('a worker that dies between a pack and its rows leaves the same files as there are without packs', async () => {
  const journal = join(platform.stack.home, 'packs.journal');
  const packed = await asked(true);
  const plan = failpoints({ journal, points: { 'pack.written': { kill: 1, times: 1 } } });
  const dying = await platform.stack.startWorker({ ...queues, ...plan });
  expect(await dying.ended).toBe('SIGKILL');
  expect(await readJournal(journal)).toHaveLength(1);
  await platform.stack.startWorker({ ...queues, ...plan });
  const plain = await asked(false);
  expect(await ada.ended(packed)).toMatchObject({ state: 'succeeded', problem: null });
  expect(await ada.ended(plain)).toMatchObject({ state: 'succeeded', problem: null });

  const [of, ofPlain] = [await resultsOf(packed), await resultsOf(plain)];
  const made = of.files.filter(({ item }) => item !== null);
  const digests = ({ files }: z.infer<typeof results>) =>
    new Map(files.filter(({ item }) => item !== null).map(({ path, sha256 }) => [path, sha256]));
  expect(digests(of).size).toBe(150);
  expect(digests(of)).toEqual(digests(ofPlain));
  expect(ofPlain.files.every(({ range }) => range === undefined)).toBe(true);
  expect(made.every(({ range }) => range !== undefined)).toBe(true);
  // No pack is left that nothing names: that of the worker which died is one of them, or gone.
  const packs = (await keysOf(packed)).filter((key) => key.includes('/packs/'));
  const named = new Set(made.map(({ uri }) => uri));
  expect(packs.map((key) => `s3://${platform.storage.bucket}/${key}`).sort()).toEqual([...named].sort());
  expect(packs.length).toBeLessThan(75);

  for (const { url, sha256 } of [...made.slice(0, 10), ...made.slice(-5)])
    expect(hash('sha256', await bytesAt(url))).toBe(sha256);
  const manifest = of.files.find(({ path }) => path === 'manifest.csv')!;
  expect(await bytesAt(manifest.url)).toEqual(
    await bytesAt(ofPlain.files.find(({ path }) => path === 'manifest.csv')!.url),
  );
  const archive = await bytesAt(of.archive);
  expect(archive.length).toBe((await bytesAt(ofPlain.archive)).length);
  for (const { url } of made.slice(0, 5)) expect(archive.includes(await bytesAt(url))).toBe(true);

  expect((await ada.call(`/v1/jobs/${packed}`, { method: 'DELETE' })).ok).toBe(true);
  await expect.poll(() => keysOf(packed), { timeout: 60_000 }).toEqual([]);
}, 300_000);
