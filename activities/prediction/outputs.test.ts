import type { PredictionRecord, RecordedOutput } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { forgetOutputsBefore, outputBytesOf, takeOutputs } from './outputs.ts';
import { deletePrediction, getPrediction, recordPredictions } from './records.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const output = (name: string, ...bytes: number[]): RecordedOutput => ({
  name,
  datatype: 'UINT8',
  shape: [1, bytes.length],
  data: Uint8Array.from(bytes),
});
const record = (id: number, outputs?: readonly RecordedOutput[]): PredictionRecord => ({
  id,
  acceptedAt: '2026-03-04T05:06:07.089Z',
  owner: 'ada',
  state: 'succeeded',
  result: null,
  label: null,
  score: null,
  output: null,
  problem: null,
  model: { name: 'lite0', version: '1', digest: 'd' },
  filename: 'tensors',
  bytes: 12,
  timings: {},
  traceId: null,
  alias: null,
  canary: false,
  ...(outputs && { outputs }),
});
const taken = async (id: number) =>
  (await takeOutputs(test.records.db, id)).map(({ data, ...header }) => ({ ...header, data: [...data] }));
const told = ({ data, ...header }: RecordedOutput) => ({ ...header, data: [...data] });

it('outputs are there with the row, each as it was, and are taken once', async () => {
  const { db } = test.records;
  const [a, b, none] = [output('a', 0, 255, 92), output('b', 39), output('none')];
  await recordPredictions(db, 'b', [record(1, [a, b, none]), record(2), record(3, [b])]);
  expect(await outputBytesOf(db, [1, 2, 3])).toBe(5);
  expect(await taken(1)).toEqual([a, b, none].map(told));
  expect(await taken(1)).toEqual([]);
  expect(await taken(2)).toEqual([]);
  expect(await taken(3)).toEqual([told(b)]);
  expect(await outputBytesOf(db, [1, 2, 3])).toBe(0);
});

it('of two attempts those of the first to write the row are there, and the other one leaves nothing', async () => {
  const { db } = test.records;
  await recordPredictions(db, 'b', [record(11, [output('a', 1)])]);
  await recordPredictions(db, 'b', [record(11, [output('a', 2), output('b', 3)])]);
  expect(await taken(11)).toEqual([told(output('a', 1))]);
  await recordPredictions(db, 'b', [record(11, [output('a', 4)])]);
  expect(await taken(11)).toEqual([]);
});

it('those that nobody takes go after a while, and with their prediction', async () => {
  const { db } = test.records;
  await recordPredictions(db, 'b', [record(21, [output('a', 1)]), record(22, [output('a', 1)])]);
  await test.records
    .sql`update prediction_outputs set created_at = now() - interval '1 hour' where prediction_id = 21`;
  await forgetOutputsBefore(db, new Date(Date.now() - 60_000));
  expect(await taken(21)).toEqual([]);
  await deletePrediction(db, (await getPrediction(db, 22))!);
  expect(await taken(22)).toEqual([]);
});
