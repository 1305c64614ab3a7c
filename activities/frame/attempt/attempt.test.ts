import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call, ReplacedCall } from '@darkroom/contract';
import { Fenced } from '@darkroom/records';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRecords, submitted, type TestRecords } from '../../records/testing.ts';
import { depsOver } from '../testing.ts';
import { type Attempt, type FrameDeps, jobActivity } from './attempt.ts';

/** What an attempt does to work that stands still, and to the attempt before it. */

let records: TestRecords;
let deps: FrameDeps;
beforeAll(async () => {
  records = await startRecords();
  deps = depsOver(records);
});
afterAll(() => records?.close());

/** Runs `work` as an attempt that may stand still for some seconds; how it ended, and what the records tell of that. */
async function run(work: (attempt: Attempt) => Promise<void>, longestStillSeconds = 2) {
  const jobId = await submitted(deps.records);
  const activity = jobActivity(deps, work, { longestStillSeconds });
  const began = performance.now();
  const failure = await new MockActivityEnvironment()
    .run(() => activity({ jobId, run: 1, stage: 'work' }))
    .then(
      () => undefined,
      (error: Error) => error.message,
    );
  const seconds = (performance.now() - began) / 1000;
  const [row] = await deps.records.sql`select outcome, problem from job_attempts where job_id = ${jobId}`;
  return { failure, seconds, outcome: row?.outcome, problem: row?.problem };
}

test('work that gets on may take as long as it likes, whichever way it says so', async () => {
  // More than this process may stall, and less than the work takes.
  const [stillSeconds, steps] = [4, 20];
  const slowly =
    (moves: (attempt: Attempt, step: number) => void) =>
    async (attempt: Attempt): Promise<void> => {
      for (let step = 1; step <= steps; step++) {
        await sleep(250, undefined, { signal: attempt.signal });
        moves(attempt, step);
      }
    };
  const runs = await Promise.all([
    run(
      slowly(({ progress }) => progress.moved()),
      stillSeconds,
    ),
    run(
      slowly(({ progress }, step) => progress.counts('pack', step, steps)),
      stillSeconds,
    ),
  ]);
  for (const { failure, outcome } of runs)
    expect({ failure, outcome }).toEqual({ failure: undefined, outcome: 'succeeded' });
});

test('work that stands still is told so, and fails by that name, whatever it throws then', async () => {
  const { failure, seconds, outcome, problem } = await run(async ({ signal }) => {
    await once(signal, 'abort');
    throw new Error('A connection was closed.');
  });
  expect(failure).toMatch(/stood still for \d+ s/);
  expect(seconds).toBeGreaterThanOrEqual(2);
  expect(outcome).toBe('failed');
  expect(problem).toMatchObject({ code: 'internal', detail: failure });
});

const replaced = { activity: 'there', failed: true };

/** Runs `work` as an attempt at the activity `there` of one worker, or at the one that `replaces` it. */
function runCall<R>(
  jobId: string,
  { attempt, replaces }: { attempt: number; replaces?: ReplacedCall },
  work: (attempt: Attempt) => Promise<R>,
): Promise<R> {
  const activityId = replaces === undefined ? replaced.activity : 'anywhere';
  const call: Call = { jobId, run: 1, stage: 'work', ...(replaces && { replaces }) };
  return new MockActivityEnvironment({ activityId, attempt }).run(jobActivity(deps, work), call);
}

test('the first attempt at the successor fences off the one that its worker may have in hand, and one that begins late', async () => {
  const jobId = await submitted(deps.records);
  const there = runCall(jobId, { attempt: 1 }, async (stopped) => {
    await stopped.assertHeld();
    await runCall(jobId, { attempt: 1, replaces: replaced }, async (successor) => {
      await successor.assertHeld();
      await expect(stopped.assertHeld()).rejects.toThrow(Fenced);
      const late = runCall(jobId, { attempt: 1 }, async () => 'begun');
      await expect(late).rejects.toMatchObject({ cause: expect.any(Fenced) });
      await successor.assertHeld();
    });
    return 'went on';
  });
  expect(await there).toBe('went on');
  const { sql } = deps.records;
  expect(
    await sql`select outcome, finished_at <= (select started_at from job_attempts where job_id = ${jobId} and attempt = 2) as before
      from job_attempts where job_id = ${jobId} order by attempt`,
  ).toEqual([
    { outcome: 'fenced', before: true },
    { outcome: 'succeeded', before: false },
  ]);
});

test('failures that nobody foresaw count together', async () => {
  const jobId = await submitted(deps.records);
  const fails = async (): Promise<never> => {
    throw new TypeError('Nobody foresaw it.');
  };
  const kinds: unknown[] = [];
  for (const at of [{ attempt: 1 }, { attempt: 1, replaces: replaced }, { attempt: 2, replaces: replaced }])
    kinds.push(await runCall(jobId, at, fails).catch(({ nonRetryable }) => nonRetryable));
  expect(kinds).toEqual([false, false, true]);
});
