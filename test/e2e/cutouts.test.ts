import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { loadConfig } from '@darkroom/platform';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { memorySource } from '@darkroom/sky/bytes/memory.ts';
import { openFits } from '@darkroom/sky/fits/read/open.ts';
import { writeFits } from '@darkroom/sky/fits/write/file.ts';
import { card } from '@darkroom/sky/fits/write/header.ts';
import type { SurveyDefinition } from '@darkroom/sky/survey/definition/definition.ts';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { tangentCards } from '@darkroom/sky/survey/testing.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { TestProcess } from '../harness/process.ts';
import { pythonTools } from '../harness/python.ts';
import { startTestStack } from '../harness/stack.ts';
import { ApiUser } from '../harness/user.ts';

/** Cutouts of a small survey as their users ask for them, over HTTP, from a worker that reads tiles out of the store. */

let stack: Awaited<ReturnType<typeof startTestStack>>;
let records: Records;
let storage: Storage;
let worker: TestProcess;
let url: string;
let key: string;
let ada: ApiUser;
let ben: ApiUser;

const [ra, dec] = [150, 2];
const pixels = 60;
const scale = 1 / 3600;
const survey: SurveyDefinition = {
  name: 'small',
  title: 'A small survey',
  release: 'DR1',
  root: '',
  tile: { pattern: 't\\d', example: 't1' },
  wcs: 'TAN',
  unit: 'nanomaggy',
  bands: ['g', 'r', 'i'].map((name, i) => ({ name, wavelength: 500 + 100 * i, zeropoint: 22.5 })),
  planes: { image: { path: '{tile}-{band}.fits' }, mask: { path: '{tile}-mask.fits' } },
  mask: { bad: [{ bit: 0, name: 'saturated' }], noData: 7 },
  readers: 'public',
  defaults: { size: '20arcsec', algorithm: 'lupton', bands: ['i', 'r', 'g'] },
  limits: { size: '40arcsec', pixels: 1_000_000 },
  credit: 'Nobody',
  example: { ra, dec },
};
const secret: SurveyDefinition = { ...survey, name: 'secret', readers: ['insiders'] };

/** Two tiles of one grid that abut; `t1` has the reference pixel in its middle, `t2` lies east of it. */
async function putTiles(bucket: string): Promise<void> {
  for (const [name, x0] of [
    ['t1', -30],
    ['t2', -90],
  ] as const) {
    const cards = tangentCards([ra, dec], { width: pixels, height: pixels, scale }).map((one) =>
      one.keyword === 'CRPIX1' ? card('CRPIX1', 1 - x0) : one.keyword === 'CRPIX2' ? card('CRPIX2', 31) : one,
    );
    const put = (file: string, data: Float32Array | Int16Array) =>
      storage.putBytes(
        `s3://${bucket}/${survey.name}/${name}-${file}.fits`,
        Buffer.from(writeFits([{ plane: { width: pixels, height: pixels, data }, cards }])),
        { contentType: 'application/fits' },
      );
    const at = (i: number): [number, number] => [x0 + (i % pixels), Math.floor(i / pixels) - 30];
    for (const [b, band] of ['g', 'r', 'i'].entries())
      await put(
        band,
        Float32Array.from({ length: pixels ** 2 }, (_, i) => {
          const [x, y] = at(i);
          return b + 10 * Math.exp(-((x - 5) ** 2 + y ** 2) / 8) + x / 1000;
        }),
      );
    await put(
      'mask',
      Int16Array.from({ length: pixels ** 2 }, (_, i) => (at(i)[0] === 5 && at(i)[1] === 0 ? 1 : 0)),
    );
  }
}

beforeAll(async () => {
  stack = await startTestStack('cutouts', { CUTOUT_DEADLINE_SECONDS: '60' });
  await migrate(stack.stack.postgres);
  records = await openRecords({ url: stack.stack.postgres });
  storage = createStorage(loadConfig(stack.env()).s3);
  const root = `s3://${storage.bucket}/${survey.name}/`;
  await putTiles(storage.bucket);
  await indexSurvey({ ...survey, root }, { db: records.db, store: storage, verify: true });
  await indexSurvey({ ...secret, root }, { db: records.db, store: storage });
  const [api, started] = await Promise.all([
    stack.startApi(),
    stack.startWorker({ DARKROOM_QUEUES: 'light,sky-realtime' }),
  ]);
  worker = started;
  url = api.url;
  const keyOf = async (owner: string) =>
    (await createKey(records.db, { owner, group: null, role: 'user', priority: 3 })).key;
  key = await keyOf('ada');
  ada = new ApiUser(api.url, key);
  ben = new ApiUser(api.url, await keyOf('ben'));
}, 300_000);

afterAll(async () => {
  storage?.close();
  await records?.close();
  await stack?.close();
});

const cutout = (query: Record<string, string>, user = ada, headers = {}): Promise<Response> =>
  user.call(
    `/v1/cutouts?${new URLSearchParams({ survey: 'small', ra: String(ra), dec: String(dec), ...query })}`,
    {
      headers,
    },
  );

