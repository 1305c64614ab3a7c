import { type PredictionRecord, predictionsChannel, problemOf } from '@darkroom/contract';
import { openRecords } from '@darkroom/records';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PredictionIds } from './ids.ts';
import { takeOutputs } from './outputs.ts';
import {
  claimPredictionKey,
  deletePrediction,
  forgetDeletedBefore,
  getPrediction,
  listPredictions,
  listResults,
  madeAt,
  predictionsAt,
  recordPredictions,
  toPredictionDetail,
} from './records.ts';
import { ensureMonths, forgetKeysBefore, monthOf, removePredictionsBefore } from './retention.ts';
import { rowsRead } from './testing.ts';

const acceptedAt = '2026-03-04T05:06:07.089Z';
const record = (id: number, changes: Partial<PredictionRecord> = {}): PredictionRecord => ({
  id,
  acceptedAt,
  owner: 'ada',
  state: 'succeeded',
  result: 4,
  label: 'cat',
  score: 0.75,
  output: { width: 2, height: 1, format: 'jpeg', top: [{ classId: 4, label: 'cat', score: 0.75 }] },
  problem: null,
  model: { name: 'lite0', version: '1', digest: 'd' },
  filename: 'Straße 𝄞.jpg',
  bytes: 12,
  timings: { infer: 5.5 },
  traceId: null,
  alias: null,
  canary: false,
  ...changes,
});

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());
beforeEach(() => test.records.sql`truncate predictions, prediction_keys, prediction_pictures`);

describe('rows', () => {
  it('are what was recorded, a failed one’s too', async () => {
    const { db } = test.records;
    const problem = problemOf('truncated_image', 'It ends early.');
    const failed = {
      state: 'failed',
      result: null,
      label: null,
      score: null,
      output: null,
      problem,
    } as const;
    await recordPredictions(db, 'b', [record(1), record(2, failed)]);
    const [first, second] = await predictionsAt(db, [
      { id: 1, acceptedAt },
      { id: 2, acceptedAt },
      { id: 3, acceptedAt },
    ]);
    const { acceptedAt: _, ...whole } = record(1);
    expect(toPredictionDetail(first!)).toEqual({
      ...{ ...whole, owner: undefined, output: undefined },
      ...whole.output,
      picture: null,
      acceptedAt,
      finishedAt: expect.any(String),
    });
    const { output: __, ...told } = failed;
    expect(toPredictionDetail(second!)).toMatchObject({ ...told, id: 2 });
    expect((await getPrediction(db, 2))?.problem).toEqual(problem);
    expect(await getPrediction(db, 3)).toBeUndefined();
  });

  it('stay what the first of two attempts has written', async () => {
    const { db } = test.records;
    await recordPredictions(db, 'b', [record(1), record(2)]);
    await recordPredictions(db, 'b', [record(1, { result: 5 }), record(3), record(3)]);
    const rows = await listPredictions(db, { limit: 9 });
    expect(rows.map(({ id, result }) => [id, result])).toEqual([
      [3, 4],
      [2, 4],
      [1, 4],
    ]);
  });

  it('that were deleted are not made again by an attempt that comes late, and are forgotten later', async () => {
    const { db } = test.records;
    const outputs = [{ name: 'logits', datatype: 'FP32', shape: [1], data: new Uint8Array(4) }];
    await recordPredictions(db, 'b', [record(1), record(2)]);
    await deletePrediction(db, (await getPrediction(db, 1))!);
    // Of a worker that died before its completion was told, the next attempt writes all of them again.
    await recordPredictions(db, 'b', [record(1, { outputs }), record(2), record(3)]);
    const places = [1, 2, 3, 4].map((id) => ({ id, acceptedAt }));
    expect(await getPrediction(db, 1)).toBeUndefined();
    expect((await predictionsAt(db, places)).map(({ id }) => id).sort()).toEqual([2, 3]);
    for (const owner of ['ada', undefined]) {
      const filter = { owner, limit: 9 };
      expect((await listPredictions(db, filter)).map(({ id }) => id)).toEqual([3, 2]);
      expect((await listResults(db, filter)).map(({ id }) => id)).toEqual([3, 2]);
    }
    expect(await takeOutputs(db, 1)).toEqual([]);
    // Whoever works on the rest of a batch leaves it, too.
    expect(await madeAt(db, places)).toEqual(new Set([1, 2, 3]));
    // Nothing is left of what it was.
    const [left] = await test.records.sql`select row_to_json(p)::text as row from predictions p where id = 1`;
    for (const word of ['ada', 'cat', 'Straße', 'lite0']) expect(left?.row).not.toContain(word);
    await forgetDeletedBefore(db, new Date(Date.now() - 60_000));
    expect(await madeAt(db, places)).toEqual(new Set([1, 2, 3]));
    await forgetDeletedBefore(db, new Date(Date.now() + 60_000));
    expect(await madeAt(db, places)).toEqual(new Set([2, 3]));
  });

  it('that are deleted while a late attempt writes them are not made again', async () => {
    const { db } = test.records;
    await recordPredictions(db, 'b', [record(1)]);
    const row = (await getPrediction(db, 1))!;
    let late: Promise<void> | undefined;
    await db.transaction(async (tx) => {
      await deletePrediction(tx, row);
      // It began before the delete was to be seen: it finds the row as it was, or waits for what becomes of it.
      late = recordPredictions(db, 'b', [record(1)]);
      const waits = vi.waitFor(async () =>
        expect(await test.records.sql`select 1 from pg_locks where not granted`).not.toEqual([]),
      );
      await Promise.race([late, waits.catch(() => {})]);
    });
    await late;
    expect(await getPrediction(db, 1)).toBeUndefined();
  });

  it('are told of on the channel when they are to be seen', async () => {
    const { db } = test.records;
    const told: { batch: string; found: number }[] = [];
    const listening = await test.records.listen(predictionsChannel, (batch) => {
      void predictionsAt(db, [{ id: 1, acceptedAt }]).then(({ length }) =>
        told.push({ batch, found: length }),
      );
    });
    await recordPredictions(db, 'batch-1', [record(1)]);
    await vi.waitFor(() => expect(told).toEqual([{ batch: 'batch-1', found: 1 }]));
    await listening.unlisten();
  });

  it('are listed newest first, by owner, state and page', async () => {
    const { db } = test.records;
    const problem = problemOf('truncated_image', 'It ends early.');
    await recordPredictions(db, 'b', [
      record(1),
      record(2, { owner: 'bob' }),
      // Next to hers in the index.
      record(5, { owner: 'ad' }),
      record(6, { owner: 'ada ' }),
      record(3, { state: 'failed', result: null, problem }),
      record(4, { acceptedAt: '2026-04-01T00:00:00.000Z' }),
    ]);
    const ids = async (filter: Parameters<typeof listPredictions>[1]) =>
      (await listPredictions(db, filter)).map(({ id }) => id);
    expect(await ids({ limit: 9 })).toEqual([6, 5, 4, 3, 2, 1]);
    expect(await ids({ owner: 'ada', limit: 9 })).toEqual([4, 3, 1]);
    expect(await ids({ owner: 'ada', limit: 2 })).toEqual([4, 3]);
    expect(await ids({ owner: 'ada', limit: 2, before: 3 })).toEqual([1]);
    expect(await ids({ owner: 'ada', state: 'succeeded', limit: 9 })).toEqual([4, 1]);
    expect(await listResults(db, { owner: 'ada', limit: 2 })).toEqual([
      { id: 4, result: 4 },
      { id: 3, result: null },
    ]);
  });
});

