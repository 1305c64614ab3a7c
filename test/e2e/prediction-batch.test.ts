import { gzipSync } from 'node:zlib';
import { type BatchResult, batchResult, type Job } from '@darkroom/contract';
import { tarOf, zipOf } from '@darkroom/recognition/testing/archives.ts';
import { createKey } from '@darkroom/records';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { sampleBucket } from '../../apps/local/stack/samples.ts';
import { failpoints, type Platform, readJournal, startPlatform, until } from '../faults/platform.ts';
import type { TestProcess } from '../harness/process.ts';
import { ApiUser, sample } from '../harness/user.ts';

/** Many pictures at once, over HTTP, on the real parts: by a prefix, a list, an archive; killed, cancelled, resumed. */

const root = `s3://${sampleBucket}/batch/`;
const words = new TextEncoder().encode('only words');

let platform: Platform;
let worker: TestProcess;
let tester: ApiUser;
let cat: Uint8Array<ArrayBuffer>;
let rocket: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  platform = await startPlatform('batch', {
    LIMIT_PREDICTION_BYTES: '3000000',
    BATCH_NICE: '0',
    PREDICTION_DEADLINE_SECONDS: '60',
  });
  worker = await platform.stack.startWorker({ DARKROOM_QUEUES: 'light,recognition,interactive' });
  const { key } = await createKey(platform.records.db, {
    owner: 'tester',
    group: null,
    role: 'user',
    priority: 3,
  });
  tester = new ApiUser(platform.api.url, key);
  ({ bytes: cat } = await sample('cat.jpg'));
  ({ bytes: rocket } = await sample('rocket.jpg'));
}, 180_000);
afterAll(() => platform?.close());

const put = (name: string, bytes: Uint8Array) =>
  platform.storage.putBytes(`${root}${name}`, Buffer.from(bytes), { contentType: 'image/jpeg' });

async function submitted(body: object): Promise<string> {
  const answer = await platform.ask<Job & { detail?: string }>('POST', '/v1/batch-predictions', body);
  expect(answer.status, answer.body.detail).toBe(202);
  expect(answer.headers.get('location')).toBe(`/v1/jobs/${answer.body.id}`);
  return answer.body.id;
}

const listed = z.object({ files: z.array(z.object({ path: z.string(), url: z.string() })) });

async function textOf(id: string, path: string): Promise<string> {
  const { body } = await platform.ask('GET', `/v1/jobs/${id}/results`);
  const file = listed.parse(body).files.find((one) => one.path === path);
  return (await fetch(file?.url ?? '')).text();
}

const resultsOf = async (id: string): Promise<BatchResult[]> =>
  (await textOf(id, 'predictions.ndjson'))
    .trimEnd()
    .split('\n')
    .map((line) => batchResult.parse(JSON.parse(line)));

/** What came of each picture: its best class, or its problem. */
const summary = (results: readonly BatchResult[]) =>
  results.map(({ picture, label, problem }) => [picture, problem?.code ?? label]);

describe('the objects under a prefix', () => {
  let done: Job;
  let results: BatchResult[];

  test('each have a line, those that failed too', async () => {
    await put('few/a/cat.jpg', cat);
    await put('few/b/rocket.jpg', rocket);
    await put('few/notes.txt', words);
    await put('few/huge.jpg', Buffer.alloc(3_000_001));
    done = await platform.ended(await submitted({ source: `${root}few/`, topK: 2 }));
    expect(done).toMatchObject({
      kind: 'prediction-batch',
      state: 'succeeded_with_warnings',
      size: { pictures: 4 },
      // Since its plan was made.
      estimate: { seconds: { p50: expect.any(Number) }, runs: 0 },
      result: { model: { digest: expect.any(String) } },
      progress: { percent: 100 },
    });
    expect(done.progress.stages.map(({ name, done, total }) => [name, done, total])).toEqual([
      ['plan', 4, 4],
      ['predict', 4, 4],
      ['publish', 4, 4],
    ]);
    results = await resultsOf(done.id);
    expect(results).toMatchObject([
      {
        number: 1,
        picture: `${root}few/a/cat.jpg`,
        label: expect.stringMatching(/cat/i),
        width: 451,
        height: 300,
        format: 'jpeg',
      },
      { number: 2, picture: `${root}few/b/rocket.jpg`, state: 'succeeded', problem: null },
      {
        number: 3,
        picture: `${root}few/huge.jpg`,
        state: 'failed',
        result: null,
        problem: { code: 'too_large' },
      },
      { number: 4, picture: `${root}few/notes.txt`, problem: { code: 'unsupported_media' } },
    ]);
    expect(results[0]?.top).toHaveLength(2);
  });

  test('are the same lines as CSV', async () => {
    const csv = (await textOf(done.id, 'predictions.csv')).trimEnd().split('\r\n');
    expect(csv).toHaveLength(5);
    expect(csv[1]?.split(',').slice(0, 4)).toEqual([
      '1',
      `${root}few/a/cat.jpg`,
      'succeeded',
      String(results[0]?.result),
    ]);
    expect(csv[3]).toContain('too_large');
  });

  test('have what a prediction of each has, and are none of the list of those', async () => {
    const form = new FormData();
    form.append('file', new File([cat], 'cat.jpg'));
    const answer = await tester.call('/predict?detail=true&topK=2', { method: 'POST', body: form });
    const { top, result, score, model } = results[0]!;
    expect(await answer.json()).toMatchObject({ top, result, score, model });
    expect(await (await tester.call('/predict')).json()).toHaveLength(1);
  });

  test('are gone with their job, rows and all', async () => {
    await platform.ask('DELETE', `/v1/jobs/${done.id}`);
    await until(async () => (await platform.ask('GET', `/v1/jobs/${done.id}`)).status === 404, {
      what: 'its end',
    });
    expect(await platform.records.sql`select 1 from job_predictions where job_id = ${done.id}`).toEqual([]);
    expect(await keysUnder(platform.storage, `batch-predictions/${done.id}/`)).toEqual([]);
  });
});