const problem = z.object({
  code: z.string(),
  detail: z.string(),
  suggestion: z.record(z.string(), z.unknown()).optional(),
});
async function refusal(query: Record<string, string>): Promise<z.infer<typeof problem> & { status: number }> {
  const reply = await cutout(query);
  return { status: reply.status, ...problem.parse(await reply.json()) };
}

test('FITS of all bands, with where it comes from in its headers; the same again is the same file, or none at all', async () => {
  const reply = await cutout({ size: '11px', mode: 'primary' });
  expect(reply.status, await reply.clone().text()).toBe(200);
  expect(reply.headers.get('content-type')).toBe('application/fits');
  expect(Object.fromEntries([...reply.headers].filter(([name]) => name.startsWith('cutout-')))).toMatchObject(
    {
      'cutout-survey': 'small DR1',
      'cutout-tiles': 't1',
      'cutout-coverage': '1.000000',
      'cutout-size': '11x11',
      'cutout-provenance': 'verified',
    },
  );
  const bytes = Buffer.from(await reply.arrayBuffer());
  const file = await openFits(memorySource(bytes));
  expect(file.hdus.map(({ name }) => name)).toEqual(['', 'g', 'r', 'i']);
  const { data } = await file.image('r').read({ x0: 0, y0: 0, width: 11, height: 11 });
  expect(data[5 * 11 + 10]).toBeCloseTo(11.005, 3);
  const etag = reply.headers.get('etag') ?? '';
  const again = await cutout({ size: '11px', mode: 'primary' });
  expect(again.headers.get('etag')).toBe(etag);
  expect(Buffer.from(await again.arrayBuffer()).equals(bytes)).toBe(true);
  expect((await cutout({ size: '11px', mode: 'primary' }, ada, { 'if-none-match': etag })).status).toBe(304);
});

const astropy = await pythonTools('astropy');

describe.skipIf(astropy.missing)('from Python', () => {
  test('what the docs say gives an image whose WCS has the place in its middle', async () => {
    const docs = await readFile(new URL('../../docs/cutouts.md', import.meta.url), 'utf8');
    const [, snippet = ''] = /```python\n(.*?)```/s.exec(docs) ?? [];
    const given = { API: url, KEY: key, SURVEY: survey.name, RA: ra, DEC: dec };
    const script = Object.entries(given).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    const { stdout } = await promisify(execFile)(astropy.python!, [
      '-W',
      'error',
      '-c',
      [...script, snippet].join('\n'),
    ]);
    expect(stdout.trim()).toBe('(12, 12) 6.0 6.0 t1 1.000000');
  });
});

test('many who ask for the same at once have it made once', async () => {
  const query = { size: '12px', ra: '9:59:59.9', dec: '+02:00:01' };
  const replies = await Promise.all(
    Array.from({ length: 8 }, (_, i) => cutout(query, i % 2 === 0 ? ada : ben)),
  );
  const files = await Promise.all(replies.map(async (reply) => Buffer.from(await reply.arrayBuffer())));
  expect(replies.map(({ status }) => status)).toEqual(Array(8).fill(200));
  expect(files.every((file) => file.equals(files[0]!))).toBe(true);
  const digest = (replies[0]!.headers.get('etag') ?? '').replaceAll('"', '');
  const rows = await records.sql<{ shared: boolean }>`select shared from cutouts where digest = ${digest}`;
  expect(rows.filter(({ shared }) => !shared)).toHaveLength(1);
});

test('a colour picture over the edge of a tile, by a signed link that needs no key and is good for nothing else', async () => {
  const query = {
    survey: 'small',
    ra: String(ra + 29 * scale),
    dec: String(dec),
    size: '20arcsec',
    format: 'png',
    scaleBar: true,
    crosshair: true,
  };
  const link = z
    .object({ url: z.string(), expiresAt: z.iso.datetime() })
    .parse(await (await ada.post('/v1/cutouts/links', query)).json());
  const path = link.url.slice(link.url.indexOf('/v1/'));
  const reply = await fetch(new URL(path, url));
  expect(reply.status, await reply.clone().text()).toBe(200);
  expect(reply.headers.get('content-type')).toBe('image/png');
  expect(reply.headers.get('cutout-tiles')).toBe('t1,t2');
  expect(reply.headers.get('cutout-mode')).toBe('mosaic');
  expect(JSON.parse(reply.headers.get('cutout-levels') ?? '')).toMatchObject({
    levels: { algorithm: 'lupton' },
    orientation: { north: expect.any(Number), east: 'left' },
  });
  expect(
    Buffer.from(await reply.arrayBuffer())
      .subarray(1, 4)
      .toString(),
  ).toBe('PNG');
  const other = new URL(path, url);
  other.searchParams.set('survey', 'secret');
  expect((await fetch(other)).status).toBe(401);
});

