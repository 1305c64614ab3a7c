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

const upkeep = () =>
  predictionUpkeep({
    records: test.records,
    storage,
    config: { predictions: { keyHours: 1, retentionDays: 2 } as never },
  }).run(new AbortController().signal);
/** As if it were some minutes later. */
const wait = () =>
  test.records
    .sql`update prediction_pictures set doomed_at = doomed_at - interval '2 minutes' where doomed_at is not null`;

it('pictures go with what they were kept for, and those of which nothing came', async () => {
  const { db } = test.records;
  const keep = async (id: number, acceptedAt: string): Promise<void> => {
    await announcePicture(db, { id, acceptedAt }, 'image/jpeg');
    await storage.putBytes(pictureKey(id), Buffer.of(1), { contentType: 'image/jpeg' });
  };
  const ages = {
    1: hoursAgo(0),
    2: hoursAgo(0),
    3: hoursAgo(2),
    4: hoursAgo(2),
    5: hoursAgo(72),
    6: hoursAgo(2),
  };
  for (const [id, acceptedAt] of Object.entries(ages)) await keep(Number(id), acceptedAt);
  // The third has come to nothing, as the sixth has, whose put had no end; the second may come to something still.
  for (const id of [1, 4, 5] as const) await recordPredictions(db, '', [record(id, ages[id])]);
  const away = problemOf('storage_unavailable', 'It is away.');
  await recordPredictions(db, '', [{ ...record(6, ages[6]), problem: away }]);
  await deletePrediction(db, (await getPrediction(db, 1))!);
  expect((await picturesOf(db, [1, 2, 3, 4, 5])).map(({ predictionId }) => predictionId)).toEqual([
    2, 3, 4, 5,
  ]);

  await upkeep();
  expect((await picturesOf(db, [1, 2, 3, 4, 5, 6])).map(({ predictionId }) => predictionId)).toEqual([2, 4]);
  // One that is on its way when it is to go is there by the time that it goes.
  await storage.putBytes(pictureKey(1), Buffer.of(1), { contentType: 'image/jpeg' });
  await wait();
  await upkeep();
  expect((await keysUnder(storage, 'prediction-pictures/')).sort()).toEqual([pictureKey(2), pictureKey(4)]);
  const left = await test.records
    .sql`select prediction_id::int as id, made from prediction_pictures order by 1`;
  expect(left).toEqual([
    { id: 2, made: false },
    { id: 4, made: true },
  ]);
});

it('all pictures and outputs that are to go go by one turn, however many', async () => {
  const { sql } = test.records;
  await sql`truncate prediction_pictures, prediction_outputs`;
  await sql`
    insert into prediction_pictures (prediction_id, accepted_at, content_type, doomed_at)
    select id, now(), 'image/jpeg', now() - interval '2 minutes' from generate_series(1, 5001) id`;
  await sql`
    insert into prediction_outputs (prediction_id, ordinal, name, datatype, shape, data, created_at)
    select id, 0, 'a', 'UINT8', '[1]', '\\x00', now() - interval '1 hour' from generate_series(1, 2001) id`;
  await upkeep();
  const [left] = await sql`
    select (select count(*)::int from prediction_pictures) as pictures, (select count(*)::int from prediction_outputs) as outputs`;
  expect(left).toEqual({ pictures: 0, outputs: 0 });
});
