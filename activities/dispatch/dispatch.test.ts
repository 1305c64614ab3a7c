import {
  type JobStart,
  type KindDefinition,
  type Longest,
  ProblemError,
  photoKind,
} from '@darkroom/contract';
import { createLogger, loadConfig } from '@darkroom/platform';
import {
  type Caller,
  countItems,
  finishJob,
  getJob,
  getJobRow,
  openRecords,
  type Records,
  requestResume,
  sweepQueries,
} from '@darkroom/records';
import { attemptAt } from '@darkroom/records/testing.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshDatabase, startPostgres, type TestPostgres } from '../../test/harness/postgres.ts';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import type { Engine, RunState, RunView } from './engine/engine.ts';
import { createDispatch, type Dispatch, fingerprintOf } from './index.ts';

/** An engine that notes what it is told, and is away when told so. */
class NotedEngine implements Engine {
  readonly units: Engine['units'] = {
    start: async () => {},
    describe: async () => 'absent',
    cancel: async () => {},
  };
  away = false;
  /** Milliseconds that a start takes. */
  slow = 0;
  readonly started: { jobId: string; run: number; priority: unknown }[] = [];
  /** How many items each start told of. */
  readonly told: number[] = [];
  readonly cancelled: string[] = [];
  readonly removals: { jobId: string; longest: Longest | undefined }[] = [];
  readonly runs = new Map<string, RunState>();
  /** Jobs whose run it cannot describe. */
  readonly broken = new Set<string>();
  /** The queues in which activities of a job wait. */
  readonly waits = new Map<string, string[]>();
  readonly served = new Set<string>();

  #ask(): void {
    if (this.away) throw new ProblemError('engine_unavailable', 'away');
  }
  async start(start: JobStart, how: { priority: unknown }): Promise<void> {
    this.#ask();
    if (this.slow > 0) await new Promise((resolve) => setTimeout(resolve, this.slow));
    this.started.push({ jobId: start.jobId, run: start.run, priority: how.priority });
    this.told.push(start.items);
    this.runs.set(start.jobId, 'running');
  }
  async cancel(jobId: string): Promise<void> {
    this.#ask();
    this.cancelled.push(jobId);
  }
  async describe(jobId: string): Promise<RunView> {
    this.#ask();
    if (this.broken.has(jobId)) throw new Error('The engine cannot tell.');
    return { state: this.runs.get(jobId) ?? 'absent', waitsIn: this.waits.get(jobId) ?? [] };
  }
  async isServed(queue: string): Promise<boolean> {
    this.#ask();
    return this.served.has(queue);
  }
  async startRemoval(jobId: string, longest?: Longest): Promise<void> {
    this.#ask();
    this.removals.push({ jobId, longest });
  }
  async ping(): Promise<number> {
    this.#ask();
    return 1;
  }
  async ensure(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Its first stage counts no items, and it takes hours. */
const survey: KindDefinition = {
  ...photoKind,
  kind: 'survey',
  stages: [
    { name: 'measure', unit: 'tiles', weight: 1 },
    { name: 'cut', unit: 'photos', weight: 1, itemsOf: 'recognise' },
    { name: 'recognise', unit: 'photos', weight: 1, itemsOf: 'recognise' },
  ],
  longest: '3 hours',
};
const kinds: Readonly<Record<string, KindDefinition>> = { photo: photoKind, survey };
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
  dispatch = createDispatch({ records, storage, config, logger, engine, kinds });
});

const submission = (input: Record<string, unknown> = {}) => ({
  input: { scoreThreshold: 0.4, ...input },
  fingerprint: fingerprintOf(input),
  stage: 'recognise',
  items: [
    { key: '1', input: { uri: 's3://darkroom-test/uploads/a.jpg', etag: 'e', bytes: 1, filename: 'a.jpg' } },
  ],
});

/** A job that the engine was told of, if it was there. */
const submit = async (): Promise<string> => {
  const { jobId } = await dispatch.submit('photo', ada, submission());
  await dispatch.settled();
  return jobId;
};