test('a grid of its own, and a marked picture of it in sixteen bits, by the names that the query has', async () => {
  const grid = { size: '40px', pixscale: '0.5arcsec', rotation: '30', bands: 'r' };
  const reply = await cutout({ ...grid, planes: 'image,mask' });
  expect(reply.status, await reply.clone().text()).toBe(200);
  expect(reply.headers.get('cutout-size')).toBe('40x40');
  expect(reply.headers.get('cutout-coverage')).toBe('1.000000');
  const { header } = (await openFits(memorySource(Buffer.from(await reply.arrayBuffer())))).image('r');
  expect(header.number('CD1_2')).toBeCloseTo((0.5 * scale) / 2, 12);
  expect(header.value('RESAMPLE')).toBe('lanczos3');
  const link = z.object({ url: z.string() }).parse(
    await (
      await ada.post('/v1/cutouts/links', {
        ...{ survey: 'small', ra: String(ra), dec: String(dec), format: 'png', compass: true, depth: 16 },
        ...{ ...grid, size: '120px', pixscale: '0.25arcsec', rotation: 30, label: 'M 1' },
      })
    ).json(),
  );
  const marked = await fetch(new URL(link.url.slice(link.url.indexOf('/v1/')), url));
  expect(marked.status, await marked.clone().text()).toBe(200);
  expect(JSON.parse(marked.headers.get('cutout-levels') ?? '')).toMatchObject({
    ...{ compass: true, label: 'M 1', orientation: { rule: 'pixels', north: -30 } },
  });
  expect(Buffer.from(await marked.arrayBuffer())[24], 'bits of a count').toBe(16);
});

test('a centre that is masked comes with a warning', async () => {
  const reply = await cutout({ ra: String(ra - 5 * scale), bands: 'r', size: '5px' });
  expect(reply.headers.get('cutout-warnings')).toContain('saturated');
});

test('what cannot be done is refused with what could be, and every request is on record', async () => {
  expect(await refusal({ survey: 'none' })).toMatchObject({ status: 404, code: 'unknown_survey' });
  expect(await refusal({ survey: 'secret' })).toMatchObject({ status: 403, code: 'survey_not_granted' });
  expect(await refusal({ bands: 'r,z' })).toMatchObject({ status: 422, code: 'unknown_band' });
  expect(await refusal({ size: '60' })).toMatchObject({ status: 422, code: 'validation_failed' });
  for (const wrong of [
    ...[{ ra: '361' }, { dec: 'NaN' }, { size: '0px' }, { colour: 'red' }, { stretch: '5' }],
    ...[{ pixscale: '0.5' }, { pixscale: '40arcsec' }, { rotation: 'NaN' }, { rotation: '9', mode: 'clip' }],
    ...[
      { format: 'png', label: 'é' },
      { format: 'webp', depth: '16' },
    ],
  ])
    expect(await refusal(wrong as Record<string, string>)).toMatchObject({ code: 'validation_failed' });
  const away = await refusal({ ra: '151', dec: '2' });
  expect(away).toMatchObject({ status: 404, code: 'no_coverage' });
  const near = z.object({ ra: z.number(), dec: z.number() }).parse(away.suggestion);
  expect((await cutout({ ra: String(near.ra), dec: String(near.dec), size: '5px', bands: 'r' })).status).toBe(
    200,
  );
  const large = await refusal({ size: '3arcmin', bands: 'r' });
  expect(large).toMatchObject({
    status: 422,
    code: 'cutout_too_large',
    suggestion: { size: '40arcsec', asynchronous: { method: 'POST', path: '/v1/cutouts' } },
  });
  const page = z
    .object({
      requests: z.array(
        z.object({ id: z.int(), state: z.string(), problem: z.object({ code: z.string() }).nullable() }),
      ),
    })
    .parse(await (await ada.call('/v1/cutouts/requests')).json());
  expect(page.requests[0]).toMatchObject({ state: 'refused', problem: { code: 'cutout_too_large' } });
  expect(page.requests.map(({ problem: told }) => told?.code)).toEqual(
    expect.arrayContaining(['unknown_survey', 'survey_not_granted', 'validation_failed', 'no_coverage']),
  );
  const id = page.requests[0]!.id;
  expect((await ada.call(`/v1/cutouts/requests/${id}`)).status).toBe(200);
  expect((await ben.call(`/v1/cutouts/requests/${id}`)).status).toBe(404);
});

test('a tile that is replaced or damaged is named; a worker that dies costs no answer', async () => {
  const tile = `s3://${storage.bucket}/small/t2-r.fits`;
  const east = { ra: String(ra + 60 * scale), bands: 'r', size: '6px' };
  const asked = cutout({ ...east, size: '8px' });
  worker.kill('SIGKILL');
  await stack.startWorker({ DARKROOM_QUEUES: 'light,sky-realtime' });
  expect((await asked).status, 'killed while it was asked for').toBe(200);
  const bytes = await storage.getBytes(tile, { maxBytes: 1e6 });
  bytes[bytes.length - 3000]! ^= 1;
  await storage.putBytes(tile, bytes, { contentType: 'application/fits' });
  const changed = await refusal(east);
  expect(changed).toMatchObject({ status: 409, code: 'source_changed' });
  expect(changed.detail).toContain('t2-r.fits');
});