describe('ids', () => {
  it('are given once, by however many processes', async () => {
    const processes = [1, 2, 3].map(() => new PredictionIds(test.records.db));
    const given = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => processes[i % processes.length]!.next()),
    );
    expect(new Set(given).size).toBe(given.length);
    expect(Math.min(...given)).toBeGreaterThan(0);
  });

  it('are given again after Postgres was away', async () => {
    const ids = new PredictionIds(test.records.db);
    await test.postgres.kill();
    await expect(ids.next()).rejects.toMatchObject({ code: 'records_unavailable' });
    await test.postgres.restart();
    expect(await ids.next()).toBeGreaterThan(0);
  });
});

describe('an Idempotency-Key', () => {
  const key = { owner: 'ada', key: 'k', fingerprint: 'f', id: 7, acceptedAt };

  it('stands for the prediction of whoever was first, of each owner', async () => {
    const { db } = test.records;
    const claims = await Promise.all([7, 8, 9].map((id) => claimPredictionKey(db, { ...key, id })));
    expect(new Set(claims.map(({ id }) => id)).size).toBe(1);
    expect(await claimPredictionKey(db, { ...key, owner: 'bob', id: 20 })).toMatchObject({ id: 20 });
  });

  it('remembers that its prediction was deleted', async () => {
    const { db } = test.records;
    await claimPredictionKey(db, key);
    await recordPredictions(db, 'b', [record(7)]);
    const row = await getPrediction(db, 7);
    await deletePrediction(db, row!);
    await deletePrediction(db, row!);
    expect(await getPrediction(db, 7)).toBeUndefined();
    expect(await claimPredictionKey(db, key)).toMatchObject({ id: 7, deletedAt: expect.any(Date) });
  });

  it('is free again when it was forgotten', async () => {
    const { db } = test.records;
    await claimPredictionKey(db, key);
    await forgetKeysBefore(db, new Date('2026-03-05'));
    expect(await claimPredictionKey(db, { ...key, id: 8 })).toMatchObject({ id: 8 });
  });
});

