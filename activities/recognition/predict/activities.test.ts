import { ProblemError } from '@darkroom/contract';
import { confirmModels } from '@darkroom/models';
import { type BatchItem, listPredictions, packBatch } from '@darkroom/prediction';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { StorageError } from '@darkroom/storage';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { predictionActivities } from './activities.ts';
import type { PredictOne } from './batch.ts';
import { SpentObjects } from './spent.ts';

const model = { name: 'lite0', version: '1', digest: 'd' };
const objects = new Map<string, Buffer>();
const storage = {
  getBytes: async (key: string): Promise<Buffer> => {
    const bytes = objects.get(key);
    if (bytes === undefined) throw new StorageError('source_not_found', `${key} is not there.`);
    return bytes;
  },
  remove: async (keys: AsyncIterable<string> | Iterable<string>): Promise<void> => {
    for await (const key of keys) objects.delete(key);
  },
};

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());
beforeEach(() => test.records.sql`truncate predictions, unit_attempts`);

/** How far the clock is ahead of whoever sends batches, milliseconds. */
let aheadMs = 0;

let puts = 0;

/** Puts a batch of pictures that are one byte each; returns the call for it. Each has an object of its own: those before go behind their batches. */
function put(batch: string, ...pictures: number[]) {
  const items = pictures.map(
    (_, i): BatchItem => ({
      id: i + 1,
      acceptedAt: '2026-01-02T03:04:05.678Z',
      owner: 'ada',
      filename: `${i + 1}.jpg`,
      bytes: 1,
      topK: 5,
      gatherMs: 0,
      leftMs: 60_000,
      traceId: null,
      alias: null,
      canary: false,
    }),
  );
  const bodies = pictures.map((picture) => Uint8Array.of(picture));
  const object = Buffer.concat(
    packBatch({ header: { batch, sentAt: Date.now() + aheadMs, model, items }, bodies }),
  );
  const key = `${batch}/${++puts}`;
  objects.set(key, object);
  return { batch, key, bytes: object.length };
}

const predict: PredictOne = async (_, picture) => ({
  result: picture[0]!,
  label: null,
  score: null,
  output: { width: 1, height: 1, format: 'jpeg' },
  timings: {},
});

const spent = new SpentObjects(storage);
const attempt = (nth: number, call: object, one: PredictOne<BatchItem> = predict, earlierMs = 0) => {
  const deps = { records: test.records, storage, spent, lanes: 2, worker: 'a/1 predictions' };
  const { predictBatch } = predictionActivities(deps, one);
  const times = { scheduledTimestampMs: 1, currentAttemptScheduledTimestampMs: 1 + earlierMs };
  return new MockActivityEnvironment({ attempt: nth, ...times }).run(() => predictBatch(call));
};
const results = async () =>
  (await listPredictions(test.records.db, { limit: 99 })).map(({ id, result, problem }) => [
    id,
    result ?? problem?.code,
  ]);

it('records all of a batch, and its object goes behind it', async () => {
  const call = put('b', 4, 5, 6);
  await attempt(1, call);
  expect(await results()).toEqual([
    [3, 6],
    [2, 5],
    [1, 4],
  ]);
  await spent.flush();
  expect(objects.has(call.key)).toBe(false);
  // An attempt whose answer was lost, again.
  await attempt(2, call);
});

it('has as many in hand as all lanes together take', async () => {
  let inHand = 0;
  const full = Promise.withResolvers<void>();
  await attempt(1, put('b', 1, 2, 3, 4, 5, 6, 7, 8), async (item, picture, using) => {
    if (++inHand === 6) full.resolve();
    await full.promise;
    inHand--;
    return predict(item, picture, using);
  });
  expect(await results()).toHaveLength(8);
});

it.each([-3_600_000, 3_600_000])('goes by no clock of another machine, here %s ms ahead', async (ms) => {
  aheadMs = ms;
  onTestFinished(() => {
    aheadMs = 0;
  });
  await attempt(1, put('b', 4));
  expect(await results()).toEqual([[1, 4]]);
});

it('begins nothing for which attempts before have left no time', async () => {
  await attempt(2, put('b', 4), predict, 60_001);
  expect(await results()).toEqual([[1, 'deadline_exceeded']]);
});

it('records nothing of a batch that fails for no picture’s fault', async () => {
  const call = put('b', 4, 5);
  const outage = attempt(1, call, async () => {
    throw new ProblemError('storage_unavailable', 'away');
  });
  await expect(outage).rejects.toMatchObject({ code: 'storage_unavailable' });
  expect(await results()).toEqual([]);
});

it('finds the picture out that ends its worker: the others are answered, and none is made twice', async () => {
  const call = put('b', 1, 2, 3, 4);
  const made: number[] = [];
  // A worker that dies comes to no end: what it has written is written.
  const dies: PredictOne<BatchItem> = async (item, picture, using) => {
    if (picture[0] === 3) return new Promise(() => {});
    made.push(item.id);
    return predict(item, picture, using);
  };
  const dead = new Error('dead');
  for (const nth of [3, 4]) {
    const recorded = new Promise<never>((_, reject) => {
      const look = setInterval(async () => {
        const rows = await test.records.sql`select attempts from unit_attempts where id = 'predict/b/3'`;
        if (rows[0]?.attempts !== nth - 2) return;
        clearInterval(look);
        reject(dead);
      }, 20);
    });
    await expect(Promise.race([attempt(nth, call, dies), recorded])).rejects.toBe(dead);
  }
  await attempt(5, call, dies);
  expect(await results()).toEqual([
    [4, 4],
    [3, 'poisonous_item'],
    [2, 2],
    [1, 1],
  ]);
  expect(made).toEqual([1, 2, 4]);
});

describe('a model that cannot be opened here', () => {
  const closed: PredictOne = async () => {
    throw new ProblemError('unsupported_model', 'It is no model.');
  };
  const refused = [
    [2, 'unsupported_model'],
    [1, 'unsupported_model'],
  ];
  /** Says of a worker that it has the model open. */
  const confirm = (worker: string) =>
    confirmModels(test.records.db, worker, 'predictions', [
      { ...model, state: 'ready', lanes: 1, own: false },
    ]);
  beforeEach(() => test.records.sql`truncate model_confirmations, model_workers`);

  it('is tried again, and is each picture’s problem where nobody else has it open', async () => {
    const call = put('b', 4, 5);
    // Its own word, which it gave before the lane died.
    await confirm('a/1 predictions');
    for (const nth of [1, 2, 3])
      await expect(attempt(nth, call, closed)).rejects.toMatchObject({ code: 'unsupported_model' });
    expect(await results()).toEqual([]);
    await attempt(4, call, closed);
    expect(await results()).toEqual(refused);
  });

  it('is left to another worker that has it open, however many attempts have come here', async () => {
    const call = put('b', 4, 5);
    await confirm('b/1 predictions');
    for (const nth of [1, 4, 5])
      await expect(attempt(nth, call, closed)).rejects.toMatchObject({ code: 'unsupported_model' });
    expect(await results()).toEqual([]);
    // Nobody tries it again after that: whoever waits is to read why.
    await attempt(6, call, closed);
    expect(await results()).toEqual(refused);
  });
});
