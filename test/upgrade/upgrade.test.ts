import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { rounded } from '@darkroom/platform/rounded.ts';
import { confirmLostRuns, createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestStack, type TestStack } from '../harness/stack.ts';
import { ApiUser } from '../harness/user.ts';
import { answersOf, type Index } from './answers.ts';
import { readIndex, restoreDatabase, restoreObjects } from './dump.ts';

/** Jobs that an earlier version left in the midst of things, with this version's tables, API and worker. */

const dumps = join(import.meta.dirname, 'dumps');

describe.each(readdirSync(dumps))('the database and objects of %s', (name) => {
  const folder = join(dumps, name);
  let stack: TestStack & { close(): Promise<void> };
  let records: Records;
  let storage: Storage;
  let ada: ApiUser;
  let index: Index;
  let before: Map<string, Item[]>;

  beforeAll(async () => {
    index = await readIndex(join(folder, 'index.json.gz'));
    stack = await startTestStack('upgrade');
    const { postgres, s3 } = stack.stack;
    storage = createStorage({ ...s3, forcePathStyle: true });
    await restoreDatabase(postgres, join(folder, 'database.sql.gz'));
    await restoreObjects(storage, join(folder, 'objects.ndjson.gz'));
    records = openRecords({ url: postgres, application: 'upgrade' });
    before = new Map(
      await Promise.all(Object.keys(index.jobs).map(async (job) => [job, await done(job)] as const)),
    );
    await migrate(postgres);
    // The engine's own store is no part of the dump: its runs are gone, as an operator would say.
    await confirmLostRuns(records.db, 'the test');
    const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
    const [api] = await Promise.all([stack.startApi(), stack.startWorker()]);
    ada = new ApiUser(api.url, key);
  });
  afterAll(async () => {
    await records?.close();
    storage?.close();
    await stack?.close();
  });

  interface Item {
    readonly stage: string;
    readonly ordinal: number;
    readonly sha256: string;
    readonly claim: number;
  }

  /** The items of a job that are done, with who did them. */
  const done = (job: string): Promise<Item[]> => records.sql<{ [K in keyof Item]: Item[K] }>`
    select stage, ordinal, sha256, claim::int from job_items
    where job_id = ${index.jobs[job]} and state = 'succeeded' order by stage, ordinal`;

  const idOf = (job: string): string => {
    const id = index.jobs[job];
    if (id === undefined) throw new Error(`The dump has no job ${job}.`);
    return id;
  };

  const finished = [
    'photo-succeeded',
    'photo-with-warnings',
    'photo-failed',
    'photo-rerun',
    'photo-cancelled',
    'photo-resumable',
    'video-succeeded',
    'video-failed',
    'video-cancelled',
    'video-resumable',
  ];

  test.each(finished)('what is told of %s is what was told of it', async (job) => {
    expect(await answersOf(ada, idOf(job))).toMatchObject(index.answers[job] ?? {});
  });

  test('the files that its results list are there, byte by byte', async () => {
    for (const job of ['photo-succeeded', 'video-succeeded', 'photo-cancelled', 'video-cancelled']) {
      const answer = await ada.call(`/v1/jobs/${idOf(job)}/results?pageSize=1000`);
      const { files } = (await answer.json()) as { files: { url: string; sha256: string }[] };
      expect(files.length).toBeGreaterThan(0);
      for (const { url, sha256 } of files) {
        const bytes = await (await fetch(url)).bytes();
        expect(Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex')).toBe(sha256);
      }
    }
  });

  test.each([
    ['photo-queued', 'succeeded'],
    ['video-queued', 'succeeded'],
    ['photo-unsent', 'succeeded'],
    ['video-unsent', 'succeeded'],
    ['photo-cancelling', 'cancelled'],
  ])('%s ends %s', async (job, state) => {
    expect(await ada.ended(idOf(job))).toMatchObject({ state });
  });

  test('photo-running goes on from what it had done', async () => {
    expect(before.get('photo-running')?.length).toBeGreaterThan(0);
    expect(await ada.ended(idOf('photo-running'))).toMatchObject({
      state: 'succeeded',
      progress: { percent: 100 },
    });
    expect(await done('photo-running')).toEqual(expect.arrayContaining(before.get('photo-running') ?? []));
  });

  test('video-running looks for its scenes anew, by the detector of now, and ends with each of them once', async () => {
    const ordinals = before.get('video-running')?.map(({ ordinal }) => ordinal);
    expect(ordinals?.length).toBeGreaterThan(0);
    expect(await ada.ended(idOf('video-running'))).toMatchObject({
      state: 'succeeded',
      progress: { percent: 100 },
    });
    const found = (await done('video-running')).filter(({ stage }) => stage === 'recognise');
    expect(found.map(({ ordinal }) => ordinal)).toEqual(found.map((_, n) => n + 1));
    expect(found.length).toBeGreaterThanOrEqual(Math.max(...(ordinals ?? [])));
    expect(await ada.segments(idOf('video-running'))).toHaveLength(found.length);
  });

  test.each(['photo-cancelled', 'video-cancelled', 'photo-resumable', 'video-resumable'])(
    '%s is resumed without redoing what is done',
    async (job) => {
      expect((await ada.post(`/v1/jobs/${idOf(job)}/resume`)).status).toBe(202);
      await expect
        .poll(async () => (await ada.job(idOf(job))).finishedAt, { timeout: 60_000 })
        .not.toBeNull();
      expect(await ada.job(idOf(job))).toMatchObject({ state: 'succeeded', progress: { percent: 100 } });
      expect(await done(job)).toEqual(expect.arrayContaining(before.get(job) ?? []));
    },
  );

  test.each(['photo-succeeded', 'video-succeeded'])('%s runs again, with the same result', async (job) => {
    const answer = await ada.post(`/v1/jobs/${idOf(job)}/rerun`, {});
    expect(answer.status).toBe(202);
    const { id } = (await answer.json()) as { id: string };
    expect(await ada.ended(id)).toMatchObject({ state: 'succeeded' });
    const found = async (of: string): Promise<object[]> =>
      (await ada.segments(of)).map(({ filename, state, scene, detections }) => ({
        filename,
        state,
        // What was told before has the noise of its computation; scores of cuts were counted otherwise.
        scene: scene && {
          ...scene,
          score: scene.score && expect.any(Number),
          frame: { ...scene.frame, offset: rounded(scene.frame.offset, 6) },
        },
        found: detections.map(({ label, score }) => ({ label, score })),
      }));
    expect(await found(id)).toEqual(await found(idOf(job)));
  });

  test.each(['photo-with-warnings', 'video-cancelled', 'photo-deleting'])(
    '%s is deleted, objects and all',
    async (job) => {
      const path = `/v1/jobs/${idOf(job)}`;
      await expect
        .poll(async () => (await ada.call(path, { method: 'DELETE' })).status, { timeout: 60_000 })
        .toBe(204);
      expect((await ada.call(path)).status).toBe(404);
      const left: string[] = [];
      for await (const { key } of storage.list(`s3://${storage.bucket}/`))
        if (key.includes(idOf(job))) left.push(key);
      expect(left).toEqual([]);
      expect(await done(job)).toEqual([]);
    },
  );

  test('what was deleted stays so', async () => {
    expect((await ada.call(`/v1/jobs/${idOf('photo-deleted')}`)).status).toBe(404);
  });

  test('a job is deleted, and the one that runs it again keeps its sources', async () => {
    const path = `/v1/jobs/${idOf('photo-succeeded')}`;
    await expect
      .poll(async () => (await ada.call(path, { method: 'DELETE' })).status, { timeout: 60_000 })
      .toBe(204);
    const answer = await ada.post(`/v1/jobs/${idOf('photo-rerun')}/rerun`, {});
    expect(answer.status).toBe(202);
    const { id } = (await answer.json()) as { id: string };
    expect(await ada.ended(id)).toMatchObject({ state: 'succeeded' });
  });
});
