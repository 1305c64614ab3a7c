import { problemOf } from '@darkroom/contract';
import { endItems, type Fence } from '@darkroom/records';
import {
  attemptAt,
  claimItem,
  published,
  startRecords,
  submitted,
  type TestRecords,
} from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { itemStage, madeBefore } from './made.ts';

let house: TestRecords;
beforeAll(async () => {
  house = await startRecords();
});
afterAll(() => house?.close());

const { signal } = new AbortController();

/** A job with a cutout that others repeat, and an attempt that has it in hand. */
async function begun(): Promise<{ fence: Fence; end: (state: 'succeeded' | 'pending') => Promise<unknown> }> {
  const { records } = house;
  const { db, sql } = records;
  const id = await submitted(records);
  await sql`insert into job_items (job_id, stage, ordinal, key, input) values (${id}, ${itemStage}, 1, '1', '{}')`;
  await sql`insert into job_cutouts (job_id, ordinal, facts, seconds) values (${id}, 1, '{}', 1)`;
  const fence = await attemptAt(records, id);
  await claimItem(db, fence, itemStage, 1);
  const end = (state: 'succeeded' | 'pending') =>
    endItems(db, fence, itemStage, [
      state === 'succeeded'
        ? { ordinal: 1, state, publication: published }
        : { ordinal: 1, state, problem: problemOf('internal', 'again') },
    ]);
  return { fence, end };
}

test('a cutout that the same attempt has in hand is waited for', async () => {
  const { db } = house.records;
  const { fence, end } = await begun();
  let isOver = false;
  const before = madeBefore(db, fence, '1', signal).finally(() => {
    isOver = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(isOver).toBe(false);
  await end('succeeded');
  expect(await before).toMatchObject({ state: 'succeeded', inputDigest: published.inputDigest });
});

test('one that is given back, of another attempt, or not there, is not', async () => {
  const { records } = house;
  const { fence, end } = await begun();
  const later = await attemptAt(records, fence.jobId, { attempt: 2 });
  expect(await madeBefore(records.db, later, '1', signal)).toBeUndefined();
  expect(await madeBefore(records.db, fence, '2', signal)).toBeUndefined();
  const other = await begun();
  const before = madeBefore(records.db, other.fence, '1', signal);
  await other.end('pending');
  expect(await before).toBeUndefined();
  await expect(end('succeeded')).rejects.toThrow();
});

test('whoever is cancelled waits no longer', async () => {
  const { fence } = await begun();
  const cancel = new AbortController();
  const before = madeBefore(house.records.db, fence, '1', cancel.signal);
  cancel.abort(new Error('cancelled'));
  await expect(before).rejects.toThrow();
});
