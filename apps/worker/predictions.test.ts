import { type PredictionRecord, problemOf } from '@darkroom/contract';
import {
  announcePicture,
  deletePrediction,
  getPrediction,
  pictureKey,
  picturesOf,
  recordPredictions,
} from '@darkroom/prediction';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import { predictionUpkeep } from './predictions.ts';

let test: TestRecords;
let s3: TestS3;
let storage: Storage;
beforeAll(async () => {
  [test, s3] = await Promise.all([startRecords(), startS3()]);
  storage = createStorage({ ...s3, forcePathStyle: true });
}, 60_000);
afterAll(async () => {
  storage?.close();
  await Promise.all([test?.close(), s3?.stop()]);
});

const hoursAgo = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString();

const record = (id: number, acceptedAt: string): PredictionRecord => ({
  ...{ id, acceptedAt, owner: 'ada', state: 'failed', result: null, label: null, score: null, output: null },
  problem: problemOf('truncated_image', 'It ends early.'),
  model: { name: 'lite0', version: '1', digest: 'd' },
  ...{ alias: null, canary: false, filename: 'a.jpg', bytes: 1, timings: {}, traceId: null },
});

it('pictures go with what they were kept for, and those of which nothing came', async () => {
  const { db } = test.records;
  const keep = async (id: number, acceptedAt: string): Promise<void> => {
    await announcePicture(db, { id, acceptedAt }, 'image/jpeg');
    await storage.putBytes(pictureKey(id), Buffer.of(1), { contentType: 'image/jpeg' });
  };
  const ages = { 1: hoursAgo(0), 2: hoursAgo(0), 3: hoursAgo(2), 4: hoursAgo(2), 5: hoursAgo(72) };
  for (const [id, acceptedAt] of Object.entries(ages)) await keep(Number(id), acceptedAt);
  // The third has come to nothing; the second may come to something still.
  for (const id of [1, 4, 5] as const) await recordPredictions(db, '', [record(id, ages[id])]);
  await deletePrediction(db, (await getPrediction(db, 1))!);
  expect((await picturesOf(db, [1, 2, 3, 4, 5])).map(({ predictionId }) => predictionId)).toEqual([
    2, 3, 4, 5,
  ]);

  const upkeep = predictionUpkeep({
    records: test.records,
    storage,
    config: { predictions: { keyHours: 1, retentionDays: 2 } as never },
  });
  await upkeep.run(new AbortController().signal);
  expect((await keysUnder(storage, 'prediction-pictures/')).sort()).toEqual([pictureKey(2), pictureKey(4)]);

  // One that was on its way when it was to go is removed by the next turn, and its row is what tells of it.
  await storage.putBytes(pictureKey(1), Buffer.of(1), { contentType: 'image/jpeg' });
  await upkeep.run(new AbortController().signal);
  expect(await keysUnder(storage, 'prediction-pictures/')).not.toContain(pictureKey(1));
  await test.records
    .sql`update prediction_pictures set doomed_at = now() - interval '2 minutes' where doomed_at is not null`;
  await upkeep.run(new AbortController().signal);
  const left = await test.records
    .sql`select prediction_id::int as id, made from prediction_pictures order by 1`;
  expect(left).toEqual([
    { id: 2, made: false },
    { id: 4, made: true },
  ]);
});
