import { asc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FilePlace, finishJob, getJobRow, listFiles, markDeleted, requestDelete } from '../index.ts';
import { jobFiles, jobItems } from '../schema.ts';
import { rowsReadBy, startRecords, submitted, type TestRecords } from '../testing.ts';
import { itemFilesPage } from './files.ts';

let test: TestRecords;
/** Jobs of 100,000 items with two files each; every third item has failed. */
let id: string;
const many = 100_000;

beforeAll(async () => {
  test = await startRecords();
  const { db, sql } = test.records;
  for (const _ of ['another', 'this']) {
    id = await submitted(test.records);
    await db.delete(jobItems).where(eq(jobItems.jobId, id));
    for (let from = 1; from <= many; from += 10_000) {
      await sql`
        insert into job_items (job_id, stage, ordinal, key, input, state, files)
        select ${id}, 'work', n, n, '{}', case when n % 3 = 0 then 'failed' else 'succeeded' end,
               case when n % 3 = 0 then null else jsonb_build_array(
                 jsonb_build_object('path', n || '.json', 'uri', 's3://b/' || n, 'bytes', n, 'sha256', 'x', 'crc32', n, 'contentType', 'a/b'),
                 jsonb_build_object('path', n || '.jpg', 'uri', 's3://b/' || n, 'bytes', 2, 'sha256', 'x', 'contentType', 'a/b')) end
        from generate_series(${from}::int, ${from + 9999}::int) as n`;
    }
  }
  await sql`analyze job_items`;
}, 240_000);
afterAll(() => test?.close());

const own = ['coco.json', 'results.csv', 'poster.jpg'].map((path, i) => ({
  path,
  uri: `s3://b/${path}`,
  bytes: 5_000_000_000,
  sha256: 'y',
  ...(i > 0 && { crc32: 4_000_000_000 }),
  contentType: 'a/b',
}));

describe('the files of a job', () => {
  it('are noted with its end, in its transaction: an end that loses notes nothing', async () => {
    const { db } = test.records;
    expect(await finishJob(db, { jobId: id, run: 7, state: 'succeeded', ownFiles: own })).toBe(false);
    expect(await db.$count(jobFiles)).toBe(0);
    expect(await finishJob(db, { jobId: id, run: 1, state: 'succeeded', ownFiles: own })).toBe(true);
    expect(await getJobRow(db, id)).toMatchObject({ files: 2 * (many - Math.floor(many / 3)) + 3 });
    expect(await finishJob(db, { jobId: id, run: 1, state: 'succeeded', ownFiles: own })).toBe(false);
    expect(await db.$count(jobFiles)).toBe(3);
  });

  it('come by pages, each once, in order, the job’s own last', async () => {
    const { db } = test.records;
    const seen: string[] = [];
    let after: FilePlace | undefined;
    for (;;) {
      // An odd size breaks pages off within an item.
      const page = await listFiles(db, id, { after, limit: 9999 });
      seen.push(...page.map(({ file }) => file.path));
      after = page.at(-1)?.place;
      if (page.length < 9999) break;
    }
    const rows = await db
      .select({ n: jobItems.ordinal })
      .from(jobItems)
      .where(eq(jobItems.jobId, id))
      .orderBy(asc(jobItems.ordinal));
    const expected = rows.flatMap(({ n }) => (n % 3 === 0 ? [] : [`${n}.json`, `${n}.jpg`]));
    expect(seen).toEqual([...expected, ...own.map(({ path }) => path)]);
    expect(await listFiles(db, id, { after, limit: 10 })).toEqual([]);
    const last = await listFiles(db, id, { after: ['work', many, 1], limit: 10 });
    expect(last.map(({ file }) => file)).toEqual([
      {
        path: `${many}.jpg`,
        uri: `s3://b/${many}`,
        bytes: 2,
        sha256: 'x',
        contentType: 'a/b',
        item: `${many}`,
      },
      ...own.map((file) => ({ ...file, item: null })),
    ]);
  });

  it('are read no further than the page needs, wherever it begins', async () => {
    const { db } = test.records;
    for (const ordinal of [0, many / 2, many - 200]) {
      const query = itemFilesPage(db, id, { stage: ordinal === 0 ? '' : 'work', ordinal }, 101).toSQL();
      expect(await rowsReadBy(db, query)).toBeLessThanOrEqual(160);
    }
  });

  it('are not looked for among items that have none', async () => {
    const { db, sql } = test.records;
    const bare = await submitted(test.records);
    await db.delete(jobItems).where(eq(jobItems.jobId, bare));
    await sql`
      insert into job_items (job_id, stage, ordinal, key, input, state)
      select ${bare}, 'work', n, n, '{}', 'succeeded' from generate_series(1, 5000) as n`;
    const query = itemFilesPage(db, bare, { stage: '', ordinal: 0 }, 101).toSQL();
    expect(await rowsReadBy(db, query)).toBeGreaterThan(4000);
    expect(await finishJob(db, { jobId: bare, run: 1, state: 'succeeded', ownFiles: own })).toBe(true);
    expect(await rowsReadBy(db, query)).toBeLessThanOrEqual(3);
    expect((await listFiles(db, bare, { limit: 10 })).map(({ file }) => file.path)).toEqual(
      own.map(({ path }) => path),
    );
  });

  it('go with the job', async () => {
    const { db } = test.records;
    await requestDelete(db, id);
    await markDeleted(db, id, undefined);
    expect(await db.$count(jobFiles, eq(jobFiles.jobId, id))).toBe(0);
  });
});
