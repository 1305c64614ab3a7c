import { ProblemError } from '@darkroom/contract';
import { createLogger, loadConfig } from '@darkroom/platform';
import { type Caller, getJob, getJobRow, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshDatabase, startPostgres, type TestPostgres } from '../../test/harness/postgres.ts';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import type { Engine, RunState } from './engine.ts';
import { createDispatch, type Dispatch, fingerprintOf } from './index.ts';

/** An engine that notes what it is told, and is away when told so. */
class NotedEngine implements Engine {
  away = false;
  readonly started: { jobId: string; run: number; priority: unknown }[] = [];
  readonly cancelled: string[] = [];
  readonly removals: string[] = [];
  readonly runs = new Map<string, RunState>();

  #ask(): void {
    if (this.away) throw new ProblemError('engine_unavailable', 'away');
  }
  async start(start: { jobId: string; run: number }, how: { priority: unknown }): Promise<void> {
    this.#ask();
    this.started.push({ jobId: start.jobId, run: start.run, priority: how.priority });
    this.runs.set(start.jobId, 'running');
  }
  async cancel(jobId: string): Promise<void> {
    this.#ask();
    this.cancelled.push(jobId);
  }
  async describe(jobId: string): Promise<RunState> {
    this.#ask();
    return this.runs.get(jobId) ?? 'absent';
  }
  async startRemoval(jobId: string): Promise<void> {
    this.#ask();
    this.removals.push(jobId);
  }
  async ping(): Promise<number> {
    this.#ask();
    return 1;
  }
  async ensure(): Promise<void> {}
  async close(): Promise<void> {}
}

const ada: Caller = { owner: 'ada', group: null, role: 'user', priority: 2 };

let postgres: TestPostgres;
let s3: TestS3;
let records: Records;
let storage: Storage;
let engine: NotedEngine;
let dispatch: Dispatch;

beforeAll(async () => {
  [postgres, s3] = await Promise.all([startPostgres(), startS3()]);
  records = await openRecords({ url: await freshDatabase(postgres.url) });
  storage = createStorage({ ...s3, forcePathStyle: true });
});

afterAll(async () => {
  await records?.close();
  storage?.close();
  await Promise.all([postgres?.stop(), s3?.stop()]);
});

beforeEach(() => {
  engine = new NotedEngine();
  const config = loadConfig({ DATABASE_URL: postgres.url, S3_ENDPOINT: s3.endpoint });
  const logger = createLogger({ service: 'test', level: 'fatal' });
  dispatch = createDispatch({ records, storage, config, logger, engine });
});

const submission = (input: Record<string, unknown> = {}) => ({
  input: { scoreThreshold: 0.4, ...input },
  fingerprint: fingerprintOf(input),
  stage: 'recognise',
  items: [{ key: '1', input: { uri: 's3://b/a.jpg', etag: 'e', bytes: 1, filename: 'a.jpg' } }],
});

const submit = async (): Promise<string> => (await dispatch.submit('photo', ada, submission())).jobId;

/** Lets a row look as if nothing had happened to it for an hour. */
const age = (id: string) =>
  records.db.execute(sql`update jobs set updated_at = now() - interval '1 hour' where id = ${id}`);

const objectsUnder = async (prefix: string): Promise<number> => {
  let count = 0;
  for await (const _ of storage.list(prefix)) count++;
  return count;
};

describe('submit', () => {
  test('starts the run with the priority and the owner of the caller', async () => {
    const jobId = await submit();
    expect(engine.started).toEqual([{ jobId, run: 1, priority: { priorityKey: 2, fairnessKey: 'ada' } }]);
    expect((await getJob(records.db, jobId))?.job).toMatchObject({ state: 'queued', dispatched: true });
  });

  test('is acknowledged while the engine is away; the sweep starts the run later, once', async () => {
    engine.away = true;
    const jobId = await submit();
    expect((await getJobRow(records.db, jobId))?.dispatched).toBe(false);
    engine.away = false;
    await age(jobId);
    expect(await dispatch.sweepOnce()).toMatchObject({ started: 1 });
    expect(await dispatch.sweepOnce()).toMatchObject({ started: 0 });
    expect(engine.started.map((one) => one.jobId)).toEqual([jobId]);
  });

  test('a job cancelled while it waited for the engine is never started', async () => {
    engine.away = true;
    const jobId = await submit();
    await dispatch.cancel(jobId, 'changed my mind');
    engine.away = false;
    await age(jobId);
    await dispatch.sweepOnce();
    expect(engine.started).toEqual([]);
    expect(await getJobRow(records.db, jobId)).toMatchObject({
      state: 'cancelled',
      cancelReason: 'changed my mind',
    });
  });

  test('the same key and request is the same job; the second one leaves neither row nor object', async () => {
    const first = await dispatch.submit('photo', ada, { ...submission(), idempotencyKey: 'k1' });
    const { id } = await dispatch.receive('photo', ada, { input: {} });
    await storage.putBytes(`input-files/${id}/a.jpg`, Buffer.from('x'), { contentType: 'image/jpeg' });
    const second = await dispatch.commit(id, { ...submission(), idempotencyKey: 'k1' });
    expect(second).toEqual({ jobId: first.jobId, duplicate: true });
    expect(await getJobRow(records.db, id)).toBeUndefined();
    expect(await objectsUnder(`input-files/${id}/`)).toBe(0);
    await expect(
      dispatch.submit('photo', ada, { ...submission({ annotate: false }), idempotencyKey: 'k1' }),
    ).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });
});