test('a list names its pictures: what it may not name, or is not there, is a line as well', async () => {
  await put('listed/cat.jpg', cat);
  const uris = [`${root}listed/cat.jpg`, `${root}listed/gone.jpg`, 's3://elsewhere/secret.jpg', 'cat.jpg'];
  const expected = [
    [uris[0], expect.stringMatching(/cat/i)],
    [uris[1], 'source_not_found'],
    [uris[2], 'source_not_granted'],
    [null, 'invalid_row'],
  ];
  const csv = `id,uri\n${uris.map((uri, n) => `${n},${uri}`).join('\n')}\n`;
  const answer = await tester.call('/v1/batch-predictions?formats=ndjson', {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: csv,
  });
  const sent = z.object({ id: z.string() }).parse(await answer.json()).id;
  const named = await submitted({ pictures: uris });
  for (const id of [sent, named]) {
    expect((await platform.ended(id)).state).toBe('succeeded_with_warnings');
    expect(summary(await resultsOf(id))).toEqual(expected);
  }
});

test('an archive that is sent, or lies in the store, is unpacked; what it hides is refused by name, and nothing of it stays', async () => {
  const packed = [
    { name: 'in/cat.jpg', body: cat },
    { name: '../../up.jpg', body: cat },
    { name: 'inner.tar.gz', body: words },
    { name: 'rocket.jpg', body: rocket },
  ];
  const expected = [
    ['in/cat.jpg', expect.stringMatching(/cat/i)],
    ['../../up.jpg', 'refused_entry'],
    ['inner.tar.gz', 'refused_entry'],
    ['rocket.jpg', expect.any(String)],
  ];
  const form = new FormData();
  form.append('parameters', JSON.stringify({ formats: ['ndjson'] }));
  form.append('file', new File([new Uint8Array(zipOf(packed))], 'pictures.zip'));
  const answer = await tester.call('/v1/batch-predictions', { method: 'POST', body: form });
  const sent = z.object({ id: z.string() }).parse(await answer.json()).id;
  await put('packed.tar.gz', gzipSync(tarOf(packed)));
  const stored = await submitted({ source: `${root}packed.tar.gz` });
  for (const id of [sent, stored]) {
    expect((await platform.ended(id)).state).toBe('succeeded_with_warnings');
    const results = await resultsOf(id);
    expect(summary(results)).toEqual(expected);
    expect(results[1]?.problem?.detail).toBe('"../../up.jpg" has a path that leaves the archive.');
    expect(await keysUnder(platform.storage, `batch-pictures/${id}/`)).toEqual([]);
  }
});

test('a rerun is a job of its own over the same archive: neither has to do with the other one, nor with its end', async () => {
  const packed = [
    { name: 'cat.jpg', body: cat },
    { name: 'rocket.jpg', body: rocket },
  ];
  const answer = await tester.call('/v1/batch-predictions?topK=3', {
    method: 'POST',
    headers: { 'content-type': 'application/zip' },
    body: new Uint8Array(zipOf(packed)),
  });
  const first = z.object({ id: z.string() }).parse(await answer.json()).id;
  await platform.ended(first);
  const files = () =>
    Promise.all(['predictions.ndjson', 'predictions.csv'].map((path) => textOf(first, path)));
  const before = await files();

  const { body: again } = await platform.ask<Job>('POST', `/v1/jobs/${first}/rerun`, {
    topK: 1,
    formats: ['ndjson'],
  });
  expect(again.id).not.toBe(first);
  expect(await platform.ended(again.id)).toMatchObject({ state: 'succeeded', rerunOf: first });
  const results = await resultsOf(again.id);
  const [cats, rockets] = await resultsOf(first);
  expect(results).toMatchObject([
    { picture: 'cat.jpg', result: cats?.result, score: cats?.score },
    { picture: 'rocket.jpg', result: rockets?.result, score: rockets?.score },
  ]);
  expect(results.map(({ top }) => top?.length)).toEqual([1, 1]);
  // What it has written is beside what the first one has, which stays as it was.
  expect(await keysUnder(platform.storage, `batch-predictions/${again.id}/`)).not.toContainEqual(
    expect.stringMatching(/\.csv$/),
  );
  expect(await files()).toEqual(before);
  expect(cats?.top).toHaveLength(3);

  const gone = async (id: string) => {
    await platform.ask('DELETE', `/v1/jobs/${id}`);
    await until(async () => (await platform.ask('GET', `/v1/jobs/${id}`)).status === 404, {
      what: 'its end',
    });
  };
  // The archive was sent with the first one, and is there for as long as the other may read it.
  await gone(first);
  expect(await resultsOf(again.id)).toEqual(results);
  expect(await keysUnder(platform.storage, `batch-prediction-inputs/${first}/`)).toHaveLength(1);
  await gone(again.id);
  expect(await keysUnder(platform.storage, `batch-prediction-inputs/${first}/`)).toEqual([]);
});

