import { cutoutsKind, problemOf } from '@darkroom/contract';
import { newId, startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { summaryOf } from './summary.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test?.close());

/** A job with its stages. */
async function job(): Promise<string> {
  const id = newId();
  const { sql } = test.records;
  await sql`insert into jobs (id, kind, state, owner, role, priority, input, run, version)
    values (${id}, 'cutouts', 'running', 'ann', 'user', 3, '{}', 1, 1)`;
  for (const [ordinal, { name, unit, weight }] of cutoutsKind.stages.entries())
    await sql`insert into job_stages (job_id, name, ordinal, unit, weight, work_ms, queue_ms)
      values (${id}, ${name}, ${ordinal}, ${unit}, ${weight}, ${1500 * (ordinal + 1)}, 250)`;
  return id;
}

interface Item {
  readonly row: number;
  readonly bytes?: number;
  readonly repeats?: string;
  readonly seconds?: number;
  readonly problem?: ReturnType<typeof problemOf>;
}

async function add(id: string, items: readonly Item[]): Promise<void> {
  const { sql } = test.records;
  for (const [i, { row, bytes = 0, repeats, seconds, problem = null }] of items.entries()) {
    const input = { row, set: 0, name: `${row}.fits`, pixels: 100, ...(repeats && { repeats }) };
    const files = problem === null ? [{ path: `${row}.fits`, bytes }] : null;
    await sql`insert into job_items (job_id, stage, ordinal, key, input, state, files, problem)
      values (${id}, 'cut', ${i + 1}, ${String(row)}, ${JSON.stringify(input)}, ${problem ? 'failed' : 'succeeded'},
        ${files && JSON.stringify(files)}, ${problem && JSON.stringify(problem)})`;
    if (seconds !== undefined)
      await sql`insert into job_cutouts (job_id, ordinal, facts, seconds) values (${id}, ${i + 1}, '{}', ${seconds})`;
  }
}

it('tells counts, bytes, what took longest and what failed, by reason', async () => {
  const id = await job();
  const outside = (row: number) => problemOf('no_coverage', `There is nothing at row ${row}.`);
  await add(id, [
    { row: 4, bytes: 1000, seconds: 0.25 },
    { row: 9, bytes: 1000, seconds: 0, repeats: '4' },
    { row: 2, bytes: 500, seconds: 0.5 },
    { row: 7, problem: outside(7) },
    { row: 3, problem: outside(3) },
    { row: 5, problem: problemOf('invalid_row', `Row 5: ${'long '.repeat(200)}`) },
  ]);
  const { failures, ...summary } = await summaryOf(test.records.db, id);
  expect(summary).toEqual({
    succeeded: 3,
    failed: 3,
    repeated: 1,
    bytes: 2500,
    pixels: 300,
    tiles: 0,
    stages: cutoutsKind.stages.map(({ name }, i) => ({
      name,
      workSeconds: 1.5 * (i + 1),
      queueSeconds: 0.25,
    })),
    slowest: [
      { row: 2, set: 0, file: '2.fits', seconds: 0.5 },
      { row: 4, set: 0, file: '4.fits', seconds: 0.25 },
    ],
  });
  expect(failures).toEqual([
    { code: 'no_coverage', count: 2, first: { row: 3, detail: 'There is nothing at row 3.' } },
    { code: 'invalid_row', count: 1, first: { row: 5, detail: expect.stringMatching(/^Row 5: long /) } },
  ]);
  expect(failures[1]?.first.detail).toHaveLength(300);
});

it('has an end, however many cutouts there are, and is there before there is any', async () => {
  const id = await job();
  expect(await summaryOf(test.records.db, id)).toMatchObject({ succeeded: 0, bytes: 0, slowest: [] });
  await add(
    id,
    Array.from({ length: 40 }, (_, i) => ({ row: i + 1, bytes: 1, seconds: 1 + i })),
  );
  const { slowest } = await summaryOf(test.records.db, id);
  expect(slowest.map(({ row }) => row)).toEqual([40, 39, 38, 37, 36, 35, 34, 33, 32, 31]);
});
