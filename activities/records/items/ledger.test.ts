import { problemOf } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../../../test/harness/postgres.ts';
import {
  claimItems,
  endItems,
  Fenced,
  getJob,
  heldItems,
  type ItemEnd,
  noteCompany,
  openRecords,
  readPage,
  recordProgress,
  redoItems,
  releaseItems,
} from '../index.ts';
import { attemptAt, ledgerRowsOf, published, startRecords, submitted, type TestRecords } from '../testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const ordinals = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const publication = (ordinal: number): ItemEnd => ({ ordinal, state: 'succeeded', publication: published });
const countsOf = async (id: string) =>
  (await getJob(test.records.db, id))!.stages.map(({ name, done, failed }) => [name, done, failed]);

describe('items by arrays', () => {
  it('are claimed, held and ended together, each as it is, and counted with it', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 10 });
    const fence = await attemptAt(test.records, id);
    const claims = await claimItems(db, fence, 'work', ordinals(1, 7));
    expect(claims.map(({ ordinal, attempt, deaths }) => [ordinal, attempt, deaths])).toEqual(
      ordinals(1, 7).map((ordinal) => [ordinal, 1, 0]),
    );
    expect(await heldItems(db, fence, 'work', [2, 6, 7])).toEqual(new Set([2, 6]));
    const problem = problemOf('empty_file', '0 bytes');
    await endItems(db, fence, 'work', [
      publication(1),
      { ordinal: 2, state: 'failed', problem },
      { ordinal: 3, state: 'pending', problem },
      publication(4),
    ]);
    // No word of progress was needed for it.
    expect(await countsOf(id)).toEqual([
      ['read', 3, 1],
      ['work', 3, 1],
      ['pack', 0, 0],
    ]);
    expect(await releaseItems(db, fence, 'work', { from: 1, to: 7 })).toBe(2);
    const items = await readPage(db, id, 'work', 1, 8);
    expect(items.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['succeeded', 1],
      ['failed', 1],
      ['pending', 1],
      ['succeeded', 1],
      ['pending', 0],
      ['pending', 0],
      ['pending', 0],
    ]);
    // Those that have ended are left out, the others taken.
    const again = await claimItems(db, fence, 'work', ordinals(1, 6));
    expect(again.map(({ ordinal, attempt }) => [ordinal, attempt])).toEqual([
      [3, 2],
      [5, 1],
    ]);
  });

  it('are known to have been alone, or to be so no more, until they are claimed again', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 2 });
    const first = await attemptAt(test.records, id);
    await claimItems(db, first, 'work', [1, 2], { alone: true });
    const alone = async () => (await readPage(db, id, 'work', 1, 3)).map((item) => item.alone);
    await noteCompany(db, first, 'work', 2);
    expect(await alone()).toEqual([true, false]);
    const second = await attemptAt(test.records, id, { attempt: 2 });
    await claimItems(db, second, 'work', [1]);
    expect(await alone()).toEqual([null, false]);
    await claimItems(db, second, 'work', [1], { alone: true });
    // Word of an attempt that has been fenced off.
    await noteCompany(db, first, 'work', 1);
    expect(await alone()).toEqual([true, false]);
  });

  it('have all lost when one of them has, with what was to be written beside them', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const older = await attemptAt(test.records, id, { activity: 'a' });
    const newer = await attemptAt(test.records, id, { activity: 'b' });
    await claimItems(db, older, 'work', [1, 2]);
    await claimItems(db, newer, 'work', [2]);
    const both = endItems(db, older, 'work', [publication(1), publication(2)], async () => {});
    await expect(both).rejects.toBeInstanceOf(Fenced);
    expect((await readPage(db, id, 'work', 1, 2))[0]).toMatchObject({ state: 'running' });
    await expect(claimItems(db, older, 'work', [1, 2])).rejects.toBeInstanceOf(Fenced);
  });

  it('are counted once each, whatever attempts do at the same time', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 600 });
    await Promise.all(
      ordinals(0, 3).map(async (lane) => {
        const fence = await attemptAt(test.records, id, { activity: `page ${lane}` });
        const [from, to] = [lane * 200 + 1, lane * 200 + 201];
        for (let first = from; first < to; first += 20) {
          const some = ordinals(first, first + 20);
          await claimItems(db, fence, 'work', some);
          const reached = some.map((ordinal) => ({ ordinal, reached: 0 }));
          await Promise.all([
            recordProgress(db, fence, { itemStage: 'work', reached }),
            endItems(db, fence, 'work', some.slice(0, 10).map(publication)),
            endItems(db, fence, 'work', some.slice(10).map(publication), async () => {}),
          ]);
        }
      }),
    );
    expect(await countsOf(id)).toEqual([
      ['read', 600, 0],
      ['work', 600, 0],
      ['pack', 0, 0],
    ]);
  });

  it('are found by their places and changed within their pages, in a large ledger too that has no statistics yet', async () => {
    // What others have changed is counted when they next have a moment: here nobody else changes anything.
    const only = openRecords({ url: await freshDatabase(test.postgres.url), pool: 1 });
    try {
      const { db, sql } = only;
      await sql`alter table job_items set (autovacuum_enabled = off)`;
      const id = await submitted(only, { items: 20_000 });
      const fence = await attemptAt(only, id);
      const read = async () => {
        await sql`select pg_stat_force_next_flush()`;
        const [row] = await sql<{ read: number; updated: number; hot: number }>`
          select (select sum(idx_tup_read)::int from pg_stat_user_indexes where relname = 'job_items')
            + (select seq_tup_read::int from pg_stat_user_tables where relname = 'job_items') as read,
            n_tup_upd::int as updated, n_tup_hot_upd::int as hot
          from pg_stat_user_tables where relname = 'job_items'`;
        return row!;
      };
      const before = await read();
      for (let first = 1; first < 2001; first += 50) {
        const some = ordinals(first, first + 50);
        await claimItems(db, fence, 'work', some);
        await recordProgress(db, fence, {
          itemStage: 'work',
          reached: some.map((ordinal) => ({ ordinal, reached: 0 })),
        });
        await heldItems(db, fence, 'work', some);
        await endItems(db, fence, 'work', some.map(publication));
      }
      const after = await read();
      expect(after.updated - before.updated).toBe(6000);
      // Three times three writes, which look and then change.
      expect((after.read - before.read) / 2000).toBeLessThan(20);
      expect((after.hot - before.hot) / 6000).toBeGreaterThan(0.9);

      await claimItems(db, fence, 'work', ordinals(2001, 2021));
      const claimed = await read();
      expect(await releaseItems(db, fence, 'work', { from: 2001, to: 2501 })).toBe(20);
      // The page that is looked through, and what is changed of it.
      expect((await read()).read - claimed.read).toBeLessThan(1100);
    } finally {
      await only.sql`alter table job_items reset (autovacuum_enabled)`;
      await only.close();
    }
  });
});

