import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listJobs, requestDelete } from './index.ts';
import { jobsPage } from './jobs.ts';
import { newId, startRecords, submitted, type TestRecords } from './testing.ts';

let test: TestRecords;
const many = 100_000;
const first = Date.parse('2026-01-01T00:00:00Z');

beforeAll(async () => {
  test = await startRecords();
  // One job a second, of a hundred owners, three kinds and two states; the rarest are one in a thousand.
  const perStatement = 10_000;
  for (let from = 1; from <= many; from += perStatement) {
    await test.records.sql`
    insert into jobs (id, kind, state, owner, role, priority, input, created_at)
    select substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-7000-8000-' || lpad(to_hex(n), 12, '0'),
           case when n % 1000 = 0 then 'rare' else 'photo' end,
           case when n % 1000 = 1 then 'failed' else 'succeeded' end,
           case when n % 2 = 0 then 'big' else 'owner' || n % 99 end, 'user', 3, '{}',
           to_timestamp((${first}::bigint + n * 1000) / 1000)
    from generate_series(${from}::int, ${from + perStatement - 1}::int) as n,
         lateral (select lpad(to_hex(${first}::bigint + n * 1000), 12, '0') as hex) as x`;
  }
  await test.records.sql`
    insert into job_stages (job_id, name, ordinal, unit, weight) select id, 'work', 0, 'items', 1 from jobs where owner = 'owner7'`;
  await test.records.sql`analyze jobs`;
}, 120_000);
afterAll(() => test.close());

const at = (n: number) => new Date(first + n * 1000);

describe('listJobs', () => {
  it('pages through all of an owner, newest first, each once', async () => {
    const { db } = test.records;
    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await listJobs(db, { owner: 'owner7', limit: 300, before });
      seen.push(...page.map(({ job }) => job.id));
      expect(page.every(({ stages }) => stages.length === 1)).toBe(true);
      before = page.at(-1)?.job.id;
    } while (before !== undefined);
    const all = await test.records.sql<{
      id: string;
    }>`select id from jobs where owner = 'owner7' order by id desc`;
    expect(seen).toEqual(all.map(({ id }) => id));
  });

  it('filters by kind, state and time', async () => {
    const { db } = test.records;
    expect(await listJobs(db, { owner: 'big', kind: 'rare', limit: 200 })).toHaveLength(100);
    expect(await listJobs(db, { state: 'failed', kind: 'rare', limit: 10 })).toEqual([]);
    const hour = await listJobs(db, { from: at(100), to: at(103), limit: 10 });
    expect(hour.map(({ job }) => job.createdAt)).toEqual([at(103), at(102), at(101), at(100)]);
  });

  it('does not show what is to be deleted', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const list = async () => (await listJobs(db, { owner: 'alice', limit: 5 })).map(({ job }) => job.id);
    expect(await list()).toEqual([id]);
    await requestDelete(db, id);
    expect(await list()).toEqual([]);
  });

  const filters = {
    everything: {},
    'an owner': { owner: 'big' },
    'an owner who has few': { owner: 'owner7' },
    'an owner and a state': { owner: 'big', state: 'failed' },
    'an owner and a rare kind': { owner: 'big', kind: 'rare' },
    'a state': { state: 'failed' },
    'a kind': { kind: 'rare' },
    'a time long ago': { to: at(500) },
    'a time of an owner': { owner: 'big', from: at(500), to: at(600) },
    'an owner that is not there': { owner: 'nobody' },
  };
  it.each(Object.entries(filters))('reads no more rows than the page needs: %s', async (_, filter) => {
    const { db } = test.records;
    for (const before of [undefined, newId(at(many / 2).getTime())]) {
      const query = jobsPage(db, { ...filter, limit: 20, before }).toSQL();
      const literal = query.sql.replace(/\$(\d+)/g, (_all, n) => `'${String(query.params[Number(n) - 1])}'`);
      const { rows } = await db.execute<{ 'QUERY PLAN': Plan[] }>(
        `explain (analyze, buffers, format json) ${literal}`,
      );
      const read = rowsRead(rows[0]!['QUERY PLAN'][0]!.Plan);
      expect(read).toBeLessThan(250);
    }
  });
});

interface Node {
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Node[];
}
interface Plan {
  Plan: Node;
}

/** The most rows that a node of the plan took into its hands. */
function rowsRead(node: Node): number {
  const own = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  return Math.max(own, ...(node.Plans ?? []).map(rowsRead));
}
