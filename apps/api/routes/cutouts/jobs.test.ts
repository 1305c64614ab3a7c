import { listSource } from '@darkroom/contract';
import { getStage } from '@darkroom/records';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { memoryStore, smallSurvey, smallTile } from '@darkroom/sky/survey/testing.ts';
import type { Grant } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

/** What a job of cutouts comes as, what of it is refused before there is a job, and what it is expected to be. */

let api: TestApi;
let ann: string;
let mia: string;
const grants: Grant[] = [{ owner: 'ann', prefix: 's3://darkroom-test/lists/', access: 'read' }];

beforeAll(async () => {
  const env = {
    LIMIT_PLAN_ROWS: '2000',
    JOB_LIMITS: 'cutouts.cutouts=3000',
    DARKROOM_GRANTS: JSON.stringify(grants),
    // Of the workers, not of this machine.
    DELIVERY_DIRECTORIES: JSON.stringify([{ owner: 'ann', path: '/homes/{owner}/' }]),
  };
  api = await startTestApi(env, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
  mia = (await api.key({ owner: 'mia', group: 'des' })).key;
  const { db } = api.records;
  const store = memoryStore({ 's3://bucket/small/t1.fits': smallTile([10, 20]) });
  await indexSurvey(smallSurvey, { db, store });
  await indexSurvey({ ...smallSurvey, name: 'ours', readers: ['des'] }, { db, store });
}, 180_000);
afterAll(() => api?.close());

const answered = z.looseObject({
  id: z.string().optional(),
  code: z.string().optional(),
  detail: z.string().optional(),
  input: z.looseObject({}).optional(),
  errors: z.array(z.looseObject({ pointer: z.string() })).optional(),
});
type Sent = z.infer<typeof answered> & { readonly status: number; readonly location: string | null };

async function sent(body: string | FormData, type?: string, query = '', key = ann, more = {}): Promise<Sent> {
  const answer = await fetch(`${api.url}/v1/cutouts${query}`, {
    method: 'POST',
    headers: { authorization: key, ...(type !== undefined && { 'content-type': type }), ...more },
    body,
  });
  const location = answer.headers.get('location');
  return { status: answer.status, location, ...answered.parse(await answer.json()) };
}
const asked = (body: object, key = ann) => sent(JSON.stringify(body), 'application/json', '', key);
const csv = (text: string, query = '?survey=small&size=4px') => sent(text, 'text/csv', query);
const somewhere = [{ ra: 10, dec: 20 }];
const rowsOf = (count: number): string =>
  `ID,RA,DEC\n${Array.from({ length: count }, (_, i) => `A${i},10,20`).join('\n')}\n`;

async function listOf(id = ''): Promise<{ format: string; text: string }> {
  const source = listSource.parse((await getStage(api.records.db, id, 'plan'))?.input);
  if (source.format === 'listing') throw new Error('It is a listing.');
  const text = String(await api.storage.getBytes(source.uri, { maxBytes: 1_000_000 }));
  return { format: source.format, text };
}

describe('a list of positions', () => {
  it('becomes a job that says what it is expected to come to', async () => {
    const job = await csv(rowsOf(3), '?survey=small&size=4px&bands=r');
    expect(job).toMatchObject({
      status: 202,
      location: `/v1/jobs/${job.id}`,
      kind: 'cutouts',
      input: { survey: 'small', size: '4px', bands: 'r', format: 'fits', mode: 'mosaic', onError: 'fail' },
      // 16 pixels each, and what their files have besides.
      estimate: {
        seconds: { p50: expect.any(Number), p90: expect.any(Number) },
        runs: 0,
        expected: { cutouts: 3, pixels: 48, bytes: expect.any(Number) },
      },
    });
    expect(await listOf(job.id)).toEqual({ format: 'csv', text: rowsOf(3) });
  });

  it('stands in JSON, with a size of its own a row, and several parameter sets', async () => {
    const sets = [{ bands: 'r' }, { format: 'png', bands: 'r', size: '8px' }];
    const job = await asked({
      survey: 'small',
      size: '4px',
      sets,
      positions: [
        { id: 7, ra: 10, dec: 20, colour: 'red' },
        { ra: '0:40:00', dec: '20:00:00', size: '2px' },
      ],
    });
    expect(job).toMatchObject({
      status: 202,
      input: { sets },
      // 4² + 8² + 2 × 2².
      estimate: { expected: { cutouts: 4, pixels: 88 } },
    });
    expect(await listOf(job.id)).toEqual({
      format: 'ndjson',
      text: '{"id":"7","ra":"10","dec":"20"}\n{"ra":"0:40:00","dec":"20:00:00","size":"2px"}\n',
    });
  });

  it('lies in the store, or is an upload or the file of a form', async () => {
    const uri = 's3://darkroom-test/lists/a.csv';
    await api.storage.putBytes(uri, Buffer.from(rowsOf(2)), { contentType: 'text/csv' });
    const ofTwo = { status: 202, estimate: { expected: { cutouts: 2 } } };
    expect(await asked({ survey: 'small', bands: 'r', source: uri })).toMatchObject(ofTwo);
    const form = new FormData();
    form.append('parameters', JSON.stringify({ survey: 'small', bands: 'r' }));
    form.append('file', new File([rowsOf(2)], 'targets.csv'));
    expect(await sent(form)).toMatchObject(ofTwo);
    expect(await asked({ survey: 'small', source: 's3://darkroom-test/lists/' })).toMatchObject({
      status: 422,
      errors: [{ pointer: '/source' }],
    });
    expect(await asked({ survey: 'small', source: 's3://elsewhere/a.csv' })).toMatchObject({
      status: 403,
      code: 'source_not_granted',
    });
  });

  it('is one job however often it is sent with the same key', async () => {
    const send = (rows: number) =>
      sent(rowsOf(rows), 'text/csv', '?survey=small&bands=r', ann, { 'idempotency-key': 'twice' });
    const first = await send(2);
    expect(await send(2)).toMatchObject({ status: 202, id: first.id });
    expect(await send(3)).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });
});

describe('an estimate', () => {
  const estimateOf = async (body: string | FormData, type?: string, query = '') =>
    sent(body, type, `/estimate${query}`);
  const ofJson = (body: object) => estimateOf(JSON.stringify(body), 'application/json');

  it('is what a job of the same request is estimated at, without one', async () => {
    const query = '?survey=small&size=4px&bands=r&onError=skip';
    const before = await keysUnder(api.storage, 'cutout-lists/');
    const list = `${rowsOf(3)}A9,361,0\n`;
    const { status, location: _, ...estimate } = await estimateOf(list, 'text/csv', query);
    expect({ status, estimate }).toEqual({
      status: 200,
      estimate: {
        rows: { count: 4, broken: 1, exact: true },
        cutouts: 3,
        bytes: expect.any(Number),
        seconds: { p50: expect.any(Number), p90: expect.any(Number) },
        runs: 0,
        error: null,
        queue: {
          place: expect.any(Number),
          ahead: { jobs: expect.any(Number), seconds: expect.any(Number) },
          estimatedStart: expect.any(String),
        },
      },
    });
    expect(await keysUnder(api.storage, 'cutout-lists/')).toEqual(before);
    const { seconds, cutouts, bytes } = z
      .looseObject({ seconds: z.unknown(), cutouts: z.int(), bytes: z.int() })
      .parse(estimate);
    expect(await csv(list, query)).toMatchObject({
      estimate: { seconds, expected: { cutouts, bytes } },
      queue: { place: expect.any(Number) },
    });
  });

  it('takes what the job takes: JSON, a list in the store, a form', async () => {
    const ofTwo = { status: 200, rows: { count: 2, exact: true }, cutouts: 2 };
    const sets = { survey: 'small', bands: 'r' };
    expect(await ofJson({ ...sets, positions: [...somewhere, ...somewhere] })).toMatchObject(ofTwo);
    const uri = 's3://darkroom-test/lists/two.csv';
    await api.storage.putBytes(uri, Buffer.from(rowsOf(2)), { contentType: 'text/csv' });
    expect(await ofJson({ ...sets, source: uri })).toMatchObject(ofTwo);
    const form = new FormData();
    form.append('parameters', JSON.stringify(sets));
    form.append('file', new File([rowsOf(2)], 'targets.csv'));
    expect(await estimateOf(form)).toMatchObject(ofTwo);
  });

  it('leaves an upload as it was: a job can be made of it', async () => {
    const text = rowsOf(2);
    const request = { filename: 'a.csv', bytes: text.length };
    const { id, parts } = z
      .looseObject({ id: z.string(), parts: z.array(z.looseObject({ url: z.string() })) })
      .parse(await (await api.send('POST', '/v1/uploads', ann, request)).json());
    const body = { survey: 'small', bands: 'r', upload: id };
    expect(await ofJson(body)).toMatchObject({ status: 409, code: 'upload_incomplete' });
    expect(await ofJson({ ...body, upload: crypto.randomUUID() })).toMatchObject({ code: 'not_found' });
    expect((await fetch(parts[0]?.url ?? '', { method: 'PUT', body: text })).status).toBe(200);
    expect((await api.send('POST', `/v1/uploads/${id}/complete`, ann)).status).toBe(200);
    for (let times = 0; times < 2; times++)
      expect(await ofJson(body)).toMatchObject({ status: 200, cutouts: 2 });
    expect(await asked(body)).toMatchObject({ status: 202, estimate: { expected: { cutouts: 2 } } });
    expect(await ofJson(body)).toMatchObject({ status: 409, code: 'upload_used' });
  });

  it('of a list too long to be read in passing goes by its beginning', async () => {
    // Of 4 MiB and more; the rows are alike.
    const rows = 60_000;
    const line = `${'x'.repeat(90)},10,20\n`;
    const uri = 's3://darkroom-test/lists/long.csv';
    const text = Buffer.from(`ID,RA,DEC\n${line.repeat(rows)}`);
    expect(text.length).toBeGreaterThan(5 * 2 ** 20);
    await api.storage.putBytes(uri, text, { contentType: 'text/csv' });
    const estimate = z
      .looseObject({ rows: z.looseObject({ count: z.int(), exact: z.boolean() }), cutouts: z.int() })
      .parse(await ofJson({ survey: 'small', bands: 'r', source: uri }));
    expect(estimate.rows.exact).toBe(false);
    expect(Math.abs(estimate.rows.count / rows - 1)).toBeLessThan(0.001);
    expect(estimate.cutouts).toBe(estimate.rows.count);
  });

  it('is refused for what the job would be', async () => {
    expect(await ofJson({ survey: 'ours', positions: somewhere })).toMatchObject({
      status: 403,
      code: 'survey_not_granted',
    });
    expect(await estimateOf('dec,ra\n150,2\n', 'text/csv', '?survey=small')).toMatchObject({
      code: 'swapped_columns',
    });
    expect(await estimateOf('ra,dec\nx,2\n', 'text/csv', '?survey=small')).toMatchObject({
      code: 'invalid_row',
    });
    expect(await estimateOf(rowsOf(2001), 'text/csv', '?survey=small')).toMatchObject({
      code: 'too_many_items',
    });
    const late = new FormData();
    late.append('file', new File([rowsOf(2)], 'targets.csv'));
    late.append('parameters', JSON.stringify({ survey: 'small' }));
    expect(await estimateOf(late)).toMatchObject({ code: 'validation_failed' });
  });
});

describe('before there is a job', () => {
  it('surveys and parameters are refused by the set that has them', async () => {
    const body = { survey: 'small', positions: somewhere };
    for (const [changes, refusal] of [
      [{ survey: 'none' }, { status: 404, code: 'unknown_survey' }],
      [{ survey: 'ours' }, { status: 403, code: 'survey_not_granted' }],
      [
        { sets: [{}, { survey: 'ours' }] },
        { code: 'survey_not_granted', detail: expect.stringContaining('ours') },
      ],
      [{ bands: 'zz' }, { code: 'unknown_band' }],
      [
        { sets: [{}, { algorithm: 'lupton' }] },
        { code: 'validation_failed', errors: [{ pointer: '/sets/1/algorithm' }] },
      ],
      [{ sets: [] }, { code: 'validation_failed' }],
      [{ size: '5' }, { code: 'validation_failed', errors: [{ pointer: '/size' }] }],
      [{ unheard: 1 }, { code: 'validation_failed' }],
      [{ positions: [] }, { code: 'validation_failed' }],
      [{ source: 's3://darkroom-test/lists/a.csv' }, { code: 'validation_failed' }],
    ] as const)
      expect([changes, await asked({ ...body, ...changes })]).toMatchObject([changes, refusal]);
    expect(await asked({ ...body, survey: 'ours', bands: 'r' }, mia)).toMatchObject({ status: 202 });
    // Before the list is read.
    expect(await csv('', '?survey=none')).toMatchObject({ code: 'unknown_survey' });
  });

  it('broken rows are named by their numbers, unless the job is to go on without them', async () => {
    const broken = ['ra,dec,size', '10,20,', '361,20,', '10,20', '10,x,', '10,20,5', '11,20,4px'].join('\n');
    const refused = await csv(broken);
    expect(refused).toMatchObject({
      status: 422,
      code: 'invalid_row',
      detail: expect.stringMatching(/^Row 2: The right ascension "361".* Broken as well: 3, 4, 5\./),
    });
    expect(refused.errors?.map(({ pointer }) => pointer)).toEqual([
      '/rows/2',
      '/rows/3',
      '/rows/4',
      '/rows/5',
    ]);
    const skipping = await csv(broken, '?survey=small&bands=r&onError=skip');
    expect(skipping).toMatchObject({ status: 202, estimate: { expected: { cutouts: 2 } } });

    const inJson = await asked({ survey: 'small', positions: [...somewhere, { ra: 10, dec: 95 }] });
    expect(inJson).toMatchObject({ code: 'invalid_row', errors: [{ pointer: '/positions/1' }] });
    const noColumn = await csv('ra,b\n1,2\n');
    expect(noColumn.detail).toMatch(/^Row 1: dec: is missing; its column is named one of dec, de, /);
    expect(await csv('ra,ra\n1,2\n')).toMatchObject({ code: 'invalid_row' });
    expect(await csv('ra,dec\n')).toMatchObject({ code: 'empty_file' });
  });

  it('columns that stand for each other are told as such, also where broken rows are skipped', async () => {
    for (const more of ['', '&onError=skip'])
      expect(await csv('dec,ra\n150.1,2.2\n151,-3\n', `?survey=small${more}`)).toMatchObject({
        status: 422,
        code: 'swapped_columns',
        detail: expect.stringContaining('All 2 declinations'),
      });
  });

  it('more than the limits is refused, naming limit and use', async () => {
    expect(await csv(rowsOf(2001))).toMatchObject({
      status: 422,
      code: 'too_many_items',
      detail: 'The list has 2001 rows; the limit is 2000 (LIMIT_PLAN_ROWS).',
    });
    const two = new FormData();
    two.append('parameters', JSON.stringify({ survey: 'small', sets: [{ bands: 'r' }, { format: 'png' }] }));
    two.append('file', new File([rowsOf(1501)], 'targets.csv'));
    expect(await sent(two)).toMatchObject({
      code: 'too_many_items',
      detail: 'The job has 3002 cutouts; the limit is 3000 (JOB_LIMITS, cutouts.cutouts).',
    });
  });

  it('whereto the files are to be written has been granted', async () => {
    const to = (deliverTo: string) => asked({ survey: 'small', bands: 'r', positions: somewhere, deliverTo });
    const deliverTo = 'file:///homes/ann/cutouts/';
    expect(await to(deliverTo)).toMatchObject({ status: 202, input: { deliverTo } });
    for (const elsewhere of ['s3://darkroom-test/lists/', 's3://elsewhere/', 'file:///homes/mia/'])
      expect([elsewhere, await to(elsewhere)]).toMatchObject([
        elsewhere,
        { status: 403, code: 'target_not_granted' },
      ]);
    expect(await to('anywhere')).toMatchObject({
      code: 'validation_failed',
      errors: [{ pointer: '/deliverTo' }],
    });
  });

  it('nothing is left of what was refused', async () => {
    const before = await keysUnder(api.storage, 'cutout-lists/');
    await csv('ra,dec\n361,0\n');
    expect(await keysUnder(api.storage, 'cutout-lists/')).toEqual(before);
  });
});
