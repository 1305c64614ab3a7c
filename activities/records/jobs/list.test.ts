import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJobs, listJobs, requestDelete } from '../index.ts';
import { alice, newId, rowsReadBy, startRecords, submitted, type TestRecords, toy } from '../testing.ts';
import { jobsPage } from './jobs.ts';

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
      const ids = page.map(({ id }) => id);
      seen.push(...ids);
      expect((await getJobs(db, ids)).map(({ stages }) => stages.length)).toEqual(ids.map(() => 1));
      before = ids.at(-1);
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
    const found = await getJobs(
      db,
      hour.map(({ id }) => id),
    );
    const created = new Map(found.map(({ job }) => [job.id, job.createdAt]));
    expect(hour.map(({ id }) => created.get(id))).toEqual([at(103), at(102), at(101), at(100)]);
  });

  it('does not show what is to be deleted', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const list = async () => (await listJobs(db, { owner: 'alice', limit: 5 })).map(({ id }) => id);
    expect(await list()).toEqual([id]);
    await requestDelete(db, id);
    expect(await list()).toEqual([]);
    expect(await getJobs(db, [id])).toEqual([]);
  });

  it('marks a job anew with each change of its row and of each of its stages, and not without', async () => {
    const { db, sql } = test.records;
    const id = await submitted(test.records, { caller: { ...alice, owner: 'marked' } });
    const marked = async () => {
      const [inPage, [inFull]] = [await listJobs(db, { owner: 'marked', limit: 5 }), await getJobs(db, [id])];
      expect(inPage).toEqual([{ id, mark: inFull?.mark }]);
      return inFull!.mark;
    };
    const seen = [await marked()];
    expect(await marked()).toBe(seen[0]);
    await sql`update jobs set waiting = 'x' where id = ${id}`;
    seen.push(await marked());
    for (const stage of toy.stages) {
      await sql`update job_stages set attempts = attempts + 1 where job_id = ${id} and name = ${stage.name}`;
      seen.push(await marked());
    }
    expect(new Set(seen).size).toBe(2 + toy.stages.length);
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
      expect(await rowsReadBy(db, query)).toBeLessThan(250);
    }
  });
});