it('items that are made again are found without reading the whole ledger', async () => {
  const { db } = test.records;
  const id = await submitted(test.records, { items: 5000 });
  const fence = await attemptAt(test.records, id);
  await test.records.sql`update job_items set state = 'succeeded' where job_id = ${id}`;
  const lost = [2001, 2007].map((ordinal) => ({ stage: 'work', ordinal }));
  const { read, changed } = await ledgerRowsOf(db, (tx) => redoItems(tx, fence, lost));
  expect(changed).toBe(2);
  expect(read).toBeLessThan(50);
  const states = await readPage(db, id, 'work', 2000, 2009);
  expect(states.filter(({ state }) => state === 'pending').map(({ ordinal }) => ordinal)).toEqual([
    2001, 2007,
  ]);
  await attemptAt(test.records, id, { attempt: 2 });
  await expect(redoItems(db, fence, [{ stage: 'work', ordinal: 1 }])).rejects.toThrow(Fenced);
});

it('items of several stages are made again together, or none of them', async () => {
  const { db } = test.records;
  const id = await submitted(test.records, { items: 2 });
  const fence = await attemptAt(test.records, id);
  await test.records.sql`update job_items set state = 'succeeded' where job_id = ${id}`;
  const lost = [
    { stage: 'work', ordinal: 1 },
    { stage: 'pack', ordinal: 1 },
  ];
  await expect(redoItems(db, fence, lost)).rejects.toThrow(Fenced);
  expect((await readPage(db, id, 'work', 1, 3)).map(({ state }) => state)).toEqual([
    'succeeded',
    'succeeded',
  ]);
});
