import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CutoutResult, cutoutResult, cutoutsSummary, type Job } from '@darkroom/contract';
import { createKey } from '@darkroom/records';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { sampleBucket } from '../../apps/local/stack/samples.ts';
import { makeSkySamples, putSkySamples } from '../../apps/local/stack/sky.ts';
import { failpoints, type Platform, startPlatform, until } from '../faults/platform.ts';
import type { TestProcess } from '../harness/process.ts';
import { pythonTools } from '../harness/python.ts';
import { ApiUser } from '../harness/user.ts';

/** Cutouts of many positions of the two surveys of samples, over HTTP, on the real parts: listed, made, fetched, cancelled, run again, removed. */

let platform: Platform;
let worker: TestProcess;
let ada: ApiUser;
let key: string;
/** Of one cutout's file: a job may have larger ones. */
const largest = 60_000;

const queues = 'light,sky,sky-mosaic,sky-realtime';

beforeAll(async () => {
  platform = await startPlatform('cutout jobs', {
    CUTOUT_DEADLINE_SECONDS: '60',
    LIMIT_CUTOUT_BYTES: String(largest),
    BATCH_NICE: '0',
  });
  const { stack, records } = platform;
  const made = await makeSkySamples(stack.home, { tile: 120 });
  await putSkySamples(made, stack.stack, stack.home);
  worker = await stack.startWorker({ DARKROOM_QUEUES: queues });
  ({ key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 }));
  ada = new ApiUser(platform.api.url, key);
}, 300_000);
afterAll(() => platform?.close());

const centre = { ra: 150.1, dec: 2.2 };
const arcsec = 1 / 3600;

interface Position {
  readonly id: string;
  readonly ra: string;
  readonly dec: string;
}

/** Positions on a spiral of half an arcminute, all of them on both surveys. */
const positions = (count: number): Position[] =>
  Array.from({ length: count }, (_, i) => {
    const [radius, angle] = [22 * arcsec * Math.sqrt(i / count), 2.4 * i];
    return {
      id: `A ${i + 1}`,
      ra: (centre.ra + (radius * Math.cos(angle)) / Math.cos((centre.dec * Math.PI) / 180)).toFixed(6),
      dec: (centre.dec + radius * Math.sin(angle)).toFixed(6),
    };
  });

const csvOf = (rows: readonly Position[]): string =>
  ['Name,RAJ2000,DEJ2000,mag', ...rows.map(({ id, ra, dec }) => `${id},${ra},${dec},21`), ''].join('\n');

