import { type OpenedModel, problemOf, type SandboxReport } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requireLabels } from './labels.ts';
import {
  forgetWorker,
  modelProblems,
  seenWorker,
  servedModels,
  tellModel,
  tellSandbox,
  toldSandboxes,
} from './models.ts';

const sandbox: SandboxReport = {
  landlock: 7,
  seccomp: true,
  capabilities: true,
  user: true,
  network: true,
  limits: true,
  missing: [],
};

const input = {
  width: 64,
  height: 64,
  layout: 'nchw',
  colour: 'rgb',
  dtype: 'float32',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  fit: 'stretch',
  pad: 0,
} as const;
const model = (changes: Partial<OpenedModel> = {}): OpenedModel => ({
  name: 'birds',
  version: '1',
  digest: 'd1',
  family: 'yolov8',
  guessed: true,
  understood: 'guessed',
  labels: [{ classId: 0, label: 'robin' }],
  input: { ...input, mean: [...input.mean], std: [...input.std] },
  ...changes,
});

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

describe('a label that no model has', () => {
  const models = [
    { name: 'coco', labels: ['person', 'cat', 'cow', 'cup'].map((label, classId) => ({ classId, label })) },
  ];
  const refusal = (labels: string[], thresholds?: Record<string, number>) => {
    try {
      requireLabels({ labels, thresholds }, models);
      return undefined;
    } catch (error) {
      return error;
    }
  };

  it('is named, with the nearest ones', () => {
    expect(refusal(['cat', 'catt'], { 'per/son': 0.5 })).toMatchObject({
      code: 'unknown_label',
      message: expect.stringContaining('"catt" is no label of coco; nearest: cat, cow, cup'),
      errors: [
        { pointer: '/labels/1' },
        { pointer: '/thresholds/per~1son', detail: expect.stringContaining('nearest: person') },
      ],
    });
  });

  it('is none where it is known, or is a class without one, or no model is known', () => {
    expect(refusal(['cat', 'class 12'], { person: 0.5 })).toBeUndefined();
    expect(() => requireLabels({ labels: ['catt'] }, [])).not.toThrow();
  });

  it('is helped with few of many, in little time', () => {
    const labels = Array.from({ length: 200 }, (_, n) => `${n}`.padStart(100, 'x'));
    expect(refusal(labels)).toMatchObject({
      message: expect.stringMatching(/And 190 more\.$/),
      errors: { length: 10 },
    });
  });

  it('is told of a model that has no labels, too', () => {
    expect(() => requireLabels({ labels: ['cat'] }, [{ name: 'bare', labels: [] }])).toThrow(
      '"cat" is no label of bare, which has none',
    );
  });
});
