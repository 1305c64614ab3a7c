import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attemptsInHand, closeAttempt, oldestJobs, openJobs, turnOf } from '../index.ts';
import { attemptAt, rowsReadBy, startRecords, submitted, type TestRecords } from '../testing.ts';
import { countOfOpenJobs } from './queue.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const carol = { owner: 'carol', group: null, role: 'user', priority: 2 } as const;
const estimated = (p50: number) => JSON.stringify({ seconds: { p50, p90: 2 * p50 }, runs: 0, error: null });

describe('the queue', () => {
  it('is counted by kind, owner, priority and state, with the work of what is estimated', async () => {
    const { records } = test;
    const [first, second, third] = [
      await submitted(records),
      await submitted(records),
      await submitted(records),
    ];
    const hers = await submitted(records, { caller: carol });
    await records.sql`update jobs set estimate = ${estimated(30)}::text::jsonb where id = ${first}`;
    await records.sql`update jobs set estimate = ${estimated(0.5)}::text::jsonb where id = ${second}`;
    const fence = await attemptAt(records, hers);
    expect(await attemptsInHand(records.db)).toEqual({ toy: 1 });
    const open = await openJobs(records.db, { toy: 2 });
    expect(open.toSorted((a, b) => a.priority - b.priority)).toEqual([
      {
        ...{ kind: 'toy', owner: 'carol', priority: 2, state: 'running', jobs: 1, oldest: hers },
        ...{ seconds: 0, turnSeconds: 0, unestimated: 1 },
      },
      {
        ...{ kind: 'toy', owner: 'alice', priority: 3, state: 'queued', jobs: 3, oldest: first },
        ...{ seconds: 30.5, turnSeconds: 2.5, unestimated: 1 },
      },
    ]);
    // Of a kind without a longest turn it is the whole job.
    expect((await openJobs(records.db, {})).map(({ turnSeconds }) => turnSeconds).sort()).toEqual([0, 30.5]);

    await closeAttempt(records.db, fence, { outcome: 'succeeded', workMs: 5 });
    expect(await attemptsInHand(records.db)).toEqual({});
    const mine = { owner: 'alice', priority: 3 };
    expect(await turnOf(records.db, { id: third, ...mine }, ['toy'])).toEqual({ turn: 3, oldest: first });
    expect(await turnOf(records.db, { id: third, ...mine }, ['other'])).toEqual({ turn: 1, oldest: third });
    expect(await turnOf(records.db, { id: third, ...mine, priority: 2 }, ['toy'])).toMatchObject({ turn: 1 });
    const waiting = await oldestJobs(records.db, { owner: 'alice', state: 'queued', limit: 2 });
    expect(waiting.map(({ job }) => job.id)).toEqual([first, second]);
    expect(await oldestJobs(records.db, { state: 'running', limit: 9 })).toMatchObject([
      { job: { id: hers } },
    ]);
  });

  it('of ten thousand jobs is no more rows than these, however many have ended', async () => {
    const { db, sql: run } = test.records;
    // Ten thousand wait, a quarter of them one owner's; thirty thousand have ended, with an attempt each.
    await run`
      insert into jobs (id, kind, state, owner, role, priority, input, run, estimate)
      select '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'toy', case when n % 4 = 0 then 'queued' else 'succeeded' end,
        case when n % 16 = 0 then 'big' else 'owner' || n % 97 end, 'user', 3, '{}', 1, ${estimated(3)}::text::jsonb
      from generate_series(1, 40000) as n`;
    await run`
      insert into job_attempts (job_id, run, activity, attempt, stage, claim, worker, finished_at)
      select id, 1, 'page', 1, 'work', 1, 'test', now() from jobs where state = 'succeeded'`;
    await run`analyze jobs, job_attempts`;
    const count = db.execute(countOfOpenJobs({ toy: 2 })).getQuery();
    expect(await rowsReadBy(db, count)).toBeLessThan(10_100);
    const open = await openJobs(db, { toy: 2 });
    expect(open.length).toBeLessThan(120);
    expect(open.find(({ owner }) => owner === 'big')).toMatchObject({
      ...{ jobs: 2500, seconds: 7500, turnSeconds: 5000 },
    });
    const last = '01900000-0000-7000-8000-000000009c40';
    expect(await turnOf(db, { id: last, owner: 'big', priority: 3 }, ['toy'])).toMatchObject({ turn: 2500 });
    // The open attempts are found without the others.
    const { rows } = await db.execute<{ 'QUERY PLAN': unknown }>(
      sql`explain (format json) select count(*) from job_attempts where finished_at is null`,
    );
    expect(JSON.stringify(rows)).toContain('job_attempts_open');
  });
});
