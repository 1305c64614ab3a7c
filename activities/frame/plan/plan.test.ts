import { Readable } from 'node:stream';
import { type ListSource, ProblemError, problemOf } from '@darkroom/contract';
import {
  commitSubmission,
  Fenced,
  getCheckpoint,
  getJob,
  getJobRow,
  getStage,
  type ItemRow,
  type Kind,
  listItems,
  requestResume,
} from '@darkroom/records';
import { type Storage, StorageError } from '@darkroom/storage';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { attemptAt, receiving, submitted, type TestRecords, toy, toyKind } from '../../records/testing.ts';
import type { Attempt, FrameDeps } from '../attempt/attempt.ts';
import { startFrame, type TestFrame } from '../testing.ts';
import { planItems } from './plan.ts';
import type { PlanWork } from './work.ts';

/** Lists in a real store that become items in a real ledger. */

let frame: TestFrame;
let records: TestRecords;
let storage: Storage;
let deps: FrameDeps;
beforeAll(async () => {
  frame = await startFrame({ LIMIT_PLAN_ROWS: '20000', LIMIT_PLAN_ROW_BYTES: '60' });
  ({ records, storage, deps } = frame);
}, 60_000);
afterAll(() => frame?.close());

const row = z.strictObject({ n: z.coerce.number(), tile: z.string().optional() });
const rules = { itemStage: 'work', version: 1, badRow: 'item fails' } as const;
const work: PlanWork<z.infer<typeof row>> = { ...rules, row };
const byTile = { ...work, groupOf: ({ tile = 'none' }: z.infer<typeof row>) => tile };

/** Puts a file into the store and pins it. */
async function listOf(text: string, format: 'csv' | 'ndjson' = 'csv'): Promise<ListSource> {
  const name = `lists/${crypto.randomUUID()}`;
  const { uri, etag, size } = await storage.putBytes(name, Buffer.from(text), { contentType: 'text/plain' });
  return { format, uri, etag, bytes: size };
}

/** A job that is to be planned from the list. */
async function jobOf(source: ListSource): Promise<string> {
  const id = await receiving(records.records);
  await commitSubmission(records.records.db, {
    id,
    fingerprint: 'f',
    input: {},
    stage: 'pack',
    stageInput: source,
    items: [],
  });
  return id;
}

async function plan<Row extends object>(
  jobId: string,
  planWork: PlanWork<Row>,
  {
    attempt = 1,
    run = 1,
    changes = {},
    kind = toy,
    limits = {},
    db = deps.records.db,
  }: {
    attempt?: number;
    run?: number;
    changes?: Partial<Storage>;
    kind?: Kind;
    limits?: Partial<FrameDeps['config']['limits']>;
    db?: FrameDeps['records']['db'];
  } = {},
): Promise<number> {
  const fence = await attemptAt(deps.records, jobId, { attempt, run, activity: 'plan' });
  const standIn = {
    deps: {
      ...deps,
      records: { ...deps.records, db },
      storage: { ...storage, ...changes },
      config: { ...deps.config, limits: { ...deps.config.limits, ...limits } },
    },
    call: { jobId, run, stage: 'pack' },
    fence,
    kind,
    job: (await getJobRow(deps.records.db, jobId))!,
    signal: new AbortController().signal,
    log: { line() {} },
    progress: { counts() {}, async close() {} },
  } as unknown as Attempt;
  return new MockActivityEnvironment().run(() => planItems(standIn, planWork));
}

/** Reads whose connection breaks behind a byte of the object, once all before it were taken. */
const cutOff =
  (cutAt: number): Storage['get'] =>
  async (uri, options) => {
    const answer = await storage.get(uri, options);
    async function* cut() {
      let at = options?.range?.start ?? 0;
      for await (const chunk of answer.stream as AsyncIterable<Buffer>) {
        const left = Math.max(0, cutAt - at);
        at += chunk.length;
        if (left > 0) yield chunk.subarray(0, left);
        if (at > cutAt) throw new Error('cut off');
      }
    }
    // One that reads ahead drops what it holds when it breaks.
    return { ...answer, stream: Readable.from(cut(), { highWaterMark: 0 }) };
  };

const itemsOf = (jobId: string): Promise<ItemRow[]> =>
  listItems(deps.records.db, jobId, { stage: 'work', limit: 100_000 });
