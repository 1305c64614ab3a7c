import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type Fence,
  Fenced,
  finishJob,
  getJob,
  keepStageResult,
  openCheckpoint,
  openStage,
  progressOf,
  requestResume,
  saveStageCheckpoint,
  setStage,
  submittedItems,
  takeStageInput,
} from '../index.ts';
import { attemptAt, startRecords, submitted, type TestRecords, toyKind } from '../testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const stageOf = async (jobId: string) =>
  (await getJob(test.records.db, jobId))?.stages.find(({ name }) => name === 'pack');

it('what a stage without items came to stands in the next run, until it is a function of something else', async () => {
  const { db } = test.records;
  const jobId = await submitted(test.records);
  const fence = await attemptAt(test.records, jobId);
  expect(await openStage(db, fence, 'pack', 'd1')).toMatchObject({ done: false });
  await keepStageResult(db, fence, { name: 'pack', digest: 'd1', result: { sky: [1, 2] } });
  expect(await stageOf(jobId)).toMatchObject({ state: 'succeeded', done: 1, total: 1 });

  await finishJob(db, { jobId, run: 1, state: 'failed' });
  await requestResume(db, jobId, {});
  expect(await stageOf(jobId)).toMatchObject({ state: 'succeeded', done: 1, total: 1, resumedFrom: 1 });
  // The engine's word that it runs again is no reason to show it at work.
  const second = await attemptAt(test.records, jobId, { run: 2, activity: 'again' });
  expect(await openStage(db, second, 'pack', 'd1')).toMatchObject({ done: true, result: { sky: [1, 2] } });
  expect(await stageOf(jobId)).toMatchObject({ state: 'succeeded' });

  expect(await openStage(db, second, 'pack', 'd2')).toMatchObject({ done: false, result: null });
  expect(await stageOf(jobId)).toMatchObject({ state: 'running', done: 0, finishedAt: null });
});

describe('what a stage without items had come to when its run failed', () => {
  const failed = async (checkpoint: 'its own' | 'none' | "another's") => {
    const { db } = test.records;
    const jobId = await submitted(test.records);
    const fence = await attemptAt(test.records, jobId);
    await openStage(db, fence, 'pack', 'd');
    await setStage(db, fence, 'pack', { done: 40, total: 100 });
    const digest = checkpoint === 'its own' ? 'd' : 'of something else';
    if (checkpoint !== 'none')
      await saveStageCheckpoint(db, fence, { name: 'pack', digest, cursor: { step: 40 } });
    await finishJob(db, { jobId, run: 1, state: 'failed' });
    await requestResume(db, jobId, {});
    return jobId;
  };

  it('is where the next one goes on, and no work of it, so that the time left goes by what it does itself', async () => {
    const { db } = test.records;
    const jobId = await failed('its own');
    expect(await stageOf(jobId)).toMatchObject({ state: 'pending', done: 40, resumedFrom: 40 });
    const fence = await attemptAt(test.records, jobId, { run: 2 });
    expect(await openStage(db, fence, 'pack', 'd')).toMatchObject({ cursor: { step: 40 } });
    await setStage(db, fence, 'pack', { done: 50, total: 100 });
    const stage = (await stageOf(jobId))!;
    expect(stage).toMatchObject({ state: 'running', done: 50, resumedFrom: 40 });
    const tenSeconds = new Date(stage.startedAt!.getTime() + 10_000);
    expect(progressOf([stage], { state: 'running' }, tenSeconds).etaSeconds).toBe(50);
  });

  it.each(['none', "another's"] as const)('is gone where the checkpoint is %s', async (checkpoint) => {
    expect(await stageOf(await failed(checkpoint))).toMatchObject({ done: 0, resumedFrom: 0 });
  });

  it('is gone where it turns out to be a function of something else', async () => {
    const jobId = await failed('its own');
    await openStage(test.records.db, await attemptAt(test.records, jobId, { run: 2 }), 'pack', 'd2');
    expect(await stageOf(jobId)).toMatchObject({ done: 0, resumedFrom: 0 });
  });
});

