import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { job as jobDocument, manifest } from '@darkroom/contract';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type InProcess, startInProcess } from '../harness/in-process.ts';
import { fileAt, filesShown } from '../harness/shown.ts';
import type { ApiUser } from '../harness/user.ts';
import { tallyResult } from './contract.ts';
import { countLetter } from './core.ts';
import { kinds, queues, services } from './registration.ts';

/** The walk of docs/new-kind.md: its files, as they stand there, make a kind of job that works. */

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let house: InProcess;
let ada: ApiUser;
beforeAll(async () => {
  house = await startInProcess('new kind', { kinds, services, queues, workflows: here('workflows.ts') });
  ada = await house.user('ada');
  await house.work(['light', 'tally']);
}, 300_000);
afterAll(async () => {
  await house?.close();
}, 180_000);

const read = async (answer: Response) => jobDocument.parse(await answer.json());

test('the document shows the files as they are', async () => {
  const shown = await filesShown('docs/new-kind.md', 'test/new-kind');
  const files = (await readdir(here('.'))).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  );
  expect([...shown.keys()].sort()).toEqual(files.map((name) => `test/new-kind/${name}`).sort());
  for (const [path, code] of shown) expect(code).toBe(await fileAt(path));
});

test('the core stands alone', () => {
  expect(countLetter('Never odd or even', 'E')).toBe(4);
  expect(countLetter('', 'e')).toBe(0);
});

test('a tally goes in over HTTP and comes out with results, a manifest and the progress of its stages', async () => {
  const texts = [
    'banana',
    'cherry',
    'A man, a plan, a canal',
    '',
    'Darkroom',
    'papaya',
    'fig',
    'avocado',
    'kiwi',
  ];
  const answer = await ada.post('/v1/tallies', { letter: 'a', texts });
  expect(answer.status).toBe(202);
  const { id } = await read(answer);
  expect(answer.headers.get('location')).toBe(`/v1/jobs/${id}`);

  const job = await ada.ended(id);
  expect(job).toMatchObject({
    kind: 'tally',
    state: 'succeeded',
    owner: 'ada',
    input: { letter: 'a' },
    problem: null,
    progress: { percent: 100 },
  });
  expect(
    job.progress.stages.map(({ name, state, done, total, unit }) => [name, state, done, total, unit]),
  ).toEqual([
    ['count', 'succeeded', texts.length, texts.length, 'texts'],
    ['publish', 'succeeded', texts.length, texts.length, 'texts'],
  ]);
  // Pages of four: three attempts counted, one published.
  expect(job.progress.stages.map(({ attempts }) => attempts)).toEqual([3, 1]);

  const results = z.object({
    files: z.array(z.object({ path: z.string(), url: z.string(), item: z.string() })),
  });
  const { files } = results.parse(await (await ada.call(`/v1/jobs/${id}/results`)).json());
  const counts = await Promise.all(
    files.map(async ({ url, item }) => {
      const { count } = tallyResult.parse(await (await fetch(url)).json());
      return [item, count];
    }),
  );
  expect(Object.fromEntries(counts)).toEqual(
    Object.fromEntries(texts.map((text, index) => [String(index + 1), countLetter(text, 'a')])),
  );
  const raw = await house.storage.getBytes(`tallies/${id}/manifest.json`, { maxBytes: 1e6 });
  expect(manifest.parse(JSON.parse(raw.toString()))).toMatchObject({ job: id, kind: 'tally' });
});

test('its trace goes from the request to every activity, though nobody collects spans here', async () => {
  const { id } = await read(await ada.post('/v1/tallies', { letter: 'a', texts: ['banana'] }));
  const { traceId } = await ada.ended(id);
  expect(traceId).toMatch(/^[\da-f]{32}$/);
  const { events } = await house.temporal.workflow.getHandle(id).fetchHistory();
  const scheduled = (events ?? []).flatMap(
    ({ activityTaskScheduledEventAttributes }) => activityTaskScheduledEventAttributes ?? [],
  );
  expect(scheduled.map(({ activityType }) => activityType?.name)).toEqual(['countLetters', 'publishTally']);
  for (const { header } of scheduled) {
    expect(Buffer.from(header?.fields?.['_tracer-data']?.data ?? []).toString()).toContain(traceId);
  }
});

test('all that jobs can do, a tally can: the same request once, rerun with changes, delete', async () => {
  const submit = () => ada.post('/v1/tallies', { texts: ['eel'] }, { 'idempotency-key': 'eel-1' });
  const [first, second] = [await read(await submit()), await read(await submit())];
  expect(second.id).toBe(first.id);
  expect(await ada.ended(first.id)).toMatchObject({ state: 'succeeded', input: { letter: 'e' } });

  const again = await read(await ada.post(`/v1/jobs/${first.id}/rerun`, { letter: 'l' }));
  expect(await ada.ended(again.id)).toMatchObject({ state: 'succeeded', rerunOf: first.id });
  const counted = await house.storage.getBytes(`tallies/${again.id}/1.json`, { maxBytes: 100 });
  expect(tallyResult.parse(JSON.parse(counted.toString()))).toEqual({ letter: 'l', count: 1 });

  await expect
    .poll(async () => (await ada.call(`/v1/jobs/${again.id}`, { method: 'DELETE' })).status, {
      timeout: 60_000,
    })
    .toBe(204);
  expect(await keysUnder(house.storage, `tallies/${again.id}/`)).toEqual([]);
});

test('the document of the API tells of it, and what does not fit is refused', async () => {
  const api = z
    .object({
      paths: z.record(z.string(), z.unknown()),
      components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
    })
    .parse(await (await fetch(`${house.url}/openapi.json`)).json());
  expect(Object.keys(api.paths)).toContain('/v1/tallies');
  expect(api.components.schemas.TallyRequest).toMatchObject({
    properties: { letter: { description: 'The letter to count. Default: "e".' } },
  });
  const answer = await ada.post('/v1/tallies', { texts: [], letter: 'ab', colour: 'red' });
  expect(answer.status).toBe(422);
  expect((await answer.json()) as object).toMatchObject({ code: 'validation_failed' });
});