const numbered = (count: number): string =>
  `n,tile\n${Array.from({ length: count }, (_, i) => `${i + 1},t${i % 3}`).join('\n')}\n`;

test('each row becomes an item by its number; a row that does not fit is a failed one', async () => {
  const jobId = await jobOf(await listOf('n\n1\nx\n3\n'));
  expect(await plan(jobId, work)).toBe(3);
  const items = await itemsOf(jobId);
  expect(items.map(({ ordinal, key, state }) => [ordinal, key, state])).toEqual([
    [1, '1', 'pending'],
    [2, '2', 'failed'],
    [3, '3', 'pending'],
  ]);
  expect(items[0]?.input).toEqual({ n: 1 });
  expect(items[1]).toMatchObject({ run: 1, problem: { code: 'invalid_row', fault: 'yours' } });
  expect(items[1]?.problem?.detail).toMatch(/^Row 2: n: .*number/);
  const found = await getJob(deps.records.db, jobId);
  expect(found?.stages.find(({ name }) => name === 'work')).toMatchObject({ total: 3 });
  // The list is what the plan was made of, and no item beside them.
  expect(await getStage(deps.records.db, jobId, 'pack')).toMatchObject({ state: 'succeeded', result: 3 });
  expect(await listItems(deps.records.db, jobId, { limit: 9 })).toHaveLength(3);
});

test('of a job whose items came with it there is nothing to plan', async () => {
  const jobId = await submitted(records.records, { items: 4 });
  expect(await plan(jobId, work)).toBe(4);
  expect(await itemsOf(jobId)).toHaveLength(4);
});

test('a list that is read as other items is planned anew, though its plan was done', async () => {
  const jobId = await jobOf(await listOf('n\n1\n2\n'));
  await plan(jobId, work);
  await records.records.sql`update job_items set state = 'succeeded' where job_id = ${jobId}`;
  const doubled = row.transform(({ n }) => ({ n: 2 * n }));
  expect(await plan(jobId, { ...rules, row: doubled, version: 2 }, { attempt: 2 })).toBe(2);
  expect(await itemsOf(jobId)).toMatchObject([
    { input: { n: 2 }, state: 'pending' },
    { input: { n: 4 }, state: 'pending' },
  ]);
});

test('a bad row fails again in the next run, without being read', async () => {
  const jobId = await jobOf(await listOf('{"n": 1}\n{"n": "x"}', 'ndjson'));
  await plan(jobId, work);
  await records.records.sql`update jobs set state = 'failed' where id = ${jobId}`;
  await requestResume(deps.records.db, jobId, {});
  expect((await itemsOf(jobId)).map(({ state }) => state)).toEqual(['pending', 'pending']);
  const unread = { get: () => Promise.reject(new Error('was read')) };
  expect(await plan(jobId, work, { run: 2, changes: unread })).toBe(2);
  expect(await itemsOf(jobId)).toMatchObject([
    { state: 'pending' },
    { state: 'failed', run: 2, problem: { code: 'invalid_row' } },
  ]);
});

test('of a plan that was left in its middle, too', async () => {
  const jobId = await jobOf(await listOf(`n\nx\n${'1.000000\n'.repeat(12_000)}`));
  await expect(plan(jobId, work, { changes: { get: cutOff(80_000) } })).rejects.toThrow('cut off');
  expect((await itemsOf(jobId))[0]).toMatchObject({ state: 'failed' });
  await records.records.sql`update jobs set state = 'cancelled' where id = ${jobId}`;
  await requestResume(deps.records.db, jobId, {});
  expect(await plan(jobId, work, { run: 2 })).toBe(12_001);
  const failed = await listItems(deps.records.db, jobId, { state: 'failed', limit: 9 });
  expect(failed).toMatchObject([{ key: '1', run: 2 }]);
});

test('items of a group follow one another, whatever the order of the rows', async () => {
  const jobId = await jobOf(await listOf('n,tile\n1,b\n2,a\nx,a\n4,b\n5,a\n'));
  await plan(jobId, byTile);
  expect((await itemsOf(jobId)).map(({ key, group }) => [key, group])).toEqual([
    ['1', 'b'],
    ['4', 'b'],
    ['2', 'a'],
    ['5', 'a'],
    ['3', null],
  ]);
});