test('what cannot be begun is refused before it is a job, or fails it by name', async () => {
  const refused = async (body: object) =>
    (await platform.ask('POST', '/v1/batch-predictions', body)).body.code;
  expect(await refused({ source: 's3://elsewhere/photos/' })).toBe('source_not_granted');
  expect(await refused({ source: `${root}list.txt` })).toBe('validation_failed');
  expect(await refused({ source: `${root}few/`, pictures: ['s3://a/b'] })).toBe('validation_failed');
  expect(await refused({ source: `${root}few/`, model: 'nobody' })).toBe('unknown_model');
  await put('none.zip', words);
  expect(await platform.ended(await submitted({ source: `${root}none.zip` }))).toMatchObject({
    state: 'failed',
    problem: { code: 'damaged_archive' },
  });
  expect(await platform.ended(await submitted({ source: `${root}nothing/` }))).toMatchObject({
    state: 'failed',
    problem: { code: 'empty_file' },
  });
});

describe('a batch of some', () => {
  const count = 40;
  const source = `${root}some/`;
  beforeAll(async () => {
    await Promise.all(
      Array.from({ length: count }, (_, n) =>
        put(`some/${String(n).padStart(2, '0')}.jpg`, n % 2 ? cat : rocket),
      ),
    );
    await worker.stop();
  });

  /** A worker of the batches alone that dies, or is slow, at pictures. */
  const batchWorker = (points: Parameters<typeof failpoints>[0]['points'], journal?: string) =>
    platform.stack.startWorker({
      DARKROOM_QUEUES: 'light,recognition',
      HEARTBEAT_TIMEOUT_SECONDS: '2',
      ...failpoints({ points, ...(journal !== undefined && { journal }) }),
    });

  /** Items that are done, each with the claim that it was done under: one that is done again has another. */
  const done = (id: string) =>
    platform.records
      .sql`select ordinal, run, claim from job_items where job_id = ${id} and state = 'succeeded' order by ordinal`;

  test('goes on where a worker was killed in its middle, and does nothing again that was done', async () => {
    const journal = `${platform.stack.home}/batch-kills.jsonl`;
    const doomed = await batchWorker({ 'batch.predict': { killOnce: ['20.jpg'] } }, journal);
    const id = await submitted({ source });
    expect(await doomed.ended).toBe('SIGKILL');
    const before = await done(id);
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(count);
    expect(await readJournal(journal)).toHaveLength(1);
    const next = await batchWorker({});
    expect(await platform.ended(id)).toMatchObject({ state: 'succeeded', size: { pictures: count } });
    expect(await done(id)).toEqual(expect.arrayContaining(before));
    // Each has what is on it, whoever predicted it.
    const labels = (await resultsOf(id)).map(({ label }) => label);
    expect(labels).toHaveLength(count);
    expect(new Set(labels.filter((_, n) => n % 2 === 1)).size).toBe(1);
    expect(new Set(labels.filter((_, n) => n % 2 === 0)).size).toBe(1);
    await next.stop();
  }, 300_000);

  test('ends at once when it is cancelled, and a resume keeps what it has', async () => {
    const slow = await batchWorker({ 'batch.predict': { delayMs: 600_000, when: '20.jpg' } });
    const id = await submitted({ source });
    await until(async () => (await done(id)).length >= 10, { what: 'some of it' });
    await platform.ask('POST', `/v1/jobs/${id}/cancel`, { reason: 'enough' });
    expect(await platform.ended(id, 30)).toMatchObject({ state: 'cancelled' });
    const kept = await done(id);
    // It is still in hand of the picture that is slow, which nobody waits for any more.
    slow.kill('SIGKILL');
    const next = await batchWorker({});
    await platform.ask('POST', `/v1/jobs/${id}/resume`);
    expect((await platform.ended(id)).state).toBe('succeeded');
    const all = await done(id);
    expect(all).toHaveLength(count);
    expect(all).toEqual(expect.arrayContaining(kept));
    await next.stop();
  }, 300_000);
});