describe('sweep', () => {
  test('tells the engine of a cancel that it missed', async () => {
    const jobId = await submit();
    engine.away = true;
    await dispatch.cancel(jobId, 'stop');
    expect((await getJobRow(records.db, jobId))?.state).toBe('cancelling');
    engine.away = false;
    await dispatch.sweepOnce();
    expect(engine.cancelled).toEqual([jobId]);
  });

  test('queues a job again whose run is gone, under a new run', async () => {
    const jobId = await submit();
    engine.runs.delete(jobId);
    await age(jobId);
    expect(await dispatch.sweepOnce()).toMatchObject({ requeued: 1 });
    await age(jobId);
    await dispatch.sweepOnce();
    expect(engine.started.filter((one) => one.jobId === jobId).map((one) => one.run)).toEqual([1, 2]);
  });

  test('stops with an alarm when more runs are gone than can be an accident', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, submit));
    engine.runs.clear();
    await Promise.all(ids.map(age));
    const report = await dispatch.sweepOnce();
    expect(report.requeued).toBe(0);
    expect(report.alarm).toContain('TEMPORAL_NAMESPACE');
    await records.db.execute(
      sql`update jobs set state = 'failed', finished_at = now() where finished_at is null`,
    );
  });

  test('ends a job whose run was ended in the engine', async () => {
    const jobId = await submit();
    engine.runs.set(jobId, 'closed');
    await age(jobId);
    expect(await dispatch.sweepOnce()).toMatchObject({ closed: 1 });
    expect(await getJobRow(records.db, jobId)).toMatchObject({
      state: 'failed',
      problem: { code: 'internal' },
    });
  });

  test('takes back what an API that died had begun to receive', async () => {
    const { id } = await dispatch.receive('photo', ada, { input: {} });
    await storage.putBytes(`input-files/${id}/a.jpg`, Buffer.from('x'), { contentType: 'image/jpeg' });
    await dispatch.sweepOnce();
    expect(await getJobRow(records.db, id)).toBeDefined();
    await records.db.execute(sql`update jobs set updated_at = now() - interval '2 hours' where id = ${id}`);
    expect(await dispatch.sweepOnce()).toMatchObject({ abandoned: 1 });
    expect(await getJobRow(records.db, id)).toBeUndefined();
    expect(await objectsUnder(`input-files/${id}/`)).toBe(0);
  });

  test('removes results past their retention, and keeps the job', async () => {
    const jobId = await submit();
    await storage.putBytes(`recognition-results/${jobId}/1_result.json`, Buffer.from('{}'), {
      contentType: 'application/json',
    });
    await records.db.execute(sql`
      update jobs set state = 'succeeded', finished_at = now(), results_expire_at = now() - interval '1 minute'
      where id = ${jobId}`);
    expect(await dispatch.sweepOnce()).toMatchObject({ expired: 1 });
    expect(await objectsUnder(`recognition-results/${jobId}/`)).toBe(0);
    expect((await getJobRow(records.db, jobId))?.resultsRemovedAt).toBeInstanceOf(Date);
  });

  test('removes objects that no job owns, once they are a day old', async () => {
    const jobId = await submit();
    const old = `0190a000-0000-7000-8000-${'0'.repeat(12)}`;
    for (const id of [old, jobId]) {
      await storage.putBytes(`input-files/${id}/a.jpg`, Buffer.from('x'), { contentType: 'image/jpeg' });
    }
    expect(await dispatch.sweepOnce()).toMatchObject({ orphans: 1 });
    expect([await objectsUnder(`input-files/${old}/`), await objectsUnder(`input-files/${jobId}/`)]).toEqual([
      0, 1,
    ]);
  });

  test('starts a removal that the engine missed', async () => {
    const jobId = await submit();
    engine.away = true;
    expect(await dispatch.remove(jobId)).toEqual({ done: false });
    engine.away = false;
    await dispatch.sweepOnce();
    expect(engine.removals).toContain(jobId);
  });
});

describe('resume and rerun', () => {
  test('a finished job is not resumed, a failed one is, under the next run', async () => {
    const jobId = await submit();
    await expect(dispatch.resume(jobId)).rejects.toMatchObject({ code: 'conflict' });
    await records.db.execute(sql`update jobs set state = 'failed', finished_at = now() where id = ${jobId}`);
    await dispatch.resume(jobId);
    expect(engine.started.at(-1)).toMatchObject({ jobId, run: 2 });
  });

  test('a rerun takes the source, and the options with the changes', async () => {
    const jobId = await submit();
    const again = await dispatch.rerun(jobId, { labels: ['cat'] }, ada);
    const made = await getJobRow(records.db, again.jobId);
    expect(made).toMatchObject({ rerunOf: jobId, sourceJobId: jobId });
    expect(made?.input).toEqual({ model: 'default', scoreThreshold: 0.4, labels: ['cat'], annotate: true });
    await expect(dispatch.rerun(jobId, { scoreThreshold: 7, nonsense: 1 }, ada)).rejects.toMatchObject({
      code: 'validation_failed',
    });
  });
});
