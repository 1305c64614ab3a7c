import { type PredictBatch, type PredictionRecord, ProblemError } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type PackedBatch, unpackBatch } from '../batch.ts';
import {
  claimPredictionKey,
  deletePrediction,
  getPrediction,
  listPredictions,
  recordPredictions,
} from '../records.ts';
import { type PredictionRequest, Predictor, type PredictorDeps } from './predictor.ts';

const model = { name: 'lite0', version: '1', digest: 'd' };

/** What a worker writes of a batch: of each picture, the first byte is its class; 255 is none. */
const worked = ({ header, bodies }: PackedBatch): PredictionRecord[] =>
  header.items.map(({ id, acceptedAt, owner, filename, bytes, traceId, alias, canary }, i) => ({
    ...{ id, acceptedAt, owner, filename, bytes, traceId, alias, canary, model },
    state: 'succeeded',
    result: bodies[i]?.[0] ?? null,
    label: null,
    score: null,
    output: null,
    problem: null,
    timings: {},
  }));

let test: TestRecords;
const objects = new Map<string, Buffer>();
let keep: PredictorDeps['keep'];
let predictor: Predictor;
/** What becomes of a batch that was handed over. */
let work: (batch: PackedBatch) => Promise<void>;
let isOpen: PredictorDeps['isOpen'];
let underWay: number;
let batches = 0;

beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());
beforeEach(async () => {
  await test.records.sql`truncate predictions, prediction_keys`;
  objects.clear();
  underWay = 2;
  work = (packed) => recordPredictions(test.records.db, packed.header.batch, worked(packed));
  isOpen = async () => true;
  keep = async () => {};
  predictor = new Predictor({
    records: test.records,
    put: async (key, bytes) => objects.set(key, bytes),
    start: async ({ key }: PredictBatch) => void work(unpackBatch(objects.get(key)!)).catch(() => {}),
    keep: (...asked) => keep(...asked),
    isOpen: (batch) => isOpen(batch),
    askMs: 500,
    newBatch: () => `batch-${++batches}`,
    gather: {
      batch: { items: 4, bytes: 1000, waitMs: 5, mostMs: 1000 },
      queue: { items: 8, bytes: 1000 },
      underWay: () => underWay,
    },
  });
});
afterEach(() => predictor.close());

const ask = (picture: number, changes: Partial<PredictionRequest> = {}) =>
  predictor.predict({
    owner: 'ada',
    priority: 3,
    model,
    picture: Uint8Array.of(picture, 1, 2),
    filename: 'a.jpg',
    topK: 5,
    deadlineMs: 30_000,
    traceId: null,
    alias: null,
    canary: false,
    signal: new AbortController().signal,
    ...changes,
  });
/** Asks for a picture, and lets its time be over as soon as it was begun; what comes of that. */
async function askTooLate(picture: number, begun: Promise<void>): Promise<unknown> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const asked = ask(picture, { deadlineMs: 30_000 }).catch((thrown: unknown) => thrown);
    await begun;
    await vi.advanceTimersByTimeAsync(30_000);
    return await asked;
  } finally {
    vi.useRealTimers();
  }
}
const atRest = { waiting: 0, bytes: 0, batches: 0, items: 0 };

it('answers each with what was recorded of its own picture', async () => {
  const rows = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(i, { owner: `owner-${i % 3}` })));
  expect(rows.map(({ result }) => result)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(8);
  expect(await getPrediction(test.records.db, rows[5]!.id)).toEqual(rows[5]);
  await predictor.drained();
  expect(predictor.loads).toEqual([{ model, load: atRest }]);
});

it('finds rows of which no notification came', async () => {
  work = async (packed) => recordPredictions(test.records.db, 'another batch', worked(packed));
  expect((await ask(7)).result).toBe(7);
});

