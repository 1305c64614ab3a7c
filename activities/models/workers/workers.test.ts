import { problemOf, type SandboxReport } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { opened as model } from '../testing.ts';
import {
  forgetSilentWorkers,
  forgetWorker,
  modelProblems,
  seenWorker,
  servedModels,
  tellModel,
  tellSandbox,
  toldSandboxes,
} from './workers.ts';

const sandbox: SandboxReport = {
  landlock: 7,
  seccomp: true,
  capabilities: true,
  user: true,
  network: true,
  limits: true,
  missing: [],
};

describe('what workers tell', () => {
  let test: TestRecords;
  beforeAll(async () => {
    test = await startRecords();
  });
  afterAll(() => test.close());
  beforeEach(() => test.records.sql`truncate model_workers, model_versions`);

  const served = async () =>
    (await servedModels(test.records.db)).map(({ name, version, workers }) => [name, version, workers]);
  const age = (worker: string, seconds: number) =>
    test.records
      .sql`update model_workers set seen_at = now() - ${seconds}::float8 * interval '1 second' where worker = ${worker}`;

  it('is each one’s model, counted where several have the same', async () => {
    const { db } = test.records;
    for (const [worker, opened] of [
      ['a/1', model()],
      ['b/1', model()],
      ['c/1', model({ version: '2', digest: 'd2' })],
      ['d/1', model({ name: 'ants' })],
    ] as const)
      await tellModel(db, worker, { opened });
    expect(await served()).toEqual([
      ['ants', '1', 1],
      ['birds', '1', 2],
      ['birds', '2', 1],
    ]);
    expect((await servedModels(db))[1]).toMatchObject(model());
  });

  it('stands in place of what the same one said before, and of what its model was said to be', async () => {
    const { db } = test.records;
    await tellModel(db, 'a/1', { problem: problemOf('unsupported_model', 'It is no model.') });
    expect(await served()).toEqual([]);
    expect(await modelProblems(db)).toMatchObject([
      { worker: 'a/1', problem: { detail: 'It is no model.' } },
    ]);
    expect(await modelProblems(db, 'b/1')).toEqual([]);
    await tellModel(db, 'a/1', { opened: model() });
    const labels = [{ classId: 0, label: 'wren' }];
    await tellModel(db, 'a/1', { opened: model({ labels }) });
    expect(await modelProblems(db)).toEqual([]);
    expect(await servedModels(db)).toMatchObject([{ labels, workers: 1 }]);
  });

  it('is not believed of one that is silent or has stopped, and its row goes in the end', async () => {
    const { db } = test.records;
    for (const worker of ['a/1', 'b/1', 'c/1']) await tellModel(db, worker, { opened: model() });
    await age('a/1', 61);
    await forgetWorker(db, 'c/1');
    expect(await served()).toEqual([['birds', '1', 1]]);
    expect(await seenWorker(db, 'a/1')).toBe(true);
    expect(await served()).toEqual([['birds', '1', 2]]);
    await age('a/1', 3601);
    await forgetSilentWorkers(db);
    expect(await seenWorker(db, 'b/1')).toBe(true);
    expect(await seenWorker(db, 'a/1')).toBe(false);
    expect(await test.records.sql`select worker from model_workers`).toEqual([{ worker: 'b/1' }]);
  });

  it('of its model is told beside what its processes are held by, each by itself', async () => {
    const { db } = test.records;
    const sandboxes = async () => (await toldSandboxes(db)).map(({ worker, sandbox }) => [worker, sandbox]);
    await tellSandbox(db, 'a/1', sandbox);
    expect(await served()).toEqual([]);
    expect(await modelProblems(db)).toEqual([]);
    // Its model is still to be told, also where its row was made again without it.
    expect(await seenWorker(db, 'a/1')).toBe(false);
    await tellModel(db, 'a/1', { opened: model() });
    const less = { ...sandbox, network: false };
    await tellSandbox(db, 'a/1', less);
    expect(await served()).toEqual([['birds', '1', 1]]);
    await tellModel(db, 'a/1', { problem: problemOf('unsupported_model', 'It is no model.') });
    expect(await seenWorker(db, 'a/1')).toBe(true);
    expect(await sandboxes()).toEqual([['a/1', less]]);
    await age('a/1', 61);
    expect(await sandboxes()).toEqual([]);
  });
});
