import { photoKind } from '@darkroom/contract';
import { recordRuns } from '@darkroom/estimates';
import { countItems, getJob, getJobRow, type Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Dispatch } from './index.ts';
import { ada, NotedEngine, startTestDispatch, submission, submitTo, type TestDispatch } from './testing.ts';

let house: TestDispatch;
let records: Records;
let storage: Storage;
let engine: NotedEngine;
let dispatch: Dispatch;

beforeAll(async () => {
  house = await startTestDispatch();
  ({ records, storage } = house);
});
afterAll(() => house?.close());
beforeEach(() => {
  engine = new NotedEngine();
  dispatch = house.over(engine);
});

const submit = () => submitTo(dispatch);
const age = (id: string) => house.age(id);

describe('submit', () => {
  test('starts the run with the priority and the owner of the caller', async () => {
    const jobId = await submit();
    expect(engine.started).toEqual([{ jobId, run: 1, priority: { priorityKey: 2, fairnessKey: 'ada' } }]);
    expect((await getJob(records.db, jobId))?.job).toMatchObject({ state: 'queued', dispatched: true });
  });

  test('tells what the job is estimated at: what is assumed first, then what others took', async () => {
    const estimate = async () => (await getJob(records.db, await submit()))?.job.estimate;
    const cold = await estimate();
    expect(cold).toMatchObject({ runs: 0, error: null });
    expect(cold!.seconds.p50).toBeCloseTo(0.65, 2);
    const like = { kind: 'photo', key: '', features: { photos: 1, bytes: 1 } };
    const run = { ...like, seconds: 6, estimated: cold!.seconds };
    await recordRuns(
      records.db,
      Array.from({ length: 10 }, () => run),
    );
    // A process that has just started has read them before it answers.
    dispatch = house.over(engine);
    const learnt = await estimate();
    expect(learnt).toMatchObject({ runs: 10, error: { runs: 10, withinP90: 0 } });
    expect(learnt!.seconds.p50).toBeGreaterThan(5);
    expect(learnt!.seconds.p50).toBeLessThan(7);
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
    house.over(engine, { env, kinds: { photo: { ...photoKind, limits } } });
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