test('by the choice of the kind a bad row fails the job, and of a list with groups nothing is written', async () => {
  const jobId = await jobOf(await listOf(`${numbered(6000)}x,t1\n`));
  await expect(plan(jobId, { ...byTile, badRow: 'job fails' })).rejects.toMatchObject({
    code: 'invalid_row',
    message: expect.stringContaining('Row 6001: n: '),
  });
  expect(await itemsOf(jobId)).toEqual([]);
});

test.each([
  ['as the rows come', work],
  ['by groups', byTile],
])('a plan that was cut off goes on behind what it has written, %s', async (_, kind) => {
  const source = await listOf(numbered(12_000));
  const whole = await jobOf(source);
  await plan(whole, kind);
  const jobId = await jobOf(source);
  /** Begins of what was read; the pass over all groups begins at 0. */
  const reads: number[] = [];
  const get =
    (cutAt: number): Storage['get'] =>
    (uri, options) => {
      reads.push(options?.range?.start ?? 0);
      const isPass = kind.groupOf !== undefined && reads.length % 2 === 1;
      return isPass ? storage.get(uri, options) : cutOff(cutAt)(uri, options);
    };
  await expect(plan(jobId, kind, { changes: { get: get(80_000) } })).rejects.toThrow('cut off');
  const before = await getCheckpoint(deps.records.db, jobId, 'pack');
  expect(before?.found).toBeGreaterThan(0);
  expect(before).toMatchObject({ done: false });
  expect((await itemsOf(jobId)).length).toBe(before?.found);
  expect(await plan(jobId, kind, { attempt: 2, changes: { get: get(1e9) } })).toBe(12_000);
  expect(reads.at(-1)).toBeGreaterThan(0);
  const pick = ({ ordinal, key, input, group }: ItemRow) => ({ ordinal, key, input, group });
  expect((await itemsOf(jobId)).map(pick)).toEqual((await itemsOf(whole)).map(pick));
});

test('a plan of more than a job of the kind may have fails by what there is too much of', async () => {
  const jobId = await jobOf(await listOf(numbered(30)));
  const limited = { ...toyKind, limits: { items: 29 } };
  await expect(plan(jobId, work, { kind: limited })).rejects.toMatchObject({
    code: 'too_many_items',
    message: 'The job has 30 items; the limit is 29 (JOB_LIMITS, toy.items).',
  });
});

test('large rows are written before there are thousands of them', async () => {
  const large = { ...rules, row: z.object({ text: z.string() }) };
  const line = `${JSON.stringify({ text: 'x'.repeat(60_000) })}\n`;
  const jobId = await jobOf(await listOf(line.repeat(100), 'ndjson'));
  const plain = { limits: { planRowBytes: 65_536 } };
  await expect(plan(jobId, large, { ...plain, changes: { get: cutOff(5e6) } })).rejects.toThrow('cut off');
  const found = (await getCheckpoint(deps.records.db, jobId, 'pack'))?.found;
  expect(found).toBeGreaterThan(30);
  expect(found).toBeLessThan(84);
  expect(await plan(jobId, large, { ...plain, attempt: 2 })).toBe(100);
});

test('an attempt that was replaced writes nothing more', async () => {
  const jobId = await jobOf(await listOf(numbered(12_000)));
  const get: Storage['get'] = async (uri, options) => {
    await attemptAt(deps.records, jobId, { attempt: 2, activity: 'plan' });
    return storage.get(uri, options);
  };
  await expect(plan(jobId, work, { changes: { get } })).rejects.toThrow(Fenced);
  expect(await itemsOf(jobId)).toEqual([]);
});

test('a list that has changed, is too long, is empty, or cannot be read fails by name', async () => {
  const changed = await listOf('n\n1\n');
  await storage.putBytes(changed.uri, Buffer.from('n\n2\n'), { contentType: 'text/plain' });
  await expect(plan(await jobOf(changed), work)).rejects.toMatchObject({ code: 'source_changed' });
  const codeOf = async (text: string) =>
    plan(await jobOf(await listOf(text)), work).then(
      () => 'none',
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );
  expect(await codeOf(numbered(20_001))).toBe(
    'too_many_items: The list has more than 20000 rows (LIMIT_PLAN_ROWS).',
  );
  expect(await codeOf('')).toMatch(/^empty_file: .* has no row/);
  expect(await codeOf('n\n')).toMatch(/^empty_file/);
  expect(await codeOf(`n\n1\n"2\n${'3\n'.repeat(40)}`)).toMatch(
    /^invalid_row: Behind row 1 of .* not closed/,
  );
  expect(await codeOf('n,n\n1,2\n')).toMatch(/^invalid_row: .*two columns are called n/);
});

