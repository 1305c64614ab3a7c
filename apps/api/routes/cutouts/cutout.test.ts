import { Buffer } from 'node:buffer';
import type { Engine } from '@darkroom/dispatch';
import { realtimeCall } from '@darkroom/sky/realtime/call.ts';
import { cutoutKey, finishFile } from '@darkroom/sky/realtime/records/files.ts';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { memoryStore, smallSurvey, smallTile } from '@darkroom/sky/survey/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

let api: TestApi;
/** How long each cutout says that it waited for a worker, milliseconds. */
let waited = 0;
let made = 0;
/** Until when what is started is not there yet. */
let held: Promise<void> | undefined;

/** In place of engine and worker: what is started is there at once. */
const engine: Engine = {
  ...engineAway,
  units: {
    ...engineAway.units,
    async start({ args }) {
      const { digest, unit } = realtimeCall.parse(args[0]);
      made++;
      await held;
      await api.storage.putBytes(cutoutKey(unit), Buffer.from('a file'), { contentType: 'application/fits' });
      await finishFile(
        api.records.db,
        { digest, unit },
        {
          bytes: 6,
          facts: {
            coverage: 1,
            mode: 'primary',
            tiles: ['t1'],
            verified: true,
            width: 4,
            height: 4,
            warnings: [],
            levels: null,
          },
          timings: { queue: waited },
          keptSeconds: 3600,
        },
      );
    },
  },
};

let ann: string;
let mia: string;

beforeAll(async () => {
  api = await startTestApi({ CORS_ORIGINS: 'https://notebook.example' }, engine);
  ann = (await api.key({ owner: 'ann' })).key;
  mia = (await api.key({ owner: 'mia', group: 'des' })).key;
  const { db } = api.records;
  const store = memoryStore({ 's3://bucket/small/t1.fits': smallTile([10, 20]) });
  await indexSurvey(smallSurvey, { db, store, verify: true });
  await indexSurvey({ ...smallSurvey, name: 'ours', readers: ['des'] }, { db, store });
}, 180_000);
afterAll(() => api?.close());

const cutout = (query: string, key = ann, headers = {}): Promise<Response> =>
  api.get(`/v1/cutouts?ra=10&dec=20&size=4px&${query}`, key, headers);
const code = async (reply: Response): Promise<unknown> => ((await reply.json()) as { code?: unknown }).code;
const page = z.object({ requests: z.array(z.object({ query: z.record(z.string(), z.string()) })) });

it('whoever may not read a survey learns nothing of its files, neither by an ETag nor by a file that another had made', async () => {
  const hers = await cutout('survey=ours', mia);
  expect(hers.status, await hers.clone().text()).toBe(200);
  const etag = hers.headers.get('etag') ?? '';
  for (const headers of [{}, { 'if-none-match': etag }, { 'if-none-match': '*' }]) {
    const reply = await cutout('survey=ours', ann, headers);
    expect(reply.status).toBe(403);
    expect(reply.headers.get('etag')).toBeNull();
    expect(await reply.json()).toMatchObject({
      code: 'survey_not_granted',
      detail: expect.stringContaining('ours'),
    });
  }
  // Of the same tile by a survey that all may read it is another file.
  expect((await cutout('survey=small')).headers.get('etag')).not.toBe(etag);
});

it('what has not changed is told with the caching of the answer itself, which a page elsewhere may read about', async () => {
  const origin = { origin: 'https://notebook.example' };
  const first = await cutout('survey=small&bands=r', ann, origin);
  expect(first.headers.get('access-control-expose-headers')).toContain('Cutout-Coverage');
  const etag = first.headers.get('etag') ?? '';
  const again = await cutout('survey=small&bands=r', ann, { 'if-none-match': etag });
  expect(again.status).toBe(304);
  expect(again.headers.get('cache-control')).toBe(first.headers.get('cache-control'));
});

