import { cellArea } from '@darkroom/sky/sphere/healpix.ts';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { memoryStore, smallSurvey, smallTile } from '@darkroom/sky/survey/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({}, engineAway);
}, 180_000);
afterAll(() => api?.close());

it('lists the surveys, and tells whether the caller may read them', async () => {
  const ann = (await api.key({ owner: 'ann' })).key;
  const member = (await api.key({ owner: 'mia', group: 'des' })).key;
  const read = async (path: string, key = ann) => {
    const reply = await api.get(path, key);
    return { status: reply.status, ...((await reply.json()) as object) };
  };
  expect(await read('/v1/surveys')).toEqual({ status: 200, surveys: [] });
  const { db } = api.records;
  const store = memoryStore({ 's3://bucket/small/t1.fits': smallTile([10, 20]) });
  await indexSurvey(smallSurvey, { db, store, verify: true });
  await indexSurvey({ ...smallSurvey, name: 'ours', readers: ['des'] }, { db, store });
  const small = {
    name: 'small',
    title: 'A small survey',
    release: '1',
    state: 'ready',
    readable: true,
    bands: [{ name: 'r', wavelength: 640, zeropoint: 22.5, unit: 'nanomaggy' }],
    planes: ['image'],
    formats: ['fits', 'png', 'jpeg', 'webp'],
    limits: { size: '10arcmin', pixels: 1_000_000 },
    defaults: { size: '1arcmin', bands: null, algorithm: 'lupton' },
    mask: null,
    example: { ra: 10, dec: 20 },
    area: expect.closeTo(0.04, 3),
    footprint: { order: 12, moc: '/v1/surveys/small/moc' },
    tiles: 1,
    verified: true,
    indexedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    credit: 'Nobody',
    licence: null,
  };
  const footprint = { order: 12, moc: '/v1/surveys/ours/moc' };
  const ours = { ...small, name: 'ours', readable: false, verified: false, footprint };
  expect(await read('/v1/surveys')).toEqual({ status: 200, surveys: [ours, small] });
  expect(await read('/v1/surveys/ours', member)).toEqual({ status: 200, ...ours, readable: true });
  expect(await read('/v1/surveys/none')).toMatchObject({ status: 404, code: 'not_found' });
  expect((await api.get('/v1/surveys')).status).toBe(401);
  const { status, ...moc } = await read('/v1/surveys/small/moc');
  const cells = Object.entries(moc as Record<string, number[]>);
  expect(status).toBe(200);
  expect(cells.at(-1)![0]).toBe('12');
  const degrees = cells.reduce((sum, [order, { length }]) => sum + length * cellArea(Number(order)), 0);
  expect(degrees).toBeGreaterThan(0.04);
  expect(degrees).toBeLessThan(0.048);
  const ascii = await api.get('/v1/surveys/small/moc?format=ascii&order=6', ann);
  expect(ascii.headers.get('content-type')).toContain('text/plain');
  expect(await ascii.text()).toMatch(/^6\/\d+( \d+)*$/);
  const fits = await api.get('/v1/surveys/small/moc?format=fits', ann);
  expect(fits.headers.get('content-type')).toBe('application/fits');
  expect(Buffer.from(await fits.arrayBuffer()).toString('latin1')).toContain("MOCDIM  = 'SPACE");
  expect(await read('/v1/surveys/none/moc')).toMatchObject({ status: 404, code: 'not_found' });
  expect(await read('/v1/surveys/small/moc?order=30')).toMatchObject({ code: 'validation_failed' });
});
