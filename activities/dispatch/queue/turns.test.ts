import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aheadOf, type Line, type WaitingJob } from './turns.ts';

const longestTurn = 2;

/** Jobs that wait, each with seconds of work; their order is that in which they came. */
interface Came {
  readonly owner: string;
  readonly priority: number;
  readonly seconds: number;
}

const idOf = (nth: number): string => String(nth).padStart(6, '0');
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The lines of these jobs, and each of them as it waits. */
function queued(came: readonly Came[]): { lines: Line[]; jobs: WaitingJob[] } {
  const all = came.map((job, nth) => ({ ...job, nth, line: `${job.priority} ${job.owner}` }));
  const lines = [...Map.groupBy(all, ({ line }) => line).values()].map((of) => ({
    owner: of[0]!.owner,
    priority: of[0]!.priority,
    waiting: of.length,
    waitingSeconds: sum(of.map(({ seconds }) => seconds)),
    turnSeconds: sum(of.map(({ seconds }) => Math.min(longestTurn, seconds))),
    oldest: idOf(of[0]!.nth),
    running: 0,
    runningSeconds: 0,
  }));
  const jobs = all.map(({ owner, priority, nth, line }) => {
    const before = all.filter((other) => other.line === line && other.nth <= nth);
    return { owner, priority, turn: before.length, oldest: idOf(before[0]!.nth) };
  });
  return { lines, jobs };
}

const placeOf = (job: WaitingJob, lines: readonly Line[]): number =>
  aheadOf(job, lines, longestTurn).waiting + 1;

const came = fc.array(
  fc.record({
    owner: fc.constantFrom('ann', 'bob', 'cem', 'dora'),
    priority: fc.integer({ min: 1, max: 5 }),
    seconds: fc.double({ min: 0, max: 1000, noNaN: true }),
  }),
  { minLength: 1, maxLength: 25 },
);

describe('the places of jobs that wait', () => {
  test('are each taken once, from 1', () => {
    fc.assert(
      fc.property(came, (all) => {
        const { lines, jobs } = queued(all);
        const places = jobs.map((job) => placeOf(job, lines)).sort((a, b) => a - b);
        expect(places).toEqual(jobs.map((_, nth) => nth + 1));
      }),
    );
  });

  test('of a higher priority come before those of a lower one', () => {
    fc.assert(
      fc.property(came, (all) => {
        const { lines, jobs } = queued(all);
        const placed = jobs.map((job) => ({ priority: job.priority, place: placeOf(job, lines) }));
        placed.sort((a, b) => a.place - b.place);
        const priorities = placed.map(({ priority }) => priority);
        expect(priorities).toEqual(priorities.toSorted((a, b) => a - b));
      }),
    );
  });

  test('of an owner with one job among n owners are n at most, and nobody else has waited for more than a turn each', () => {
    fc.assert(
      fc.property(came, (all) => {
        const sole = [
          ...all.map((job) => ({ ...job, priority: 3 })),
          { owner: 'eve', priority: 3, seconds: 1 },
        ];
        const { lines, jobs } = queued(sole);
        const last = jobs.at(-1)!;
        expect(placeOf(last, lines)).toBeLessThanOrEqual(lines.length);
        expect(aheadOf(last, lines, longestTurn).seconds).toBeLessThanOrEqual(lines.length * longestTurn);
      }),
    );
  });

  test('of one owner and priority are in the order in which they came, with no less work ahead', () => {
    fc.assert(
      fc.property(came, (all) => {
        const { lines, jobs } = queued(all.map((job) => ({ ...job, priority: 3 })));
        for (const { owner } of lines) {
          const ahead = jobs
            .filter((job) => job.owner === owner)
            .map((job) => aheadOf(job, lines, longestTurn));
          for (let i = 1; i < ahead.length; i++) {
            expect(ahead[i]!.waiting).toBeGreaterThan(ahead[i - 1]!.waiting);
            expect(ahead[i]!.seconds).toBeGreaterThanOrEqual(ahead[i - 1]!.seconds);
          }
        }
      }),
    );
  });
});

const line = (changes: Partial<Line>): Line => ({
  ...{ owner: 'ann', priority: 3, waiting: 0, waitingSeconds: 0, turnSeconds: 0, oldest: null },
  ...{ running: 0, runningSeconds: 0, ...changes },
});

describe('what is ahead', () => {
  const bobs: WaitingJob = { owner: 'bob', priority: 3, turn: 1, oldest: idOf(900) };

  test("another's hundred jobs are a turn", () => {
    const anns = line({ waiting: 100, waitingSeconds: 5000, turnSeconds: 200, oldest: idOf(1) });
    expect(aheadOf(bobs, [anns], longestTurn)).toEqual({ waiting: 1, running: 0, seconds: 2 });
    const second = { ...bobs, turn: 2 };
    const bob = line({ owner: 'bob', waiting: 2, waitingSeconds: 20, turnSeconds: 4, oldest: idOf(900) });
    expect(aheadOf(second, [anns, bob], longestTurn)).toEqual({ waiting: 3, running: 0, seconds: 6 });
  });

  test("another's long job that runs is a turn as well, and no more than it has left", () => {
    expect(aheadOf(bobs, [line({ running: 1, runningSeconds: 600 })], longestTurn)).toEqual({
      ...{ waiting: 0, running: 1, seconds: 2 },
    });
    expect(aheadOf(bobs, [line({ running: 1, runningSeconds: 0.5 })], longestTurn).seconds).toBe(0.5);
  });

  test('what has a higher priority is all of its work, and what has a lower one nothing', () => {
    const work = {
      waiting: 3,
      waitingSeconds: 300,
      turnSeconds: 6,
      oldest: idOf(1),
      running: 1,
      runningSeconds: 50,
    };
    expect(aheadOf(bobs, [line({ priority: 1, ...work })], longestTurn)).toEqual({
      ...{ waiting: 3, running: 1, seconds: 350 },
    });
    expect(aheadOf(bobs, [line({ priority: 4, ...work })], longestTurn)).toEqual({
      ...{ waiting: 0, running: 0, seconds: 0 },
    });
  });

  test('where a turn is a whole job, what has begun is done before, whatever its priority', () => {
    const anns = line({ waiting: 2, waitingSeconds: 600, turnSeconds: 600, oldest: idOf(1) });
    const later = line({ owner: 'cem', priority: 5, running: 2, runningSeconds: 900 });
    const whole = Number.POSITIVE_INFINITY;
    expect(aheadOf(bobs, [anns, later], whole)).toEqual({ waiting: 1, running: 2, seconds: 1200 });
    expect(aheadOf({ ...bobs, turn: 2 }, [later], whole)).toEqual({ waiting: 1, running: 2, seconds: 900 });
  });

  test('a job whose own line was counted before it came has its turn all the same', () => {
    expect(aheadOf({ ...bobs, turn: 4 }, [], longestTurn)).toEqual({ waiting: 3, running: 0, seconds: 6 });
  });
});
