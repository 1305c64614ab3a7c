import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '@darkroom/platform';
import { type Fence, Fenced, getStages, readLog } from '@darkroom/records';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attemptAt, startRecords, submitted, type TestRecords, working } from '../../records/testing.ts';
import type { FrameDeps } from '../attempt/attempt.ts';
import { JobLog } from './log.ts';
import { PeriodicWriter } from './periodic-writer.ts';
import { ProgressWriter } from './progress.ts';

let test: TestRecords;
let deps: FrameDeps;
beforeAll(async () => {
  test = await startRecords();
  const logger = createLogger({ service: 'test', level: 'fatal' });
  deps = { records: test.records, logger } as unknown as FrameDeps;
});
afterAll(() => test.close());

const stages = ['read', 'work', 'pack'];
const linesOf = async (jobId: string) =>
  (await readLog(test.records.db, jobId, { limit: 10_000 })).map(({ line }) => line);
const doneOf = async (jobId: string) => (await getStages(test.records.db, jobId)).map(({ done }) => done);

describe('a periodic writer', () => {
  it('writes one after the other, and again what failed, until it is told to stop', async () => {
    const events: string[] = [];
    let waiting: number[] = [];
    let tries = 0;
    const write = async () => {
      const taken = waiting;
      waiting = [];
      events.push('begins');
      await sleep(20);
      events.push('ends');
      if (++tries <= 2) {
        waiting = [...taken, ...waiting];
        throw new Error('away');
      }
      written.push(...taken);
    };
    const written: number[] = [];
    const writer = new PeriodicWriter(1, write, () => true);
    for (let i = 0; i < 10; i++) {
      waiting.push(i);
      writer.schedule();
      await sleep(7);
    }
    await writer.flush();
    expect(written).toEqual(Array.from({ length: 10 }, (_, i) => i));
    expect(events.filter((event, i) => event !== (i % 2 === 0 ? 'begins' : 'ends'))).toEqual([]);
  });
});

describe('a periodic writer with more to write than it can', () => {
  beforeAll(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterAll(() => void vi.useRealTimers());

  it.each([
    [40, [50, 150, 250, 350, 450]],
    [90, [50, 190, 330, 470]],
  ])('begins one each interval, and pauses for half of it at least: %i of 100 ms', async (lasts, times) => {
    const began: number[] = [];
    const start = performance.now();
    const writer = new PeriodicWriter(
      100,
      () => {
        began.push(performance.now() - start);
        return new Promise((resolve) => setTimeout(resolve, lasts));
      },
      () => true,
    );
    for (let ms = 0; ms < 500; ms += 5) {
      writer.schedule();
      await vi.advanceTimersByTimeAsync(5);
    }
    expect(began).toEqual(times);
  });
});

describe('while the records are away', () => {
  const away = async (during: () => Promise<void>) => {
    // The tests' Postgres commits without writing.
    await test.records.sql`checkpoint`;
    await test.postgres.kill();
    try {
      await during();
    } finally {
      await test.postgres.restart();
    }
  };

  it('progress waits and is written afterwards, the newest of each', async () => {
    const jobId = await submitted(test.records);
    const fence = await working(test.records, jobId);
    const progress = new ProgressWriter(deps, fence, stages, 'work', () => {});
    await away(async () => {
      progress.reached(1, 'read');
      progress.counts('pack', 3, 7);
      await expect(progress.close()).rejects.toMatchObject({ code: 'records_unavailable' });
      progress.counts('pack', 4, 7);
    });
    await expect.poll(() => doneOf(jobId), { timeout: 10_000 }).toEqual([1, 0, 4]);
  });

  it('lines of the log wait, within bounds, and what was given up is said', async () => {
    const jobId = await submitted(test.records);
    const fence = await attemptAt(test.records, jobId);
    const log = new JobLog(deps, fence, 'work', undefined);
    const long = 'x'.repeat(100_000);
    await away(async () => {
      log.line('info', 'first');
      await expect(log.close()).rejects.toMatchObject({ code: 'records_unavailable' });
      log.line('info', 'second');
    });
    await expect.poll(() => linesOf(jobId), { timeout: 10_000 }).toEqual(['first', 'second']);
    await away(async () => {
      for (let i = 0; i < 15; i++) log.line('info', `${i} ${long}`);
      await expect(log.close()).rejects.toMatchObject({ code: 'records_unavailable' });
    });
    await log.close();
    const lines = (await linesOf(jobId)).slice(2).map((line) => line.slice(0, 30));
    expect(lines[0]).toMatch(/^5 lines before this one are mi/);
    expect(lines.slice(1).map((line) => Number.parseInt(line, 10))).toEqual([
      5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    ]);
  });
});

it('an item that has been through a stage, or has ended, is a sign that the work gets on; counts that stay are none', async () => {
  const jobId = await submitted(test.records);
  const fence = await working(test.records, jobId);
  let moved = 0;
  const progress = new ProgressWriter(
    deps,
    fence,
    stages,
    'work',
    () => {},
    () => moved++,
  );
  progress.reached(1, 'read');
  expect(moved).toBe(1);
  progress.ended(1);
  expect(moved).toBe(2);
  progress.counts('pack', 1, 2);
  progress.counts('pack', 1, 2);
  expect(moved).toBe(3);
  await progress.close();
});

it('progress of an attempt that has lost its fence is told so once, and not tried again', async () => {
  const jobId = await submitted(test.records);
  const fence: Fence = await attemptAt(test.records, jobId);
  await attemptAt(test.records, jobId, { attempt: 2 });
  const told: unknown[] = [];
  const progress = new ProgressWriter(deps, fence, stages, 'work', (error) => told.push(error));
  progress.counts('pack', 1, 2);
  await expect.poll(() => told.length, { timeout: 10_000 }).toBe(1);
  await sleep(1500);
  expect(told).toEqual([expect.any(Fenced)]);
});

it('lines of a log that Postgres refuses are not sent to it for ever', async () => {
  let tries = 0;
  const db = {
    async transaction() {
      tries++;
      throw new Error('It will not have it.');
    },
  };
  const refused = { ...deps, records: { db } } as unknown as FrameDeps;
  const log = new JobLog(
    refused,
    { jobId: 'j', run: 1, claim: 1, activity: 'a', attempt: 1 },
    'work',
    undefined,
  );
  log.line('info', 'refused');
  await expect.poll(() => tries, { timeout: 10_000 }).toBe(1);
  await sleep(1600);
  expect(tries).toBe(1);
});