it('a stage that finds items goes on where it was in the next run, and anew where its list is another', async () => {
  const { db } = test.records;
  const jobId = await submitted(test.records, { items: 0 });
  const open = (fence: Fence, digest: string) =>
    openCheckpoint(db, fence, { stage: 'pack', itemStage: 'work', digest }, toyKind);
  const first = await attemptAt(test.records, jobId);
  await open(first, 'd');
  await setStage(db, first, 'pack', { done: 40, total: 100 });
  await finishJob(db, { jobId, run: 1, state: 'failed' });
  await requestResume(db, jobId, {});
  expect(await stageOf(jobId)).toMatchObject({ done: 40, resumedFrom: 40 });
  const second = await attemptAt(test.records, jobId, { run: 2 });
  await open(second, 'd');
  expect(await stageOf(jobId)).toMatchObject({ done: 40, resumedFrom: 40 });
  await open(second, 'd2');
  expect(await stageOf(jobId)).toMatchObject({ done: 0, resumedFrom: 0 });
});

it('a stage that came to nothing has come to it', async () => {
  const { db } = test.records;
  const jobId = await submitted(test.records);
  const fence = await attemptAt(test.records, jobId);
  await openStage(db, fence, 'pack', 'd');
  await keepStageResult(db, fence, { name: 'pack', digest: 'd', result: undefined });
  expect(await openStage(db, fence, 'pack', 'd')).toMatchObject({ done: true, result: null });
});

it('an attempt that has lost its fence keeps no result, and what stands with it is not written', async () => {
  const { db } = test.records;
  const jobId = await submitted(test.records);
  const fence = await attemptAt(test.records, jobId);
  await openStage(db, fence, 'pack', 'd');
  const later = await attemptAt(test.records, jobId, { attempt: 2 });
  const keep = (by: typeof fence, also?: () => Promise<void>) =>
    keepStageResult(db, by, { name: 'pack', digest: 'd', result: 1 }, also);
  await expect(keep(fence)).rejects.toThrow(Fenced);
  const refused = keep(later, async () => {
    throw new Error('It does not fit.');
  });
  await expect(refused).rejects.toThrow('It does not fit.');
  expect(await openStage(db, later, 'pack', 'd')).toMatchObject({ done: false });
});

it('what a stage is made of is one statement away', async () => {
  const jobId = await submitted(test.records);
  const fence = await attemptAt(test.records, jobId);
  const asked = vi.spyOn(pg.Client.prototype, 'query');
  onTestFinished(() => asked.mockRestore());
  expect(await takeStageInput(test.records.db, fence, 'pack')).toBeNull();
  expect(asked).toHaveBeenCalledTimes(1);
});

describe('what a stage of a version before had as its only item', () => {
  const film = { uri: 's3://b/film.mp4' };
  const withItem = async (itemsOf: string | null) => {
    const { sql } = test.records;
    const jobId = await submitted(test.records, { items: 0 });
    await sql`update job_stages set items_of = ${itemsOf} where job_id = ${jobId} and name = 'pack'`;
    await sql`insert into job_items (job_id, stage, ordinal, key, input)
      values (${jobId}, 'pack', 1, '1', ${JSON.stringify(film)}::text::jsonb)`;
    return { jobId, fence: await attemptAt(test.records, jobId) };
  };

  it('becomes its own, and is looked for again; the item stays for workers of that version', async () => {
    const { db, sql } = test.records;
    const { jobId, fence } = await withItem(null);
    for (const _ of ['once', 'again']) expect(await takeStageInput(db, fence, 'pack')).toEqual(film);
    expect(await sql`select state from job_items where job_id = ${jobId} and stage = 'pack'`).toEqual([
      { state: 'succeeded' },
    ]);
    expect(await submittedItems(db, jobId)).toEqual({
      copyOf: jobId,
      stage: 'pack',
      length: 0,
      stageInput: film,
    });
  });

  it('becomes its own in a job that runs it again, too', async () => {
    const { fence } = await withItem('');
    expect(await takeStageInput(test.records.db, fence, 'pack')).toEqual(film);
  });
});