test('the objects under a prefix are rows in the order of their keys, and a listing goes on behind its last', async () => {
  const prefix = `s3://${storage.bucket}/listed-${crypto.randomUUID()}/`;
  const names = ['b/1.tif', 'a.tif', 'b/', 'c.tif'];
  for (const name of names)
    await storage.putBytes(
      `${prefix.slice(`s3://${storage.bucket}/`.length)}${name.replace(/\/$/, '/0.tif')}`,
      Buffer.from(name),
      {
        contentType: 'image/tiff',
      },
    );
  const listed = z.strictObject({ uri: z.string(), key: z.string(), etag: z.string(), bytes: z.int() });
  const kind = { ...rules, row: listed, groupOf: ({ key }: { key: string }) => key.split('/')[0]! };
  const jobId = await jobOf({ format: 'listing', uri: prefix });
  expect(await plan(jobId, kind)).toBe(4);
  expect(
    (await itemsOf(jobId)).map(({ key, input, group }) => [key, (input as { key: string }).key, group]),
  ).toEqual([
    ['1', 'a.tif', 'a.tif'],
    ['2', 'b/0.tif', 'b'],
    ['3', 'b/1.tif', 'b'],
    ['4', 'c.tif', 'c.tif'],
  ]);
  expect((await itemsOf(jobId))[0]?.input).toMatchObject({ uri: `${prefix}a.tif`, bytes: 5 });
});

test('rows are pinned by what the store says: what it refuses is the fault of one item, an outage of the attempt', async () => {
  const refusing = {
    ...work,
    pin: async ({ n, tile }: z.infer<typeof row>) => {
      if (n === 2) throw new StorageError('source_not_found', 'gone');
      if (n === 4) throw new ProblemError('source_not_granted', 'not yours');
      return { n: 10 * n, tile };
    },
  };
  const jobId = await jobOf(await listOf('n\n1\n2\nx\n4\n5\n'));
  expect(await plan(jobId, refusing)).toBe(5);
  expect((await itemsOf(jobId)).map(({ input, problem }) => [input, problem?.code])).toMatchObject([
    [{ n: 10 }, undefined],
    [{ n: 2 }, 'source_not_found'],
    [{}, 'invalid_row'],
    [{ n: 4 }, 'source_not_granted'],
    [{ n: 50 }, undefined],
  ]);
  const away = {
    ...work,
    pin: async () => {
      throw new StorageError('storage_unavailable', 'away');
    },
  };
  await expect(plan(await jobOf(await listOf('n\n1\n')), away)).rejects.toMatchObject({
    code: 'storage_unavailable',
  });
});

