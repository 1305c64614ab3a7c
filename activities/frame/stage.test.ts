import { createLogger } from '@darkroom/platform';
import {
  type Fence,
  Fenced,
  finishJob,
  getJob,
  openStage,
  requestResume,
  stageObjects,
} from '@darkroom/records';
import { StorageError } from '@darkroom/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { attemptAt, startRecords, submitted, type TestRecords } from '../records/testing.ts';
import type { Attempt, FrameDeps } from './attempt/attempt.ts';
import { ProgressWriter } from './reports/progress.ts';
import { Signs } from './reports/signs.ts';
import { type StageWork, workStage } from './stage.ts';

let test: TestRecords;
let deps: FrameDeps;
/** URIs of what the store has. */
const stored = new Set<string>();
beforeAll(async () => {
  test = await startRecords();
  deps = {
    records: test.records,
    storage: {
      async head(uri: string) {
        if (!stored.has(uri)) throw new StorageError('source_not_found', `There is no ${uri}.`);
      },
    },
    logger: createLogger({ service: 'test', level: 'fatal' }),
  } as unknown as FrameDeps;
});
afterAll(() => test.close());

const attemptOf = (fence: Fence, lose: (error: Error) => void = () => {}) =>
  ({
    deps,
    fence,
    call: { jobId: fence.jobId, run: fence.run, stage: 'pack' },
    signal: new AbortController().signal,
    progress: new ProgressWriter(deps, fence, ['read', 'work', 'pack'], 'pack', lose),
    log: { line: () => {} },
    lose,
  }) as unknown as Attempt;

const step = z.object({ step: z.int() });
type Step = z.infer<typeof step>;
const steps = (work: StageWork<number, Step>['work'], digest = 'd'): StageWork<number, Step> => ({
  digest: () => digest,
  result: z.number(),
  checkpoint: step,
  work,
});

it('is done once over attempts and runs, for as long as it is a function of the same', async () => {
  const jobId = await submitted(test.records);
  let worked = 0;
  const work = async () => ++worked;
  const first = await attemptAt(test.records, jobId);
  expect(await workStage(attemptOf(first), steps(work))).toBe(1);
  const second = await attemptAt(test.records, jobId, { attempt: 2 });
  expect(await workStage(attemptOf(second), steps(work))).toBe(1);
  await finishJob(test.records.db, { jobId, run: 1, state: 'failed' });
  await requestResume(test.records.db, jobId, {});
  const third = await attemptAt(test.records, jobId, { run: 2 });
  expect(await workStage(attemptOf(third), steps(work))).toBe(1);
  expect(await workStage(attemptOf(third), steps(work, 'other'))).toBe(2);
  // One that was kept in another shape is as good as none.
  const { digest } = steps(work, 'other');
  const worded = { digest, result: z.string(), work: async () => 'two' };
  expect(await workStage(attemptOf(third), worded)).toBe('two');
});

it('goes on from what was left last, also where that was left right before the end', async () => {
  const jobId = await submitted(test.records);
  const stops = steps(async ({ checkpoint, save }) => {
    for (let at = (checkpoint?.step ?? 0) + 1; ; at++) {
      save({ step: at });
      if (at % 40 === 0) throw new Error('The worker stops.');
    }
  });
  const first = await attemptAt(test.records, jobId);
  await expect(workStage(attemptOf(first), stops)).rejects.toThrow('stops');
  const second = await attemptAt(test.records, jobId, { attempt: 2 });
  await expect(workStage(attemptOf(second), stops)).rejects.toThrow('stops');
  expect(await openStage(test.records.db, second, 'pack', 'd')).toMatchObject({ cursor: { step: 80 } });
  // Of something else nothing was left.
  const ends = steps(async ({ checkpoint }) => checkpoint?.step ?? 0, 'other');
  expect(await workStage(attemptOf(second), ends)).toBe(0);
});

it('has come to what was counted last, however short it was', async () => {
  const jobId = await submitted(test.records);
  const attempt = attemptOf(await attemptAt(test.records, jobId));
  const counts = steps(async () => {
    attempt.progress.counts('pack', 5, 7);
    attempt.progress.counts('pack', 7, 7);
    return 7;
  });
  await workStage(attempt, counts);
  const { stages } = (await getJob(test.records.db, jobId))!;
  expect(stages.at(-1)).toMatchObject({ name: 'pack', state: 'succeeded', done: 7, total: 7 });
});