async function submitted(answer: Promise<Response>): Promise<Job> {
  const reply = await answer;
  const body: unknown = await reply.json();
  expect(reply.status, JSON.stringify(body)).toBe(202);
  const job = body as Job;
  expect(reply.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
  return job;
}

/** A list as the file of a form. */
function sent(parameters: object, csv: string): Promise<Job> {
  const form = new FormData();
  form.append('parameters', JSON.stringify(parameters));
  form.append('file', new File([csv], 'targets.csv'));
  return submitted(ada.call('/v1/cutouts', { method: 'POST', body: form }));
}

const page = z.object({
  files: z.array(z.object({ path: z.string(), url: z.string(), bytes: z.int(), sha256: z.string() })),
  total: z.int(),
  archive: z.string(),
  nextPageToken: z.string().nullable(),
});
type File1 = z.infer<typeof page>['files'][number];

async function filesOf(id: string): Promise<{ files: Map<string, File1>; archive: string }> {
  const files = new Map<string, File1>();
  for (let token: string | null = ''; ; ) {
    const query = token === '' ? '' : `&pageToken=${encodeURIComponent(token)}`;
    const read = page.parse(await (await ada.call(`/v1/jobs/${id}/results?pageSize=1000${query}`)).json());
    for (const file of read.files) files.set(file.path, file);
    token = read.nextPageToken;
    if (token === null) {
      expect(files.size).toBe(read.total);
      return { files, archive: read.archive };
    }
  }
}

const bytesAt = async (url: string): Promise<Buffer> => Buffer.from(await (await fetch(url)).arrayBuffer());
const shaOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function resultsOf(id: string): Promise<CutoutResult[]> {
  const { files } = await filesOf(id);
  const text = (await bytesAt(files.get('manifest.json')?.url ?? '')).toString();
  return z.array(cutoutResult).parse(JSON.parse(text));
}

/** Names in the central directory of a zip. */
function namesIn(zip: Buffer): string[] {
  const names: string[] = [];
  for (let at = zip.indexOf('PK\u0001\u0002'); at !== -1; at = zip.indexOf('PK\u0001\u0002', at + 46)) {
    const length = zip.readUInt16LE(at + 28);
    names.push(zip.subarray(at + 46, at + 46 + length).toString());
  }
  return names;
}

describe('two hundred positions by CSV, with a set of each survey', () => {
  const rows = positions(200);
  const sets = [
    { survey: 'sample-coadd', bands: 'r', size: '12px' },
    { survey: 'sample-bricks', bands: 'g', size: '4arcsec', format: 'png' },
  ];
  /** By row, from 1: as they stand there, and what is odd about them. */
  const [sameId, samePlace, broken, far] = [20, 30, 40, 50];
  const given = rows.map((row, i): Position => {
    if (i + 1 === sameId) return { ...row, id: rows[9]!.id };
    if (i + 1 === samePlace) return { ...row, ra: rows[9]!.ra, dec: rows[9]!.dec };
    if (i + 1 === broken) return { ...row, ra: 'unknown' };
    if (i + 1 === far) return { ...row, dec: '-70' };
    if (i + 1 === 60) return { ...row, id: '../../Größe: 1′/2″' };
    return row;
  });
  let job: Job;
  let results: CutoutResult[];
  let listed: Awaited<ReturnType<typeof filesOf>>;
  const at = (row: number, set = 0) => results.find((one) => one.row === row && one.set === set);

  test('come to a row each of the manifest, in the order of the list, those that failed too', async () => {
    const asked = await sent({ survey: 'sample-coadd', sets, onError: 'skip' }, csvOf(given));
    expect(asked).toMatchObject({
      kind: 'cutouts',
      estimate: { expected: { cutouts: 398, bytes: expect.any(Number) } },
    });
    job = await ada.ended(asked.id);
    expect(job).toMatchObject({
      state: 'succeeded_with_warnings',
      problem: null,
      size: { cutouts: expect.any(Number), bytes: expect.any(Number) },
      progress: { percent: 100 },
    });
    listed = await filesOf(job.id);
    results = await resultsOf(job.id);
    const places = results.map(({ row, set }) => row * 10 + set);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(new Set(results.map(({ row }) => row)).size).toBe(200);
    expect(results.filter(({ status }) => status === 'failed').map(({ row }) => row)).toEqual(
      expect.arrayContaining([broken, far, far]),
    );
    expect(results.filter(({ status }) => status === 'succeeded')).toHaveLength(2 * 198);
    expect(at(broken)).toMatchObject({
      id: rows[broken - 1]!.id,
      ra: null,
      file: null,
      problem: { code: 'invalid_row' },
    });
    for (const set of [0, 1])
      expect(at(far, set)).toMatchObject({
        status: 'failed',
        dec: -70,
        problem: { code: 'no_coverage', detail: expect.stringContaining(sets[set]!.survey) },
      });
    expect(at(1)).toMatchObject({
      id: 'A 1',
      survey: 'sample-coadd',
      size: '12px',
      format: 'fits',
      bands: 'r',
      coverage: expect.any(Number),
      tiles: expect.arrayContaining([expect.stringMatching(/^C\d$/)]),
    });
  });

  test('are told of in a summary', () => {
    const summary = cutoutsSummary.parse(job.result?.summary);
    const made = results.filter(({ status }) => status === 'succeeded');
    expect(summary).toMatchObject({
      succeeded: made.length,
      failed: results.length - made.length,
      repeated: 2,
      bytes: made.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
      failures: [
        { code: 'no_coverage', count: 2, first: { row: far } },
        { code: 'invalid_row', count: 1, first: { row: broken } },
      ],
    });
    expect(summary.slowest).toHaveLength(10);
    expect(summary.stages.map(({ name }) => name)).toEqual(job.progress.stages.map(({ name }) => name));
  });

  test('are, file by file, what a request for one gets, byte for byte', async () => {
    for (const [i, set] of sets.entries())
      for (const row of [1, 33, 77, 120, 150, 199]) {
        const { ra, dec } = given[row - 1]!;
        const alone = await ada.call(`/v1/cutouts?${new URLSearchParams({ ...set, ra, dec })}`);
        const told = at(row, i);
        const file = listed.files.get(told?.file ?? '');
        const bytes = await bytesAt(file?.url ?? '');
        expect(shaOf(bytes)).toBe(told?.sha256);
        expect([file?.bytes, file?.sha256]).toEqual([told?.bytes, told?.sha256]);
        expect([row, i, Buffer.from(await alone.arrayBuffer()).equals(bytes)]).toEqual([row, i, true]);
        expect(told?.coverage?.toFixed(6)).toBe(alone.headers.get('cutout-coverage'));
        expect(told?.tiles.join(',')).toBe(alone.headers.get('cutout-tiles'));
      }
  });

  test('have names of their own, by what their user calls them', () => {
    const names = results.flatMap(({ file }) => file ?? []);
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9+\-._]*\.(?:fits|png)$/);
    expect(at(1)?.file).toBe('A_1_1.fits');
    expect(at(60, 1)?.file).toMatch(/Gro.*\.png$/);
    // Two rows of one id, told apart; two rows of one place, made once.
    expect(at(10)?.file).not.toBe(at(sameId)?.file);
    expect(at(10)?.sha256).not.toBe(at(sameId)?.sha256);
    for (const set of [0, 1]) {
      expect(at(samePlace, set)?.file).not.toBe(at(10, set)?.file);
      expect(at(samePlace, set)?.sha256).toBe(at(10, set)?.sha256);
    }
  });

  test('are had as a table and as one archive, of known length, of which a part may be asked for', async () => {
    const csv = (await bytesAt(listed.files.get('manifest.csv')?.url ?? '')).toString();
    expect(csv.trimEnd().split('\r\n')).toHaveLength(1 + results.length);
    const whole = await fetch(listed.archive);
    const zip = Buffer.from(await whole.arrayBuffer());
    expect(whole.headers.get('content-length')).toBe(String(zip.length));
    const inZip = namesIn(zip);
    for (const { file } of results) if (file !== null) expect(inZip).toContain(file);
    expect(inZip).toEqual(expect.arrayContaining(['manifest.json', 'manifest.csv']));
    const half = Math.floor(zip.length / 2);
    const rest = await fetch(listed.archive, { headers: { range: `bytes=${half}-` } });
    expect(rest.status).toBe(206);
    expect(Buffer.concat([zip.subarray(0, half), Buffer.from(await rest.arrayBuffer())]).equals(zip)).toBe(
      true,
    );
  });

  test('are made again with another size by a job of its own, and are gone when they are removed', async () => {
    const again = await submitted(
      ada.post(`/v1/jobs/${job.id}/rerun`, { sets: [{ ...sets[0], size: '8px' }] }),
    );
    expect(again.id).not.toBe(job.id);
    expect((await ada.ended(again.id)).state).toBe('succeeded_with_warnings');
    const smaller = await resultsOf(again.id);
    expect(smaller.map(({ row }) => row)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(new Set(smaller.flatMap(({ size, problem }) => (problem === null ? size : [])))).toEqual(
      new Set(['8px']),
    );
    expect(await resultsOf(job.id)).toEqual(results);
    const removed = async (id: string): Promise<void> => {
      await until(async () => (await ada.call(`/v1/jobs/${id}`, { method: 'DELETE' })).status === 204, {
        what: 'its end',
      });
      expect(await keysUnder(platform.storage, `cutouts/${id}/`)).toEqual([]);
    };
    await removed(job.id);
    expect((await ada.call(`/v1/jobs/${job.id}`)).status).toBe(404);
    expect(await resultsOf(again.id)).toEqual(smaller);
    await removed(again.id);
    expect(await keysUnder(platform.storage, `cutout-lists/${job.id}/`)).toEqual([]);
  });
});