/** Lets a row look as if nothing had happened to it for an hour. */
const age = (id: string) =>
  records.db.execute(sql`update jobs set updated_at = now() - interval '1 hour' where id = ${id}`);

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

  test('is answered before the engine is told, and starts of one owner do not hold up those of another', async () => {
    engine.slow = 100;
    const mine = await Promise.all(
      Array.from({ length: 20 }, () => dispatch.submit('photo', ada, submission())),
    );
    expect(engine.started.length).toBeLessThan(20);
    const { jobId } = await dispatch.submit('photo', { ...ada, owner: 'bea' }, submission());
    await dispatch.settled();
    const order = engine.started.map((one) => one.jobId);
    expect(new Set(order)).toEqual(new Set([...mine.map((one) => one.jobId), jobId]));
    expect(order.indexOf(jobId)).toBeLessThan(19);
  });

  test('a job cancelled while its run is being started: the run is called off', async () => {
    engine.slow = 100;
    const { jobId } = await dispatch.submit('photo', ada, submission());
    await dispatch.cancel(jobId, 'changed my mind');
    expect(await getJobRow(records.db, jobId)).toMatchObject({ state: 'cancelled', dispatched: false });
    await dispatch.settled();
    expect(engine.started.map((one) => one.jobId)).toEqual([jobId]);
    expect(engine.cancelled).toEqual([jobId]);
  });

  test('a job cancelled before its turn to be started came is never started', async () => {
    const gate = Promise.withResolvers<void>();
    const start = engine.start.bind(engine);
    engine.start = async (...run) => gate.promise.then(() => start(...run));
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) ids.push((await dispatch.submit('photo', ada, submission())).jobId);
    await dispatch.cancel(ids[5]!, 'changed my mind');
    gate.resolve();
    await dispatch.settled();
    expect(new Set(engine.started.map(({ jobId }) => jobId))).toEqual(new Set(ids.slice(0, 5)));
  });

  test('an end of the process waits for starts that are under way', async () => {
    engine.slow = 100;
    const { jobId } = await dispatch.submit('photo', ada, submission());
    await dispatch.close();
    expect((await getJobRow(records.db, jobId))?.dispatched).toBe(true);
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
    const second = await dispatch.commit('photo', id, { ...submission(), idempotencyKey: 'k1' });
    expect(second).toEqual({ jobId: first.jobId, duplicate: true });
    expect(await getJobRow(records.db, id)).toBeUndefined();
    expect(await keysUnder(storage, `input-files/${id}/`)).toEqual([]);
    await expect(
      dispatch.submit('photo', ada, { ...submission({ annotate: false }), idempotencyKey: 'k1' }),
    ).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  test('the key of a deleted job is told as such, also to requests beside its deletion, and free again after a day', async () => {
    const idempotencyKey = 'gone';
    const send = () => dispatch.submit('photo', ada, { ...submission(), idempotencyKey });
    const { jobId } = await send();
    await dispatch.remove(jobId);
    await expect(send()).rejects.toMatchObject({ code: 'idempotency_key_deleted' });
    await expect(dispatch.earlierSubmission('ada', idempotencyKey)).rejects.toMatchObject({
      code: 'idempotency_key_deleted',
    });
    await records.sql`update jobs set delete_requested_at = now() - interval '25 hours' where id = ${jobId}`;
    const later = await Promise.all([send(), send(), send()]);
    const ids = new Set(later.map((one) => one.jobId));
    expect(ids.size).toBe(1);
    expect(ids).not.toContain(jobId);
    expect(later.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect((await dispatch.earlierSubmission('ada', idempotencyKey))?.id).toBe([...ids][0]);
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
    // A job of another test may have been deleted while it ran.
    expect(engine.cancelled.filter((id) => id === jobId)).toEqual([jobId]);
  });

  test('starts and cancels a run that was queued again while it was being cancelled', async () => {
    const jobId = await submit();
    engine.away = true;
    await dispatch.cancel(jobId, 'stop');
    engine.away = false;
    expect(await sweepQueries.requeue(records.db, jobId, 1)).toMatchObject({ state: 'cancelling', run: 2 });
    await age(jobId);
    await dispatch.sweepOnce();
    expect(engine.started.filter((one) => one.jobId === jobId).map((one) => one.run)).toEqual([1, 2]);
    expect(engine.cancelled.filter((id) => id === jobId)).toEqual([jobId]);
  });

  test('starts a resumed run once all its items are as nobody had tried them, whoever was stopped before that', async () => {
    const items = 6000;
    const jobId = await submit();
    await records.sql`
      insert into job_items (job_id, stage, ordinal, key, input)
      select ${jobId}, 'recognise', i, i, '{}' from generate_series(2, ${items}::int) as i`;
    await records.sql`update job_items set state = 'failed', run = 1, attempt = 3 where job_id = ${jobId}`;
    await finishJob(records.db, { jobId, run: 1, state: 'failed' });
    engine.runs.delete(jobId);
    // Whoever resumed it has died behind the first batch.
    await requestResume(records.db, jobId, {});
    expect(await getJobRow(records.db, jobId)).toMatchObject({ resetAfter: { ordinal: 5000 } });
    await age(jobId);
    await dispatch.sweepOnce();
    expect(engine.started.filter((one) => one.jobId === jobId).map((one) => one.run)).toEqual([1, 2]);
    expect(await countItems(records.db, jobId, 'recognise')).toMatchObject({ failed: 0, unfinished: items });
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
    // Somebody who knows says that they are lost; what is missed later is another matter.
    await dispatch.confirmLostRuns('test');
    const [later] = await Promise.all(Array.from({ length: 6 }, submit));
    expect((await dispatch.sweepOnce()).requeued).toBe(6);
    expect(await getJobRow(records.db, ids[0]!)).toMatchObject({ state: 'queued', run: 2 });
    expect(await getJobRow(records.db, later!)).toMatchObject({ run: 1 });
    await records.db.execute(
      sql`update jobs set state = 'failed', finished_at = now() where finished_at is null`,
    );
  });

  test('skips a row that the engine cannot tell of, and that one alone', async () => {
    const ids = await Promise.all(Array.from({ length: 4 }, submit));
    engine.broken.add(ids[0]!).add(ids[2]!);
    engine.runs.delete(ids[3]!);
    await Promise.all(ids.map(age));
    expect(await dispatch.sweepOnce()).toMatchObject({ requeued: 1 });
    expect(await getJobRow(records.db, ids[3]!)).toMatchObject({ state: 'queued', run: 2 });
  });

  test('has a job say for which workers it waits, until an attempt opens or somebody serves them', async () => {
    const jobId = await submit();
    const said = async () => {
      await age(jobId);
      await dispatch.sweepOnce();
      return (await getJobRow(records.db, jobId))?.waiting;
    };
    engine.waits.set(jobId, ['media', 'recognition']);
    engine.served.add('media');
    expect(await said()).toBe('No worker serves recognition');
    engine.served.add('recognition');
    expect(await said()).toBeNull();
    // What the frame has noted, a server that is away, is not the sweep's to take back.
    await records.db.execute(sql`update jobs set waiting = 'Postgres is away' where id = ${jobId}`);
    expect(await said()).toBe('Postgres is away');
    engine.served.clear();
    await said();
    await attemptAt(records, jobId, { stage: 'recognise' });
    expect((await getJobRow(records.db, jobId))?.waiting).toBeNull();
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
    expect(await keysUnder(storage, `input-files/${id}/`)).toEqual([]);
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
    expect(await keysUnder(storage, `recognition-results/${jobId}/`)).toEqual([]);
    expect((await getJobRow(records.db, jobId))?.resultsRemovedAt).toBeInstanceOf(Date);
  });

  test('removes objects that no job owns, once they are a day old', async () => {
    const jobId = await submit();
    const old = `0190a000-0000-7000-8000-${'0'.repeat(12)}`;
    for (const id of [old, jobId]) {
      await storage.putBytes(`input-files/${id}/a.jpg`, Buffer.from('x'), { contentType: 'image/jpeg' });
    }
    expect(await dispatch.sweepOnce()).toMatchObject({ orphans: 1 });
    expect(await keysUnder(storage, `input-files/${old}/`)).toEqual([]);
    expect(await keysUnder(storage, `input-files/${jobId}/`)).toHaveLength(1);
  });

  test('starts a removal that the engine missed', async () => {
    const photo = await submit();
    const { jobId: hours } = await dispatch.submit('survey', ada, submission());
    engine.away = true;
    for (const jobId of [photo, hours]) expect(await dispatch.remove(jobId)).toEqual({ done: false });
    engine.away = false;
    await dispatch.sweepOnce();
    const missed = engine.removals.filter(({ jobId }) => jobId === photo || jobId === hours);
    // It looks for objects once more when none of the kind can be written any more.
    expect(missed).toEqual([
      { jobId: photo, longest: undefined },
      { jobId: hours, longest: '3 hours' },
    ]);
  });
});

describe('a run is told how many items there are, whichever stage counts them', () => {
  const items = Array.from({ length: 7 }, (_, n) => ({ ...submission().items[0]!, key: String(n + 1) }));
  const seven = { ...submission(), items };
  const fail = (id: string) =>
    records.sql`update jobs set state = 'failed', finished_at = now() where id = ${id}`;

  test('submitted at once or after its objects, resumed, and run again', async () => {
    const { jobId } = await dispatch.submit('survey', ada, seven);
    await dispatch.settled();
    const { id } = await dispatch.receive('survey', ada, { input: {} });
    await dispatch.commit('survey', id, seven);
    await dispatch.settled();
    expect(engine.told).toEqual([7, 7]);
    await fail(jobId);
    await dispatch.resume(jobId);
    await dispatch.rerun(jobId, {}, ada);
    await dispatch.settled();
    expect(engine.told).toEqual([7, 7, 7, 7]);
  });

  test('by the sweep: where the engine was away, and where it has lost the run', async () => {
    engine.away = true;
    const { jobId } = await dispatch.submit('survey', ada, seven);
    await dispatch.settled();
    engine.away = false;
    await age(jobId);
    await dispatch.sweepOnce();
    expect(engine.told).toEqual([7]);
    engine.runs.delete(jobId);
    for (let pass = 0; pass < 2; pass++) {
      await age(jobId);
      await dispatch.sweepOnce();
    }
    expect(engine.told).toEqual([7, 7]);
  });

  test('none while they are yet to be found', async () => {
    const list = { ...seven, stage: 'measure', items: [], stageInput: items[0]!.input };
    const { jobId } = await dispatch.submit('survey', ada, list);
    await dispatch.settled();
    await fail(jobId);
    await dispatch.resume(jobId);
    await dispatch.settled();
    expect(engine.told).toEqual([0, 0]);
  });

  test('of a row of before, which does not say whose items its stages count', async () => {
    const jobId = await submit();
    await records.sql`update job_stages set items_of = null where job_id = ${jobId}`;
    await fail(jobId);
    await dispatch.resume(jobId);
    await dispatch.settled();
    expect(engine.told).toEqual([1, 1]);
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

  test('large jobs of one owner that are made ready hold up neither the submits of others nor small resumes', async () => {
    const [small, ...large] = await Promise.all(Array.from({ length: 6 }, submit));
    await records.sql`
      insert into job_items (job_id, stage, ordinal, key, input)
      select id, 'recognise', i, i, '{}' from unnest(${large}::text[]) as id, generate_series(2, 5001) as i`;
    await records.sql`update job_items set state = 'failed', run = 1 where job_id = any(${large}) and ordinal = 5001`;
    await records.sql`
      update jobs set state = 'failed', finished_at = now() where id = any(${[small!, ...large]})`;
    const begun = engine.started.length;
    await records.db.transaction(async (tx) => {
      // Behind the first batch, so that the resume itself is not held up.
      await tx.execute(sql`select 1 from job_items where ordinal = 5001 for update`);
      for (const id of large) await dispatch.resume(id);
      const resumed = dispatch.resume(small!);
      const { jobId } = await dispatch.submit('photo', { ...ada, owner: 'bea' }, submission());
      const started = () =>
        engine.started
          .slice(begun)
          .map((one) => one.jobId)
          .toSorted();
      await expect.poll(started, { timeout: 5000 }).toEqual([small, jobId].toSorted());
      await resumed;
    });
    await dispatch.settled();
    const runs = engine.started.slice(begun + 2);
    expect(runs.map((one) => one.jobId).sort()).toEqual(large.toSorted());
    expect(runs.every(({ run }) => run === 2)).toBe(true);
    expect(await countItems(records.db, large[0]!, 'recognise')).toMatchObject({ failed: 0 });
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

describe('the size of a job', () => {
  const sized = (env: Record<string, string> = {}, limits: Record<string, number> = {}) =>
    createDispatch({
      records,
      storage,
      config: loadConfig({ DATABASE_URL: postgres.url, S3_ENDPOINT: s3.endpoint, ...env }),
      logger: createLogger({ service: 'test', level: 'fatal' }),
      engine,
      kinds: { photo: { ...photoKind, limits } },
    });
  const sizesOf = async (id: string) => (await getJob(records.db, id))?.stages.map(({ size }) => size);

  test('is kept with it, however it comes in, by what its kind measures', async () => {
    const { jobId } = await dispatch.submit('photo', ada, submission());
    const { id } = await dispatch.receive('photo', ada, { input: {} });
    await dispatch.commit('photo', id, submission());
    for (const job of [jobId, id])
      expect(await sizesOf(job)).toEqual([null, null, { photos: 1, bytes: 1 }, null, null]);
  });

  test('is held to the limit of its kind, and to the setting in its place', async () => {
    const submit = (how: Dispatch) => how.submit('photo', ada, submission());
    const refused = { code: 'too_many_items', message: expect.stringContaining('JOB_LIMITS, photo.photos') };
    await expect(submit(sized({}, { photos: 0 }))).rejects.toMatchObject(refused);
    await expect(submit(sized({ JOB_LIMITS: 'photo.photos=0' }))).rejects.toMatchObject(refused);
    const { jobId } = await submit(sized({ JOB_LIMITS: 'photo.photos=1' }, { photos: 0 }));
    const rerun = sized({ JOB_LIMITS: 'photo.photos=0' }).rerun(jobId, {}, ada);
    await expect(rerun).rejects.toMatchObject(refused);
    const { id } = await dispatch.receive('photo', ada, { input: {} });
    const commit = sized({ JOB_LIMITS: 'photo.photos=0' }).commit('photo', id, submission());
    await expect(commit).rejects.toMatchObject(refused);
    expect((await getJobRow(records.db, id))?.state).toBe('receiving');
  });

  test('settings of what there is not are refused at the start', () => {
    expect(() => sized({ JOB_LIMITS: 'photo.fotos=1' })).toThrow(
      'JOB_LIMITS names photo.fotos, which there is not',
    );
    expect(() => sized({ RETENTION_DAYS: 'foto=1' })).toThrow(
      'RETENTION_DAYS names foto, which there is not',
    );
  });
});