describe('objects that it names', () => {
  const uriOf = (jobId: string, name: string) => `s3://b/out/${jobId}/${name}`;

  it('are checked when it is skipped: where one is gone, it is done again', async () => {
    const { db } = test.records;
    const jobId = await submitted(test.records);
    const film = uriOf(jobId, 'film');
    let worked = 0;
    const filming: StageWork<string, never> = {
      digest: () => 'd',
      result: z.string(),
      objects: (uri) => [uri],
      work: async () => {
        worked++;
        stored.add(film);
        return film;
      },
    };
    const first = await attemptAt(test.records, jobId);
    expect(await workStage(attemptOf(first), filming)).toBe(film);
    expect(await stageObjects(db, jobId)).toEqual([film]);
    await finishJob(db, { jobId, run: 1, state: 'failed' });
    await requestResume(db, jobId, {});
    const second = await attemptAt(test.records, jobId, { run: 2 });
    expect(await workStage(attemptOf(second), filming)).toBe(film);
    expect(worked).toBe(1);
    stored.delete(film);
    // An attempt that dies at it leaves nothing that looks done.
    const dies = { ...filming, work: () => Promise.reject(new Error('The worker dies.')) };
    await expect(workStage(attemptOf(second), dies)).rejects.toThrow('dies');
    expect(await stageObjects(db, jobId)).toEqual([]);
    expect(await workStage(attemptOf(second), filming)).toBe(film);
    expect(worked).toBe(2);
  });

  it('are those of its result or its checkpoint, as long as its digest stands', async () => {
    const { db } = test.records;
    const jobId = await submitted(test.records);
    const part = uriOf(jobId, 'part');
    const checkpointObjects = ({ step: at }: Step) => (at === 0 ? [] : [part]);
    const stops = steps(async ({ save }) => {
      save({ step: 7 });
      throw new Error('The worker stops.');
    });
    const fence = await attemptAt(test.records, jobId);
    const attempt = attemptOf(fence);
    await expect(workStage(attempt, { ...stops, checkpointObjects })).rejects.toThrow('stops');
    expect(await stageObjects(db, jobId)).toEqual([part]);
    const goesOn = steps(async ({ checkpoint }) => checkpoint?.step ?? 0);
    stored.add(part);
    expect(await workStage(attempt, { ...goesOn, checkpointObjects, objects: () => [] })).toBe(7);
    // Its job's end is to know of it.
    expect(await stageObjects(db, jobId)).toEqual([part]);

    const other = steps(stops.work, 'other');
    await expect(workStage(attempt, { ...other, checkpointObjects })).rejects.toThrow('stops');
    stored.delete(part);
    expect(await workStage(attempt, { ...goesOn, digest: other.digest, checkpointObjects })).toBe(0);
  });
});

it('an attempt whose checkpoint is refused is told so', async () => {
  const jobId = await submitted(test.records);
  const first = await attemptAt(test.records, jobId);
  const { promise: lost, resolve } = Promise.withResolvers<Error>();
  const work = workStage(
    attemptOf(first, resolve),
    steps(async ({ save }) => {
      await attemptAt(test.records, jobId, { attempt: 2 });
      save({ step: 1 });
      throw await lost;
    }),
  );
  await expect(work).rejects.toThrow(Fenced);
});

it('says that the worker lives, apart from when the work got on', async () => {
  const jobId = await submitted(test.records);
  const fence = await attemptAt(test.records, jobId);
  const signs = async () => {
    const found = await getJob(test.records.db, jobId);
    const { aliveAt, movedAt } = found!.stages.find(({ name }) => name === 'work')!;
    return { alive: aliveAt?.getTime() ?? 0, moved: movedAt?.getTime() ?? 0 };
  };
  const stood: number[] = [];
  const { promise: lost, resolve } = Promise.withResolvers<Error>();
  const pulse = new Signs(deps, fence, 'work', {
    longestStillSeconds: 2,
    onStill: (seconds) => stood.push(seconds),
    onFenced: resolve,
  });
  pulse.moved();
  await expect.poll(async () => (await signs()).moved, { timeout: 20_000 }).toBeGreaterThan(0);
  const moved = await signs();
  await expect.poll(async () => (await signs()).alive, { timeout: 20_000 }).toBeGreaterThan(moved.alive);
  expect((await signs()).moved).toBe(moved.moved);
  await expect.poll(() => stood.length, { timeout: 20_000 }).toBeGreaterThan(0);
  expect(stood[0]).toBeGreaterThan(2);
  await attemptAt(test.records, jobId, { attempt: 2 });
  expect(await lost).toBeInstanceOf(Fenced);
  await pulse.close();
});
