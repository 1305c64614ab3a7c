import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  abandonReceiving,
  commitSubmission,
  createTask,
  eventsAfter,
  findByIdempotencyKey,
  getJob,
  getTask,
  listItems,
  requestCancel,
} from './index.ts';
import { receiving, startRecords, submitted, type TestRecords } from './testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords(20);
});
afterAll(() => test.close());

const submission = (id: string, key: string, fingerprint: string) => ({
  id,
  idempotencyKey: key,
  fingerprint,
  input: {},
  stage: 'work',
  items: [{ key: 'a', input: { n: 1 } }],
});

describe('commitSubmission', () => {
  it('makes a receiving job a queued one with its items, totals and event', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 3 });
    const { job, stages } = (await getJob(db, id))!;
    expect(job).toMatchObject({ state: 'queued', run: 1, owner: 'alice', input: { size: 1 }, version: 1 });
    expect(stages.map(({ name, total, done }) => [name, total, done])).toEqual([
      ['read', 3, 0],
      ['work', 3, 0],
      ['pack', null, 0],
    ]);
    const items = await listItems(db, id, { limit: 10 });
    expect(
      items.map(({ ordinal, key, input, state, reached }) => [ordinal, key, input, state, reached]),
    ).toEqual([1, 2, 3].map((n) => [n, `k${n}`, { n }, 'pending', -1]));
    expect(await eventsAfter(db, id, 0, 10)).toMatchObject([
      { id: 1, type: 'state', data: { state: 'queued' } },
    ]);
  });

  it('accepts one of 100 parallel submits with one key and names it to the other 99', async () => {
    const { db } = test.records;
    const ids = await Promise.all(Array.from({ length: 100 }, () => receiving(test.records)));
    const outcomes = await Promise.all(
      ids.map((id) => commitSubmission(db, submission(id, 'key-100', 'same'))),
    );
    const accepted = ids.filter((_, i) => outcomes[i]?.outcome === 'accepted');
    expect(accepted).toHaveLength(1);
    const others = outcomes.filter(({ outcome }) => outcome !== 'accepted');
    expect(others).toEqual(Array.from({ length: 99 }, () => ({ outcome: 'duplicate', jobId: accepted[0] })));
    expect((await findByIdempotencyKey(db, 'alice', 'key-100'))?.id).toBe(accepted[0]);
    const [count] = await test.records.sql`
      select count(*)::int as jobs from jobs where state = 'queued' and idempotency_key = 'key-100'`;
    expect(count?.jobs).toBe(1);
    const gone = await Promise.all(ids.map((id) => abandonReceiving(db, id)));
    expect(gone.filter(Boolean)).toHaveLength(99);
  });

  it('tells the reuse of a key for another request, but not across owners', async () => {
    const { db } = test.records;
    const first = await submitted(test.records, { idempotencyKey: 'k', fingerprint: 'one' });
    const second = await receiving(test.records);
    expect(await commitSubmission(db, submission(second, 'k', 'two'))).toEqual({
      outcome: 'key_reused',
      jobId: first,
    });
    const bobs = await receiving(test.records, { owner: 'bob', group: null, role: 'user', priority: 1 });
    expect(await commitSubmission(db, submission(bobs, 'k', 'two'))).toEqual({ outcome: 'accepted' });
  });

  it('refuses a job that was cancelled while it was received', async () => {
    const { db } = test.records;
    const id = await receiving(test.records);
    await requestCancel(db, id, 'no');
    await expect(commitSubmission(db, submission(id, 'late', 'f'))).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await listItems(db, id, { limit: 1 })).toEqual([]);
    expect(await abandonReceiving(db, id)).toBe(false);
  });

  it('writes the rows of the kind with the job, or nothing at all', async () => {
    const { db } = test.records;
    const task = (jobId: string) => ({ jobId, media: 'photo' as const, segments: 1, scoreThreshold: 0.5 });
    const [good, bad] = [await receiving(test.records), await receiving(test.records)];
    await commitSubmission(db, submission(good, 'r1', 'f'), (tx) => createTask(tx, task(good)));
    expect(await getTask(db, good)).toMatchObject({ media: 'photo', scoreThreshold: 0.5 });
    const failing = commitSubmission(db, submission(bad, 'r2', 'f'), async (tx) => {
      await createTask(tx, task(bad));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await getTask(db, bad)).toBeUndefined();
    expect((await getJob(db, bad))?.job.state).toBe('receiving');
  });

  it('takes 25,000 items at once', async () => {
    const id = await submitted(test.records, { items: 25_000 });
    const last = await listItems(test.records.db, id, {
      limit: 2,
      after: { ordinal: 24_998, stage: 'work' },
    });
    expect(last.map(({ ordinal, key }) => [ordinal, key])).toEqual([
      [24_999, 'k24999'],
      [25_000, 'k25000'],
    ]);
  });
});