describe('rows that come to several items', () => {
  type Row = z.infer<typeof row>;
  /** Of each row `count` items: one on its own tile, by how far down it lies there, the others on tiles of all. */
  const several = (count: number): PlanWork<Row> => ({
    ...rules,
    row,
    itemsOf: async (rows) =>
      rows.map(({ number, row: { n, tile = 'none' } }) =>
        Array.from({ length: count }, (_, nth) => ({
          key: `${number}.${nth}`,
          input: { n, nth },
          group: nth === 0 ? tile : `all ${nth % 3}`,
          at: -n,
          ...(n % 1000 === 7 && { problem: problemOf('source_not_found', `No ${n}.`) }),
        })),
      ),
  });

  const placed = (items: ItemRow[]) => items.map(({ key, group }) => [key, group]);

  test('are items of their groups, in the order of their places there; totals are of items, the plan counts rows', async () => {
    const jobId = await jobOf(await listOf('n,tile\n1,a\n2,b\nx,b\n3,a\n'));
    const named = { ...several(2), rowFailed: (number: number, value: unknown) => ({ number, value }) };
    expect(await plan(jobId, named)).toBe(7);
    const items = await itemsOf(jobId);
    expect(placed(items)).toEqual([
      ['4.0', 'a'],
      ['1.0', 'a'],
      ['4.1', 'all 1'],
      ['2.1', 'all 1'],
      ['1.1', 'all 1'],
      ['2.0', 'b'],
      ['3', null],
    ]);
    expect(items.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(items[6]).toMatchObject({
      state: 'failed',
      input: { number: 3, value: { n: 'x', tile: 'b' } },
      problem: { code: 'invalid_row' },
    });
    const { stages } = (await getJob(deps.records.db, jobId))!;
    expect(stages.find(({ name }) => name === 'work')).toMatchObject({ total: 7, failed: 1 });
    expect(await getCheckpoint(deps.records.db, jobId, 'pack')).toMatchObject({
      found: 7,
      cursor: { rows: 4, items: 7 },
    });
  });

  /** Records that are cut off at a transaction of the attempt: before it, or when it has been written. */
  function dying(at: number, before: boolean) {
    const { db } = deps.records;
    let count = 0;
    const dead = { is: false };
    const transaction: typeof db.transaction = async (run, options) => {
      const isLast = ++count === at;
      dead.is ||= isLast;
      if (isLast && before) throw new Error('died');
      const value = await db.transaction(run, options);
      if (isLast) throw new Error('died');
      return value;
    };
    return { dead, db: Object.create(db, { transaction: { value: transaction } }) as typeof db };
  }

  const kind = { ...toyKind, sizes: { items: () => 1 } };

  /** All that a plan has written. */
  async function ledgerOf(jobId: string) {
    const [items] = await records.records.sql`
      select count(*)::int as items,
        md5(string_agg(concat_ws(' ', ordinal, key, group_name, input, problem, state), ',' order by ordinal)) as digest
      from job_items where job_id = ${jobId}`;
    const stage = await getStage(deps.records.db, jobId, 'work');
    const checkpoint = await getCheckpoint(deps.records.db, jobId, 'pack');
    return {
      items,
      counts: [stage?.done, stage?.failed, stage?.total, stage?.size],
      at: [checkpoint?.cursor, checkpoint?.found, checkpoint?.done],
    };
  }

  test.each([
    ['a few', 3, 2000],
    ['more than a transaction takes', 7, 1000],
  ])(
    'are the same wherever an attempt at the plan dies: %s of each',
    async (_, count, rows) => {
      const source = await listOf(numbered(rows));
      const limits = { planRows: 100_000 };
      const undisturbed = await jobOf(source);
      let deaths = 0;
      expect(await plan(undisturbed, several(count), { limits, kind })).toBe(rows * count);
      const whole = await itemsOf(undisturbed);
      expect(whole.map(({ ordinal }) => ordinal)).toEqual(whole.map((_, nth) => nth + 1));
      for (const group of new Set(whole.map((item) => item.group))) {
        const ns = whole.filter((item) => item.group === group).map(({ input }) => (input as Row).n);
        expect(ns).toEqual(ns.toSorted((one, other) => other - one));
      }
      for (const before of [true, false]) {
        for (let at = 2; ; at++) {
          const jobId = await jobOf(source);
          const { db, dead } = dying(at, before);
          await plan(jobId, several(count), { limits, kind, db }).catch(({ message }: Error) => {
            expect(message).toBe('died');
          });
          if (!dead.is) break;
          expect(await plan(jobId, several(count), { attempt: 2, limits, kind })).toBe(rows * count);
          expect(await ledgerOf(jobId)).toEqual(await ledgerOf(undisturbed));
          deaths++;
        }
      }
      // At the checkpoint, a save of some and the last one at least; how the store cuts what it gives tells how many more there are.
      expect(deaths).toBeGreaterThanOrEqual(6);
    },
    180_000,
  );

  test('fail again in the next run by what they had failed of', async () => {
    const jobId = await jobOf(await listOf(numbered(9)));
    await plan(jobId, several(2));
    await records.records.sql`update jobs set state = 'failed' where id = ${jobId}`;
    await requestResume(deps.records.db, jobId, {});
    expect(await plan(jobId, several(2), { run: 2 })).toBe(18);
    const failed = await listItems(deps.records.db, jobId, { state: 'failed', limit: 9 });
    expect(failed).toMatchObject([
      { key: '7.0', run: 2, problem: { code: 'source_not_found', detail: 'No 7.' } },
      { key: '7.1', run: 2, problem: { code: 'source_not_found', detail: 'No 7.' } },
    ]);
  });

  test('are no more than the rows of a list may be', async () => {
    const jobId = await jobOf(await listOf(numbered(10)));
    const error = {
      code: 'too_many_items',
      message: 'The list comes to more than 29 items (LIMIT_PLAN_ROWS).',
    };
    await expect(plan(jobId, several(3), { limits: { planRows: 29 } })).rejects.toMatchObject(error);
    expect(await itemsOf(jobId)).toEqual([]);
  });

  test('are refused by their kind once all are read, before any is written', async () => {
    const seen: number[] = [];
    const refused: PlanWork<Row> = {
      ...several(1),
      async itemsOf(rows, signal) {
        seen.push(rows.length);
        return several(1).itemsOf!(rows, signal);
      },
      allRead() {
        throw new ProblemError('invalid_row', `${seen.reduce((sum, rows) => sum + rows, 0)} rows`);
      },
    };
    const jobId = await jobOf(await listOf(numbered(6000)));
    await expect(plan(jobId, refused)).rejects.toMatchObject({ code: 'invalid_row', message: '6000 rows' });
    expect(Math.max(...seen)).toBeLessThanOrEqual(1000);
    expect(await itemsOf(jobId)).toEqual([]);
  });

  test('are planned anew where what they are a function of has changed, until the plan is whole', async () => {
    const jobId = await jobOf(await listOf(numbered(9000)));
    let revision = 'first';
    let batches = 0;
    const surveyed = (changeAt = Number.POSITIVE_INFINITY): PlanWork<Row> => ({
      ...several(1),
      revision: async () => revision,
      itemsOf: async (rows) => {
        if (++batches === changeAt) revision = 'second';
        const planned = revision;
        return rows.map(({ number }) => [{ key: String(number), input: { planned } }]);
      },
    });
    // In the second pass, when some thousands are written.
    await expect(plan(jobId, surveyed(17))).rejects.toThrow('has changed meanwhile');
    expect(await getCheckpoint(deps.records.db, jobId, 'pack')).toMatchObject({
      done: false,
      cursor: { revision: 'first' },
    });
    expect((await itemsOf(jobId)).length).toBeGreaterThan(0);
    expect(await plan(jobId, surveyed(), { attempt: 2 })).toBe(9000);
    const planned = new Set(
      (await itemsOf(jobId)).map(({ input }) => (input as { planned: string }).planned),
    );
    expect(planned).toEqual(new Set(['second']));
    revision = 'third';
    await records.records.sql`update job_items set state = 'succeeded' where job_id = ${jobId}`;
    expect(await plan(jobId, surveyed(), { attempt: 3 })).toBe(9000);
    expect((await itemsOf(jobId)).every(({ state }) => state === 'succeeded')).toBe(true);
  });

  test('are planned anew where they come to lie elsewhere, whatever is told of what they are a function of', async () => {
    const source = await listOf(numbered(9000));
    let batches = 0;
    /** Of more groups once a file was added; the attempt dies at a batch. */
    const growing = (groups: number, diesAt = Number.POSITIVE_INFINITY): PlanWork<Row> => ({
      ...several(1),
      itemsOf: async (rows) => {
        if (++batches === diesAt) throw new Error('died');
        return rows.map(({ number }) => [{ key: String(number), input: {}, group: `g${number % groups}` }]);
      },
    });
    const jobId = await jobOf(source);
    await expect(plan(jobId, growing(2, 17))).rejects.toThrow('died');
    expect((await itemsOf(jobId)).length).toBeGreaterThan(0);
    expect(await plan(jobId, growing(3), { attempt: 2 })).toBe(9000);
    const undisturbed = await jobOf(source);
    expect(await plan(undisturbed, growing(3))).toBe(9000);
    expect(await ledgerOf(jobId)).toEqual(await ledgerOf(undisturbed));
  });

  test('are never fewer, others or without a name of their own unnoticed', async () => {
    const planned = async (itemsOfRows: NonNullable<PlanWork<Row>['itemsOf']>) =>
      plan(await jobOf(await listOf(numbered(3))), { ...rules, row, itemsOf: itemsOfRows });
    await expect(planned(async () => [])).rejects.toThrow('came to items of other rows');
    await expect(planned(async (rows) => rows.map(() => []))).rejects.toThrow('came to items of other rows');
    let pass = 0;
    const changing = async (rows: readonly { number: number }[]) => {
      pass++;
      return rows.map(({ number }) => [{ key: String(number), input: {}, group: `g${number * pass}` }]);
    };
    await expect(planned(changing)).rejects.toThrow('came to other items');
    await expect(planned(async (rows) => rows.map(() => [{ key: 'same', input: {} }]))).rejects.toThrow();
  });
});