describe('months', () => {
  const partitions = async (): Promise<string[]> => {
    const rows = await test.records.sql<{ name: string }>`
      select inhrelid::regclass::text as name from pg_inherits where inhparent = 'predictions'::regclass order by 1`;
    return rows.map(({ name }) => name);
  };

  it('are made once, ahead, and take in what came before them', async () => {
    const { db } = test.records;
    await recordPredictions(db, 'b', [record(1), record(2, { acceptedAt: '2026-05-01T00:00:00.000Z' })]);
    await Promise.all([1, 2, 3].map(() => ensureMonths(db, new Date('2026-03-31T23:59:59Z'))));
    expect(await partitions()).toEqual(['predictions_2026_03', 'predictions_2026_04', 'predictions_default']);
    expect(await test.records.sql`select id from only predictions_2026_03`).toEqual([{ id: '1' }]);
    await recordPredictions(db, 'b', [
      record(3, { acceptedAt: '2026-04-30T23:59:59.999Z' }),
      record(1, { result: 9 }),
    ]);
    expect((await listPredictions(db, { limit: 9 })).map(({ id, result }) => [id, result])).toEqual([
      [3, 4],
      [2, 4],
      [1, 4],
    ]);
    expect(await test.records.sql`select id from only predictions_2026_04`).toEqual([{ id: '3' }]);
  });

  it('go whole when they are over, and their youngest row by row', async () => {
    const { db } = test.records;
    await ensureMonths(db, new Date('2026-03-15T00:00:00Z'));
    await recordPredictions(db, 'b', [
      record(1),
      record(2, { acceptedAt: '2026-04-01T00:00:00.000Z' }),
      record(3, { acceptedAt: '2026-04-20T00:00:00.000Z' }),
    ]);
    expect(await removePredictionsBefore(db, new Date('2026-04-10T00:00:00Z'))).toEqual({
      months: 1,
      rows: 1,
    });
    expect(await partitions()).toEqual(['predictions_2026_04', 'predictions_default']);
    expect((await listPredictions(db, { limit: 9 })).map(({ id }) => id)).toEqual([3]);
    expect(await removePredictionsBefore(db, new Date('2026-04-10T00:00:00Z'))).toEqual({
      months: 0,
      rows: 0,
    });
  });

  it('are of UTC', () => {
    expect(monthOf(new Date('2026-12-31T23:30:00-05:00'))).toEqual({
      table: 'predictions_2027_01',
      from: new Date('2027-01-01T00:00:00Z'),
      to: new Date('2027-02-01T00:00:00Z'),
    });
  });
});

describe('a page among many', () => {
  const months = ['2026-03-01', '2026-04-01', '2026-05-01'];
  beforeEach(async () => {
    for (const month of months) await ensureMonths(test.records.db, new Date(month));
    // Half of them are of `early` for a while, and then none of thousands; every one of `few` failed.
    await test.records.sql`
      insert into predictions (id, accepted_at, owner, state, model_name, model_version, model_digest, filename, bytes, timings)
      select id, '2026-03-01'::timestamptz + id * interval '10 minutes',
        case when id % 500 = 0 then 'few' when id % 2 = 0 and id % 4000 < 2600 then 'early' else 'most' end,
        case when id % 100 = 0 then 'failed' else 'succeeded' end, 'lite0', '1', 'd', 'a.jpg', 1, '{}'
      from generate_series(1, 12000) id`;
    await test.records.sql`vacuum analyze predictions`;
  });

  it('reads as many rows as it has, whoever’s and wherever it is, and one more of each month', async () => {
    const { db } = test.records;
    const partitions = months.length + 2;
    for (const owner of ['most', 'early', 'few', 'nobody'])
      for (const state of [undefined, 'succeeded', 'failed'] as const)
        for (const before of [undefined, 11_999, 8000, 5000]) {
          const filter = { owner, state, before, limit: 21 };
          const found = (await listResults(db, filter)).length;
          const inVain = (await rowsRead(db, filter)) - found;
          expect({ ...filter, inVain }).toEqual({ ...filter, inVain: Math.min(inVain, partitions) });
        }
    expect(await rowsRead(db, { before: 9000, limit: 21 })).toBeLessThanOrEqual(21 + partitions);
  });

  it('is of a query that is planned once a connection, whoever asks for which page', async () => {
    const { db, sql, close } = openRecords({ url: test.url, pool: 1 });
    try {
      const owners = ['most', 'early', 'few', 'nobody'];
      const shapes = [undefined, 'succeeded', 'failed'].flatMap((state) =>
        [3, 51, 1001].map((limit) => ({ state: state as 'succeeded' | 'failed' | undefined, limit })),
      );
      // Postgres makes five plans for their values before it thinks of one for all.
      for (const shape of shapes)
        for (let nth = 0; nth < 8; nth++)
          await listResults(db, {
            ...shape,
            owner: owners[nth % 4],
            before: nth < 4 ? undefined : 1500 * nth,
          });
      const plans = await sql<{ values: number; all: number }>`
        select custom_plans::int as values, generic_plans::int as all from pg_prepared_statements
        where statement like 'select %from "predictions"%'`;
      expect(plans).toEqual(shapes.map(() => ({ values: 5, all: 3 })));
    } finally {
      await close();
    }
  });
});
