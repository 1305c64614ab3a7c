import {
  countItems,
  finishJob,
  getJobRow,
  type Records,
  requestResume,
  sweepQueries,
} from '@darkroom/records';
import { attemptAt } from '@darkroom/records/testing.ts';
import type { Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Dispatch } from '../index.ts';
import { ada, NotedEngine, startTestDispatch, submission, submitTo, type TestDispatch } from '../testing.ts';

/** What a round of the sweep makes good. */

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
