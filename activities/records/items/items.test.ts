import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pageOfItems } from '../index.ts';
import { type ItemPlace, jobItems } from '../schema.ts';
import { rowsReadBy, startRecords, submitted, type TestRecords } from '../testing.ts';
import { type ItemFilter, itemsInOrder, lookedThrough } from './items.ts';

let test: TestRecords;
let id: string;
/** Items of each of two stages. */
const many = 30_000;
const failed = [5, 17_000, 29_999];

beforeAll(async () => {
  test = await startRecords();
  const { db, sql } = test.records;
  for (const _ of ['another', 'this']) {
    id = await submitted(test.records);
    await db.delete(jobItems).where(eq(jobItems.jobId, id));
    await sql`
      insert into job_items (job_id, stage, ordinal, key, input, state)
      select ${id}, stage, n, n, '{}', case when stage = 'work' and n = any(${failed}::int[]) then 'failed' else 'succeeded' end
      from generate_series(1, ${many}::int) as n, unnest(array['read', 'work']) as stage`;
  }
  await sql`analyze job_items`;
}, 120_000);
afterAll(() => test?.close());

/** All pages of items, each with where it ends. */
async function pagesOf(
  filter: Omit<ItemFilter, 'after'>,
): Promise<{ keys: string[]; next: ItemPlace | null }[]> {
  const pages: { keys: string[]; next: ItemPlace | null }[] = [];
  for (let after: ItemPlace | null | undefined; after !== null; ) {
    const { items, next } = await pageOfItems(test.records.db, id, { ...filter, after: after ?? undefined });
    pages.push({ keys: items.map(({ stage, key }) => `${stage} ${key}`), next });
    after = next;
  }
  return pages;
}

describe('the items of a job', () => {
  it('come by pages, each once, in order', async () => {
    const pages = await pagesOf({ limit: 7001 });
    expect(pages).toHaveLength(9);
    expect(pages.flatMap(({ keys }) => keys)).toEqual(
      Array.from({ length: 2 * many }, (_, i) => `${i % 2 === 0 ? 'read' : 'work'} ${Math.floor(i / 2) + 1}`),
    );
  });

  it('are read no further than the page needs, wherever it begins, those of a stage too', async () => {
    const { db } = test.records;
    for (const stage of [undefined, 'work']) {
      for (const ordinal of [1, many / 2, many - 200]) {
        const after = { ordinal, stage: 'work' };
        const query = itemsInOrder(db, id, { stage, after, limit: 101 }).toSQL();
        expect(await rowsReadBy(db, query)).toBeLessThanOrEqual(110);
      }
    }
  });

  it('of one state are looked for among so many at a time: a page may have none, and a next one', async () => {
    const { db } = test.records;
    const pages = await pagesOf({ state: 'failed', stage: 'work', limit: 10 });
    expect(pages.map(({ keys }) => keys)).toEqual([['work 5'], ['work 17000'], ['work 29999']]);
    const none = await pagesOf({ state: 'running', limit: 10 });
    expect(none.map(({ keys }) => keys)).toEqual([[], [], []]);
    const few = await pagesOf({ state: 'failed', limit: 1 });
    expect(few.flatMap(({ keys }) => keys)).toEqual(failed.map((n) => `work ${n}`));

    for (const stage of [undefined, 'work']) {
      for (const ordinal of [0, many / 2]) {
        const after = { ordinal, stage: '' };
        const filter: ItemFilter = { stage, state: 'running', after, limit: 11 };
        const most = (stage === undefined ? 2 : 1) * lookedThrough;
        const bounded = itemsInOrder(db, id, filter, ordinal + lookedThrough).toSQL();
        expect(await rowsReadBy(db, bounded)).toBeLessThanOrEqual(most + 2);
      }
    }
    // To its end the search would read them all.
    const unbounded = itemsInOrder(db, id, { state: 'running', limit: 11 }).toSQL();
    expect(await rowsReadBy(db, unbounded)).toBeGreaterThanOrEqual(2 * many);
  });

  it('go on behind ordinals that there are not', async () => {
    await test.records.sql`delete from job_items where job_id = ${id} and ordinal between 100 and 25000`;
    const pages = await pagesOf({ state: 'failed', limit: 10 });
    expect(pages.map(({ keys }) => keys)).toEqual([['work 5'], ['work 29999']]);
  });
});
