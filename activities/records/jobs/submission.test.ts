import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  abandonReceiving,
  assertAbandoned,
  commitSubmission,
  eventsAfter,
  Fenced,
  findByIdempotencyKey,
  getJob,
  getJobRow,
  getStages,
  listItems,
  readGroups,
  removeAbandoned,
  requestCancel,
  submitJob,
  submittedItems,
} from '../index.ts';
import {
  alice,
  findingsOf,
  insertFinding,
  newId,
  receiving,
  startRecords,
  submitted,
  type TestRecords,
  toy,
} from '../testing.ts';

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

  it('keeps the groups of the items, for a job that repeats them too', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 3, groups: ['a', 'a'] });
    const items = await listItems(db, id, { limit: 10 });
    expect(items.map(({ group }) => group)).toEqual(['a', 'a', null]);
  });

  it('copies the items of the job it repeats where they lie, however many', async () => {
    const { db, sql } = test.records;
    const first = await submitted(test.records, { items: 3, groups: ['a', 'a'] });
    const many = 10_123;
    await sql`
      insert into job_items (job_id, stage, ordinal, key, input, state, reached, problem)
      select ${first}, 'work', n, 'k' || n, jsonb_build_object('n', n), 'failed', 2, '{}' from generate_series(4, ${many}::int) as n`;
    const items = await submittedItems(db, first);
    expect(items).toEqual({ copyOf: first, stage: 'work', length: many });
    const again = newId();
    const job = { id: again, kind: toy, caller: alice, rerunOf: first };
    const submission = { id: again, fingerprint: 'f', input: {}, stage: 'work', items };
    expect(await submitJob(db, job, submission)).toEqual({ outcome: 'accepted' });
    const received = await receiving(test.records);
    expect(await commitSubmission(db, { ...submission, id: received })).toEqual({ outcome: 'accepted' });
    for (const id of [again, received]) {
      const [whole] = await sql`
        select count(*)::int as items, count(*) filter (where state = 'pending' and reached = -1 and problem is null)::int as fresh,
               count(*) filter (where key = 'k' || ordinal and input = jsonb_build_object('n', ordinal))::int as same,
               array_agg(group_name order by ordinal) filter (where ordinal <= 3) as groups
        from job_items where job_id = ${id} and stage = 'work'`;
      expect(whole).toEqual({ items: many, fresh: many, same: many, groups: ['a', 'a', null] });
      expect((await getStages(db, id)).map(({ total }) => total)).toEqual([many, many, null]);
    }
  });

  it('tells groups as spans, those without a group too, and a group that is not contiguous twice', async () => {
    const { db } = test.records;
    const groups = ['a', 'a', 'b', 'b', undefined, undefined, 'a'];
    const id = await submitted(test.records, { items: 7, groups });
    expect(await readGroups(db, id, 'work', 1)).toEqual({
      pages: [
        { from: 1, to: 3, group: 'a' },
        { from: 3, to: 5, group: 'b' },
        { from: 5, to: 7 },
        { from: 7, to: 8, group: 'a' },
      ],
      next: null,
    });
    expect((await readGroups(db, id, 'work', 4)).pages[0]).toEqual({ from: 4, to: 5, group: 'b' });
    expect(await readGroups(db, id, 'work', 8)).toEqual({ pages: [], next: null });
  });

  it('tells many groups a thousand at a time', async () => {
    const { db } = test.records;
    const groups = Array.from({ length: 2500 }, (_, nth) => `g${Math.floor(nth / 2)}`);
    const id = await submitted(test.records, { items: 2500, groups });
    const first = await readGroups(db, id, 'work', 1);
    expect([first.pages.length, first.next]).toEqual([1000, 2001]);
    const second = await readGroups(db, id, 'work', first.next!);
    expect([second.pages.length, second.pages.at(-1), second.next]).toEqual([
      250,
      { from: 2499, to: 2501, group: 'g1249' },
      null,
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
    expect(await abandonReceiving(db, id)).toBeUndefined();
  });

  it('refuses a job that was taken back, and takes back none that was submitted', async () => {
    const { db } = test.records;
    for (let round = 0; round < 10; round++) {
      const id = await receiving(test.records);
      const [taken, made] = await Promise.allSettled([
        abandonReceiving(db, id),
        commitSubmission(db, submission(id, `back-${round}`, 'f')),
      ]);
      const abandoned = taken.status === 'fulfilled' && taken.value !== undefined;
      expect(made.status).toBe(abandoned ? 'rejected' : 'fulfilled');
      if (abandoned) await assertAbandoned(db, id);
      else await expect(assertAbandoned(db, id)).rejects.toBeInstanceOf(Fenced);
      await removeAbandoned(db, id);
      expect((await getJobRow(db, id))?.state).toBe(abandoned ? undefined : 'queued');
    }
  });

  it('writes the rows of the kind with the job, or nothing at all', async () => {
    const { db } = test.records;
    const [good, bad] = [await receiving(test.records), await receiving(test.records)];
    await commitSubmission(db, submission(good, 'r1', 'f'), (tx) => insertFinding(tx, good));
    expect(await findingsOf(db, good)).toHaveLength(1);
    const failing = commitSubmission(db, submission(bad, 'r2', 'f'), async (tx) => {
      await insertFinding(tx, bad);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await findingsOf(db, bad)).toEqual([]);
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