it('answers those whose rows come, however late the others of the batch are', async () => {
  const late = Promise.withResolvers<void>();
  work = async (packed) => {
    const [first, ...others] = worked(packed);
    await recordPredictions(test.records.db, packed.header.batch, [first!]);
    await late.promise;
    await recordPredictions(test.records.db, packed.header.batch, others);
  };
  underWay = 0;
  // The first is sent alone; the others are a batch behind it.
  const asked = [ask(1), ask(2), ask(3)];
  expect((await asked[0]!).result).toBe(1);
  expect((await asked[1]!).result).toBe(2);
  late.resolve();
  expect((await asked[2]!).result).toBe(3);
});

it('refuses what was not begun in its time, and records that', async () => {
  const done = Promise.withResolvers<void>();
  underWay = 1;
  work = async (packed) => {
    await done.promise;
    await recordPredictions(test.records.db, packed.header.batch, worked(packed));
  };
  const first = ask(1);
  await vi.waitFor(() => expect(predictor.loads[0]?.load.items).toBe(1));
  await expect(ask(2, { deadlineMs: 20 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await vi.waitFor(async () => {
    const [row] = await listPredictions(test.records.db, { state: 'failed', limit: 1 });
    expect(row?.problem?.code).toBe('deadline_exceeded');
  });
  done.resolve();
  expect((await first).result).toBe(1);
});

it('records what made way for others, all of it by few statements, and asks Postgres nothing for what is refused', async () => {
  const done = Promise.withResolvers<void>();
  underWay = 1;
  work = async (packed) => {
    await done.promise;
    await recordPredictions(test.records.db, packed.header.batch, worked(packed));
  };
  const first = ask(1);
  await vi.waitFor(() => expect(predictor.loads[0]?.load.items).toBe(1));
  const own = Array.from({ length: 8 }, () => ask(2, { idempotency: undefined }));
  const outcomes = own.map((asked) =>
    asked.then(
      ({ state }) => state,
      ({ code }: ProblemError) => code,
    ),
  );
  await vi.waitFor(() => expect(predictor.loads[0]?.load.waiting).toBe(8));
  const others = ['bob', 'cid', 'dan'].map((owner) => ask(3, { owner }));
  await vi.waitFor(async () => {
    const made = await listPredictions(test.records.db, { state: 'failed', limit: 9 });
    expect(made.map(({ owner, problem }) => [owner, problem?.code])).toEqual(
      Array(3).fill(['ada', 'overloaded']),
    );
  });
  const asked = vi.spyOn(test.records.db, 'execute');
  const refused = Array.from({ length: 200 }, () => ask(4));
  for (const one of refused) await expect(one).rejects.toMatchObject({ code: 'overloaded' });
  expect(asked).not.toHaveBeenCalled();
  asked.mockRestore();
  done.resolve();
  await Promise.all([first, ...others]);
  expect((await Promise.all(outcomes)).sort()).toEqual([
    ...Array(3).fill('overloaded'),
    ...Array(5).fill('succeeded'),
  ]);
  expect(await listPredictions(test.records.db, { limit: 99 })).toHaveLength(12);
});

it('keeps its deadline also where Postgres is what takes long', async () => {
  const asked = { deadlineMs: 50, idempotency: { key: 'k', fingerprint: 'f' } };
  await test.records.db.transaction(async (tx) => {
    await tx.execute(sql`lock table prediction_keys`);
    await expect(ask(1, asked)).rejects.toMatchObject({ code: 'deadline_exceeded' });
  });
  // It was accepted once Postgres was there, and has a row.
  await vi.waitFor(async () => {
    const [row] = await listPredictions(test.records.db, { state: 'failed', limit: 1 });
    expect(row?.problem?.code).toBe('deadline_exceeded');
  });
  expect((await ask(1, { ...asked, deadlineMs: 30_000 })).result).toBe(1);
});

it('says under which id what was begun is found when it takes longer than its time', async () => {
  const [begun, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  work = async (packed) => {
    begun.resolve();
    await done.promise;
    await recordPredictions(test.records.db, packed.header.batch, worked(packed));
  };
  const error = await askTooLate(9, begun.promise);
  const id = Number(/prediction (\d+)/.exec(error instanceof ProblemError ? error.message : '')?.[1]);
  done.resolve();
  await vi.waitFor(async () => expect((await getPrediction(test.records.db, id))?.result).toBe(9));
});

it('does not do what nobody waits for any more', async () => {
  const done = Promise.withResolvers<void>();
  const begun: number[] = [];
  underWay = 1;
  work = async (packed) => {
    begun.push(...packed.bodies.map((body) => body[0]!));
    await done.promise;
    await recordPredictions(test.records.db, packed.header.batch, worked(packed));
  };
  const first = ask(1);
  await vi.waitFor(() => expect(begun).toEqual([1]));
  const leaving = new AbortController();
  const second = ask(2, { signal: leaving.signal });
  const third = ask(3);
  await vi.waitFor(() => expect(predictor.loads[0]?.load.waiting).toBe(2));
  leaving.abort(new Error('gone'));
  await expect(second).rejects.toThrow('gone');
  done.resolve();
  expect((await third).result).toBe(3);
  await first;
  expect(begun).toEqual([1, 3]);
  await predictor.drained();
  expect(predictor.loads[0]?.load).toEqual(atRest);
});

it('tells those who wait when the engine has given a batch up', async () => {
  work = async () => {};
  isOpen = async () => false;
  await expect(ask(1)).rejects.toMatchObject({ code: 'internal' });
  await vi.waitFor(async () => {
    const [row] = await listPredictions(test.records.db, { state: 'failed', limit: 1 });
    expect(row?.problem?.code).toBe('internal');
  });
});

it('passes on what keeps a batch from being handed over, and serves the next', async () => {
  const put = vi.spyOn(objects, 'set').mockImplementationOnce(() => {
    throw new ProblemError('storage_unavailable', 'away');
  });
  await expect(ask(1)).rejects.toMatchObject({ code: 'storage_unavailable' });
  put.mockRestore();
  expect((await ask(2)).result).toBe(2);
  await predictor.drained();
});

it('keeps a picture before it is predicted, where that was asked for, and fails where it cannot be kept', async () => {
  const kept: number[] = [];
  keep = async ({ id }) => {
    expect(await getPrediction(test.records.db, id)).toBeUndefined();
    kept.push(id);
  };
  const row = await ask(1, { keep: true });
  await ask(2);
  expect(kept).toEqual([row.id]);
  keep = async () => {
    throw new ProblemError('storage_unavailable', 'away');
  };
  await expect(ask(3, { keep: true })).rejects.toMatchObject({ code: 'storage_unavailable' });
  await predictor.drained();
  const failed = await listPredictions(test.records.db, { state: 'failed', limit: 9 });
  expect(failed.map(({ problem }) => problem?.code)).toEqual(['storage_unavailable']);
});

it('ends the keeping of a picture with its deadline, and records that', async () => {
  keep = (_place, _picture, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new ProblemError('storage_unavailable', 'away')));
    });
  await expect(ask(1, { keep: true, deadlineMs: 200 })).rejects.toBeInstanceOf(ProblemError);
  await vi.waitFor(async () =>
    expect(await listPredictions(test.records.db, { state: 'failed', limit: 9 })).toHaveLength(1),
  );
});

it('remembers the pace of a hundred versions, and of those that have something to do', async () => {
  const done = Promise.withResolvers<void>();
  work = async (packed) => {
    await done.promise;
    await recordPredictions(test.records.db, packed.header.batch, worked(packed));
  };
  const first = ask(1);
  await vi.waitFor(() => expect(predictor.loads[0]?.load.items).toBe(1));
  const versions = Array.from({ length: 150 }, (_, i) => ({ ...model, version: `other ${i}` }));
  predictor.requireRoom({ owner: 'ada', priority: 3, bytes: 1, deadlineMs: 1000 }, versions);
  expect(predictor.loads).toHaveLength(100);
  expect(predictor.loads[0]?.model).toEqual(model);
  done.resolve();
  expect((await first).result).toBe(1);
});

it('forgets outputs that come too late for anybody to take them', async () => {
  const [begun, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  work = async (packed) => {
    begun.resolve();
    await done.promise;
    const data = Uint8Array.of(1);
    const outputs = [{ name: 'a', datatype: 'UINT8' as const, shape: [1], data }];
    const made = worked(packed).map((record) => ({ ...record, outputs }));
    await recordPredictions(test.records.db, packed.header.batch, made);
  };
  expect(await askTooLate(9, begun.promise)).toMatchObject({ code: 'deadline_exceeded' });
  done.resolve();
  await predictor.drained();
  expect(await listPredictions(test.records.db, { limit: 9 })).toHaveLength(1);
  await vi.waitFor(async () =>
    expect(await test.records.sql`select prediction_id from prediction_outputs`).toEqual([]),
  );
});

it('is asked for the same again by an Idempotency-Key: made once, told from another, and not made again when deleted', async () => {
  const idempotency = { key: 'k', fingerprint: 'f' };
  const [first, second] = await Promise.all([ask(1, { idempotency }), ask(1, { idempotency })]);
  expect(second.id).toBe(first.id);
  expect((await ask(1, { idempotency })).id).toBe(first.id);
  await expect(ask(2, { idempotency: { key: 'k', fingerprint: 'other' } })).rejects.toMatchObject({
    code: 'idempotency_key_reused',
  });
  expect(await listPredictions(test.records.db, { limit: 9 })).toHaveLength(1);
  await deletePrediction(test.records.db, first);
  await expect(ask(1, { idempotency })).rejects.toMatchObject({ code: 'idempotency_key_deleted' });
});

it('makes what was lost with its process again, under the same id', async () => {
  const idempotency = { key: 'k', fingerprint: 'f' };
  const lost = ask(1, { idempotency, deadlineMs: 10 });
  work = async () => {};
  await lost.catch(() => {});
  const rows = await listPredictions(test.records.db, { limit: 9 });
  work = (packed) => recordPredictions(test.records.db, packed.header.batch, worked(packed));
  const again = await ask(1, { idempotency });
  expect(again.result).toBe(1);
  expect(rows.every(({ id }) => id === again.id)).toBe(true);
});

it('makes anew what is past its retention, where its key is remembered still', async () => {
  const idempotency = { key: 'k', fingerprint: 'f' };
  const acceptedAt = new Date(Date.now() - 24 * 3_600_000).toISOString();
  await claimPredictionKey(test.records.db, { ...idempotency, owner: 'ada', id: 1, acceptedAt });
  const row = await ask(1, { idempotency });
  expect(row.id).not.toBe(1);
  expect(row.acceptedAt.getTime()).toBeGreaterThan(Date.now() - 3_600_000);
  expect((await ask(1, { idempotency })).id).toBe(row.id);
});

it('makes anew under its key what failed for what passes, and not what failed for good', async () => {
  const idempotency = { key: 'k', fingerprint: 'f' };
  const put = vi.spyOn(objects, 'set').mockImplementationOnce(() => {
    throw new ProblemError('storage_unavailable', 'away');
  });
  await expect(ask(1, { idempotency })).rejects.toMatchObject({ code: 'storage_unavailable' });
  put.mockRestore();
  // Its row is on its way still, and is not what this one is answered with.
  const again = await ask(1, { idempotency });
  expect(again.result).toBe(1);
  expect((await ask(1, { idempotency })).id).toBe(again.id);
  expect(await listPredictions(test.records.db, { state: 'failed', limit: 9 })).toHaveLength(1);
});

it('fails a batch alone whose step throws what nobody foresaw, and serves the next', async () => {
  const put = vi.spyOn(objects, 'set').mockImplementationOnce(() => {
    throw new TypeError('x is not a function');
  });
  await expect(ask(1)).rejects.toThrow('x is not a function');
  put.mockRestore();
  expect((await ask(2)).result).toBe(2);
  await predictor.drained();
  expect(predictor.loads[0]?.load).toEqual(atRest);
});