it('a request that no text of Postgres can hold is refused, and on record as far as it can be', async () => {
  for (const query of [
    'survey=%00',
    'survey=small&a%00b=x',
    `survey=small&${'a'.repeat(199)}%F0%9F%98%80=1`,
  ]) {
    const reply = await cutout(query);
    expect([query, reply.status, await code(reply)]).toEqual([query, 422, 'validation_failed']);
    const listed = page.parse(await (await api.get('/v1/cutouts/requests?pageSize=1', ann)).json());
    const known = new Set(['ra', 'dec', 'size', 'survey']);
    const other = Object.keys(listed.requests[0]?.query ?? {}).filter((name) => !known.has(name));
    expect(other).toHaveLength(query === 'survey=%00' ? 0 : 1);
    expect(listed.requests[0]?.query.survey).toBe(query === 'survey=%00' ? '' : 'small');
  }
  expect((await api.get('/v1/surveys/%00', ann)).status).toBe(422);
});

it('what a cutout waited for others is not what it is estimated to take', async () => {
  waited = 5000;
  const before = made;
  expect((await api.get('/v1/cutouts?ra=10.001&dec=20&size=5px&survey=small', ann)).status).toBe(200);
  expect(made).toBe(before + 1);
  await expect
    .poll(() => api.records.sql`select 1 from estimate_runs where features->>'pixels' = '25'`)
    .toHaveLength(1);
  const [run] = await api.records.sql<{ seconds: number }>`
    select seconds from estimate_runs where features->>'pixels' = '25'`;
  expect(run?.seconds).toBe(0);
});

it('of what cannot be had, or not by its sender, there is no link', async () => {
  const link = async (more: object, key = ann) => {
    const place = { survey: 'small', ra: '10', dec: '20', ...more };
    return code(await api.send('POST', '/v1/cutouts/links', key, place));
  };
  expect(await link({ survey: 'ours' })).toBe('survey_not_granted');
  expect(await link({ survey: 'none' })).toBe('unknown_survey');
  expect(await link({ dec: '91' })).toBe('validation_failed');
  expect(await link({ bands: 'z' })).toBe('unknown_band');
  expect(await link({ survey: 'ours' }, mia)).toBeUndefined();
});

it('a request is on record while it waits, and once with its end; whoever leaves is none that failed', async () => {
  const stateOf = async (size: number) =>
    (
      await api.records.sql<{ id: number; state: string; code: string | null }>`
        select id::int, state, problem ->> 'code' as code from cutouts where query ->> 'size' = ${`${size}px`}`
    ).map((row) => ({ ...row }));
  const asked = (size: number, signal?: AbortSignal): Promise<Response> =>
    fetch(`${api.url}/v1/cutouts?ra=10&dec=20&survey=small&size=${size}px`, {
      headers: { authorization: `Bearer ${ann}` },
      ...(signal && { signal }),
    });
  const gate = Promise.withResolvers<void>();
  held = gate.promise;
  const leaving = new AbortController();
  const [staying, left] = [asked(6), asked(7, leaving.signal)];
  for (const size of [6, 7]) await expect.poll(() => stateOf(size)).toMatchObject([{ state: 'running' }]);
  const [running] = await stateOf(6);
  leaving.abort();
  await expect(left).rejects.toThrow();
  await expect.poll(() => stateOf(7)).toMatchObject([{ state: 'left', code: null }]);
  gate.resolve();
  held = undefined;
  const reply = await staying;
  expect([reply.status, reply.headers.get('cutout-id')]).toEqual([200, String(running!.id)]);
  expect(await stateOf(6)).toEqual([{ id: running!.id, state: 'succeeded', code: null }]);
  // What was begun for somebody who left is there for the next.
  const before = made;
  expect((await asked(7)).status).toBe(200);
  expect(made).toBe(before);
  expect((await stateOf(7)).map(({ state }) => state).sort()).toEqual(['left', 'succeeded']);
});