const astropy = await pythonTools('astropy');

describe.skipIf(astropy.missing)('from Python', () => {
  test('what the docs say leads from a list to a table of results, and to each image', async () => {
    const docs = await readFile(new URL('../../docs/cutout-jobs.md', import.meta.url), 'utf8');
    const [, snippet = ''] = /```python\n(.*?)```/s.exec(docs) ?? [];
    const [first, ...others] = positions(5);
    const targets = join(platform.stack.home, 'targets.csv');
    await writeFile(targets, csvOf([first!, { ...first!, id: 'A 0', dec: 'unknown' }, ...others]));
    const given = { API: platform.api.url, KEY: key, SURVEY: 'sample-coadd', TARGETS: targets };
    const script = Object.entries(given).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    const { stdout } = await promisify(execFile)(astropy.python!, [
      '-W',
      'error',
      '-c',
      [...script, snippet].join('\n'),
    ]);
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => /^ +\d/.test(line))).toHaveLength(6);
    expect(lines.filter((line) => line.includes('invalid_row'))).toHaveLength(1);
    expect(lines.at(-1)).toBe('A 1 (38, 38)');
  });
});

test('what a request for one cutout is told that is too large is sent as it stands', async () => {
  const place = { ra: String(centre.ra), dec: String(centre.dec) };
  const query = new URLSearchParams({
    survey: 'sample-coadd',
    ...place,
    size: '28arcsec',
    planes: 'image,mask',
  });
  const refused = await ada.call(`/v1/cutouts?${query}`);
  const { code, suggestion } = z
    .object({
      code: z.string(),
      suggestion: z.object({ asynchronous: z.object({ path: z.string(), body: z.unknown() }) }),
    })
    .parse(await refused.json());
  expect(code).toBe('cutout_too_large');
  const { path, body } = suggestion.asynchronous;
  const job = await submitted(ada.post(path, body));
  expect(await ada.ended(job.id)).toMatchObject({ state: 'succeeded', size: { cutouts: 1 } });
  const [result] = await resultsOf(job.id);
  expect(result).toMatchObject({ ra: centre.ra, dec: centre.dec, bands: 'g,r,i', size: '28arcsec' });
  expect(result?.bytes).toBeGreaterThan(largest);
});

