import type { Job, ProblemDocument } from '@darkroom/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestProcess } from '../harness/process.ts';
import { digestsOf, faultsOf, itemsOf, type Rows, rowsOf } from './ledger.ts';
import {
  type Answer,
  failpoints,
  outageOf,
  type Platform,
  type Server,
  startPlatform,
  until,
} from './platform.ts';

/** Temporal, Postgres and S3 die under a running job and come back on their data: it succeeds, and meanwhile nobody is left waiting. */

type Reply = Answer<Job & ProblemDocument & { task_id: string }>;

const photos = 30;
let platform: Platform;
let source: string;
let worker: TestProcess;
let expected: { digests: Map<string, string>; rows: Rows };

beforeAll(async () => {
  platform = await startPlatform('outages');
  source = await platform.photos(photos);
  const [undisturbed] = await Promise.all([platform.recognitionWorker(), platform.lightWorker()]);
  const id = await platform.submit(source);
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded' });
  expected = { digests: await digestsOf(platform, id), rows: await rowsOf(platform, id) };
  await undisturbed.stop();
  // Slow enough that an outage finds the job at work.
  worker = await platform.recognitionWorker(failpoints({ points: { 'photo.prepare': { delayMs: 700 } } }));
}, 300_000);

afterAll(async () => {
  await platform?.close();
}, 180_000);

/** A job of which some items are done and others in hand. */
async function underWay(): Promise<string> {
  const id = await platform.submit(source);
  await until(async () => (await itemsOf(platform, id)).some(({ state }) => state === 'succeeded'), {
    seconds: 120,
    what: 'the job to get going',
  });
  return id;
}

const outage = <T>(server: Server, seconds: number, meanwhile: () => Promise<T>): Promise<T> =>
  outageOf(platform.stack, server, seconds, meanwhile);

const post = (path: string, body?: object): Promise<Reply> => platform.ask('POST', path, body);
const get = (path: string): Promise<Reply> => platform.ask('GET', path);
const submit = (): Promise<Reply> => post('/v1/analysis', { source });

/** An answer in time; the platform's own waits end after 5 s at most, the rest is what a busy machine adds. */
function expectPrompt(answers: readonly Reply[]): void {
  for (const { ms } of answers) expect(ms).toBeLessThan(8000);
}

function expectAway(answer: Reply, code: string): void {
  expect(answer.body).toMatchObject({ status: 503, code, retryable: true });
  expect(answer.status).toBe(503);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
}

async function expectWhole(id: string, seconds = 180): Promise<void> {
  expect(await platform.ended(id, seconds)).toMatchObject({ state: 'succeeded', warnings: 0, problem: null });
  expect(await faultsOf(platform, id, expected)).toEqual([]);
}

test('Temporal away: submit is queued, cancel is noted, reads go on; all of it is carried out later', async () => {
  const [kept, called] = [await underWay(), await underWay()];
  // Silent at first: who asks it gets no refusal, and is not kept waiting for one.
  process.kill(platform.stack.stack.pids.temporal ?? 0, 'SIGSTOP');
  const silent = await submit();
  const answers = await outage('temporal', 4, async () => {
    const [submitted, cancelled, read, list, health, ready] = await Promise.all([
      submit(),
      post(`/v1/jobs/${called}/cancel`),
      get(`/v1/jobs/${kept}`),
      get('/v1/jobs'),
      get('/status/health'),
      get('/status/ready'),
    ]);
    return { submitted, cancelled, read, list, health, ready };
  });
  expectPrompt([silent, ...Object.values(answers)]);
  for (const submitted of [silent, answers.submitted])
    expect(submitted).toMatchObject({ status: 202, body: { state: 'queued' } });
  expect(answers.cancelled).toMatchObject({ status: 202, body: { state: 'cancelling' } });
  expect([answers.read, answers.list, answers.health].map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(answers.ready).toMatchObject({
    status: 503,
    body: { temporal: { ready: false }, postgres: { ready: true }, s3: { ready: true } },
  });
  await expectWhole(kept);
  for (const { body } of [silent, answers.submitted]) await expectWhole(body.task_id);
  expect(await platform.ended(called, 180)).toMatchObject({ state: 'cancelled' });
}, 300_000);

test('Postgres away: 503 with Retry-After; the job succeeds, and no item is blamed', async () => {
  const id = await underWay();
  const answers = await outage('postgres', 3, async () => {
    const [submitted, cancelled, read, list, health, ready] = await Promise.all([
      submit(),
      post(`/v1/jobs/${id}/cancel`),
      get(`/v1/jobs/${id}`),
      get('/v1/jobs'),
      get('/status/health'),
      get('/status/ready'),
    ]);
    return { submitted, cancelled, read, list, health, ready };
  });
  expectPrompt(Object.values(answers));
  for (const answer of [answers.submitted, answers.cancelled, answers.read, answers.list])
    expectAway(answer, 'records_unavailable');
  expect(answers.health).toMatchObject({ status: 200, body: { status: 'ready' } });
  expect(answers.ready).toMatchObject({
    status: 503,
    body: { temporal: { ready: true }, postgres: { ready: false }, s3: { ready: true } },
  });
  await until(async () => (await get('/v1/jobs')).status === 200, {
    seconds: 120,
    what: 'Postgres to serve again',
  });
  await expectWhole(id);
  expect((await itemsOf(platform, id)).filter(({ deaths }) => deaths > 0)).toEqual([]);
}, 300_000);

test('S3 away: what needs no object is answered, the rest with 503; the job succeeds', async () => {
  const id = await underWay();
  const answers = await outage('s3', 3, async () => {
    const [submitted, read, list, health, ready] = await Promise.all([
      submit(),
      get(`/v1/jobs/${id}`),
      get('/v1/jobs'),
      get('/status/health'),
      get('/status/ready'),
    ]);
    return { submitted, read, list, health, ready };
  });
  expectPrompt(Object.values(answers));
  expectAway(answers.submitted, 'storage_unavailable');
  expect([answers.read, answers.list, answers.health].map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(answers.ready).toMatchObject({
    status: 503,
    body: { temporal: { ready: true }, postgres: { ready: true }, s3: { ready: false } },
  });
  await expectWhole(id);
  expect((await itemsOf(platform, id)).filter(({ deaths }) => deaths > 0)).toEqual([]);
  // All three outages were one worker's.
  expect(await Promise.race([worker.ended, 'at work'])).toBe('at work');
}, 300_000);
