import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fenceOf } from '../attempts/fence.ts';
import { getJobRow } from '../index.ts';
import { attemptAt, startRecords, submitted, type TestRecords } from '../testing.ts';
import { nameOf } from './prepared.ts';

let started: TestRecords;
beforeAll(async () => {
  started = await startRecords(1);
}, 60_000);
afterAll(() => started?.close());

describe('statements', () => {
  test('are prepared once a connection, whatever their values', async () => {
    const { db } = started.records;
    const before = await uses();
    for (const id of ['a', 'b', 'c']) await getJobRow(db, id);
    expect((await uses()) - before).toBe(3);

    async function uses(): Promise<number> {
      const { rows } = await db.execute<{ uses: number }>(sql`
        select coalesce(sum(generic_plans + custom_plans), 0)::int as uses from pg_prepared_statements
        where statement like 'select % from "jobs" where "jobs"."id" = $1'`);
      return rows[0]?.uses ?? 0;
    }
  });

  test('have one name each, and none when there are too many', () => {
    expect(nameOf('select 1')).toBe(nameOf('select 1'));
    const names = Array.from({ length: 600 }, (_, i) => nameOf(`select ${i} + $1`));
    const given = names.filter((name) => name !== undefined);
    expect(new Set(given).size).toBe(given.length);
    expect(names.at(-1)).toBeUndefined();
    expect(nameOf('select 0 + $1')).toBe(names[0]);
  });
});

test('an item of a large, young ledger is found by its place, before there are statistics', async () => {
  const { records } = started;
  const fence = await attemptAt(records, await submitted(records, { items: 2000 }));
  const { rows } = await records.db.execute<{ 'QUERY PLAN': string }>(sql`
    explain with ${fenceOf(fence, 'share')}
    select 1 from job_items, fence
    where job_items.job_id = fence.job_id and stage = ${'work'} and ordinal = ${1000} and claim = ${fence.claim}`);
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toMatch(/Index Scan using job_items_\w+ on job_items .*\n\s+Index Cond: .*ordinal = 1000/);
});
