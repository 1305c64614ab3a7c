import { openedModel } from '@darkroom/contract';
import { modelProblems, servedModels } from '@darkroom/models';
import { createLogger } from '@darkroom/platform';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { constantModel, madeClassifier, openAnyFile, openFile, tensor } from '../testing/models.ts';
import { openedModelOf, tellOfModel } from './tell-model.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const deps = (worker: string) => ({
  records: test.records,
  logger: createLogger({ service: 'test', level: 'fatal' }),
  worker,
});

it('a worker tells what it has opened, until it stops', async () => {
  const path = await constantModel({
    outputs: { output0: tensor([1, 6, 84]) },
    metadata: { names: "{0: 'robin', 1: 'wren'}" },
    card: { name: 'birds', version: '7' },
  });
  const end = await tellOfModel(deps('a/1'), () => openFile(path));
  expect(await servedModels(test.records.db)).toEqual([
    expect.objectContaining({
      name: 'birds',
      version: '7',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      family: 'yolov8',
      guessed: true,
      understood: expect.stringContaining('classes before boxes'),
      labels: [
        { classId: 0, label: 'robin' },
        { classId: 1, label: 'wren' },
      ],
      input: expect.objectContaining({ width: 64, layout: 'nchw', colour: 'rgb', dtype: 'float32' }),
      workers: 1,
    }),
  ]);
  await end();
  expect(await servedModels(test.records.db)).toEqual([]);
});

it('a file with two cards is two versions, whatever the cards call themselves', async () => {
  const of = (labels: string[]) =>
    constantModel({
      outputs: { output0: tensor([1, 6, 84]) },
      card: { name: 'birds', version: '8', labels },
    });
  const [one, other] = [await of(['robin', 'wren']), await of(['wren', 'robin'])];
  const ends = [
    await tellOfModel(deps('c/1'), () => openFile(one)),
    await tellOfModel(deps('c/2'), () => openFile(other)),
  ];
  const served = await servedModels(test.records.db);
  expect(served.map(({ version, workers }) => [version, workers])).toEqual([
    ['8', 1],
    ['8', 1],
  ]);
  expect(new Set(served.map(({ labels }) => labels[0]?.label))).toEqual(new Set(['robin', 'wren']));
  for (const end of ends) await end();
});

it('a worker whose file is no model tells that, and goes on', async () => {
  const end = await tellOfModel(deps('b/1'), () => openFile('/nowhere/model.onnx'));
  const problems = await modelProblems(test.records.db, 'b/1');
  expect(problems).toMatchObject([
    { problem: { code: 'unsupported_model', detail: expect.stringContaining('/nowhere/model.onnx') } },
  ]);
  await end();
  expect(await modelProblems(test.records.db)).toEqual([]);
});

it('a classifier is told of like others, with how a picture is laid into its input', async () => {
  const told = openedModelOf(await openAnyFile(await madeClassifier()));
  expect(openedModel.parse(told)).toEqual(told);
  const { labels, ...rest } = told;
  expect(labels[285]).toEqual({ classId: 285, label: 'Egyptian cat' });
  expect(rest).toMatchObject({
    name: 'efficientnet-lite0',
    family: 'classifier',
    guessed: false,
    input: { width: 224, height: 224, fit: 'crop', pad: 0, scale: 1, mean: [127, 127, 127] },
  });
});

it('a model that no process holds any more is opened again, and told of as it can be had', async () => {
  const path = await constantModel({
    outputs: { output0: tensor([1, 6, 84]) },
    card: { name: 'birds', version: '9' },
  });
  let held = true;
  let can = false;
  const open = async () => {
    if (!held && !can) throw new Error('no process can be opened');
    held = true;
    return openFile(path);
  };
  const end = await tellOfModel({ ...deps('d/1'), isOpen: () => held }, open);
  const served = async () => (await servedModels(test.records.db)).map(({ version }) => version);
  expect(await served()).toEqual(['9']);
  held = false;
  const problems = () => modelProblems(test.records.db, 'd/1');
  await expect
    .poll(problems, { timeout: 20_000 })
    .toMatchObject([{ problem: { detail: 'no process can be opened' } }]);
  expect(await served()).toEqual([]);
  can = true;
  await expect.poll(served, { timeout: 20_000 }).toEqual(['9']);
  await end();
});