test.each([false, true])(
  'a place that many rows have is cut once for all of them (pack: %s)',
  async (pack) => {
    const two = positions(2);
    const rows = Array.from({ length: 40 }, (_, i): Position => ({ ...two[i % 2]!, id: `R${i + 1}` }));
    const { id } = await sent({ survey: 'sample-coadd', bands: 'r', size: '10px', pack }, csvOf(rows));
    expect(await ada.ended(id)).toMatchObject({
      state: 'succeeded',
      result: { summary: { succeeded: 40, repeated: 38 } },
    });
    expect(
      await platform.records.sql`select ordinal from job_cutouts where job_id = ${id} and seconds > 0`,
    ).toHaveLength(2);
    const results = await resultsOf(id);
    expect(new Set(results.map(({ sha256 }) => sha256)).size).toBe(2);
    const { files } = await filesOf(id);
    for (const { row, sha256 } of results) {
      const file = files.get(`R${row}.fits`);
      expect(shaOf(await bytesAt(file?.url ?? ''))).toBe(sha256);
    }
  },
);

test('columns that stand for each other are told as such, of a list in the store too', async () => {
  const uri = `s3://${sampleBucket}/cutouts/swapped.csv`;
  const list = Buffer.from(`ra,dec\n${'2.2,150.1\n'.repeat(30)}`);
  await platform.storage.putBytes(uri, list, { contentType: 'text/csv' });
  const reply = await ada.post('/v1/cutouts', { survey: 'sample-coadd', source: uri });
  expect(await reply.json()).toMatchObject({ status: 422, code: 'swapped_columns' });
});

describe('a job of some hundred', () => {
  const count = 300;
  const parameters = { survey: 'sample-coadd', bands: 'r', size: '10px', mode: 'primary' };

  /** Items that are done, each with the claim that it was done under: one that is done again has another. */
  const done = (id: string) =>
    platform.records
      .sql`select ordinal, run, claim from job_items where job_id = ${id} and state = 'succeeded' order by ordinal`;

  test('ends at once when it is cancelled, and a resume makes what is missing alone', async () => {
    await worker.stop();
    // Long enough that it is not done before; no cancel ends the wait itself.
    const points = { 'cutouts.cut': { delayMs: 300 } };
    const slow = await platform.stack.startWorker({ DARKROOM_QUEUES: queues, ...failpoints({ points }) });
    const { id } = await sent(parameters, csvOf(positions(count)));
    await until(async () => (await done(id)).length >= 20, { what: 'some of it' });
    await ada.post(`/v1/jobs/${id}/cancel`, { reason: 'enough' });
    expect(await ada.ended(id)).toMatchObject({ state: 'cancelled' });
    const kept = await done(id);
    expect(kept.length).toBeLessThan(count);
    slow.kill('SIGKILL');
    worker = await platform.stack.startWorker({ DARKROOM_QUEUES: queues });
    await ada.post(`/v1/jobs/${id}/resume`);
    expect(await ada.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
    const all = await done(id);
    expect(all).toHaveLength(count);
    expect(all).toEqual(expect.arrayContaining(kept));
    expect((await resultsOf(id)).map(({ row }) => row)).toEqual(
      Array.from({ length: count }, (_, i) => i + 1),
    );
  }, 300_000);
});
