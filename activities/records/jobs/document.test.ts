import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JobFacts, progressOf, type StageFacts, toJob } from '../index.ts';
import type { JobRow } from '../rows.ts';

const start = new Date('2026-01-01T00:00:00Z');
const seconds = (n: number) => new Date(start.getTime() + n * 1000);

const stage = (facts: Partial<StageFacts> = {}): StageFacts & { size: null } => ({
  size: null,
  name: 'work',
  state: 'running',
  done: 0,
  failed: 0,
  total: null,
  resumedFrom: 0,
  unit: 'items',
  weight: 1,
  startedAt: start,
  finishedAt: null,
  queueMs: 0,
  workMs: 0,
  attempts: 1,
  aliveAt: null,
  movedAt: null,
  ...facts,
});

/** Stages with any counts, and how much further each of them gets. */
const growing = fc.array(
  fc.record({
    weight: fc.integer({ min: 1, max: 100 }),
    total: fc.option(fc.integer({ min: 0, max: 1000 }), { freq: 4 }),
    done: fc.integer({ min: 0, max: 1200 }),
    more: fc.integer({ min: 0, max: 1200 }),
    state: fc.constantFrom('pending', 'running', 'succeeded', 'failed', 'cancelled'),
    resumedFrom: fc.integer({ min: 0, max: 1200 }),
  }),
  { minLength: 1, maxLength: 6 },
);
const open = fc.constantFrom('queued', 'running', 'cancelling', 'failed', 'cancelled');

describe('percent', () => {
  it('is within 0 and 100, and 100 for a job that has succeeded alone', () => {
    fc.assert(
      fc.property(growing, open, (stages, state) => {
        const { percent } = progressOf(stages.map(stage), { state }, seconds(10));
        expect(percent === null || (percent >= 0 && percent < 100)).toBe(true);
        for (const success of ['succeeded', 'succeeded_with_warnings']) {
          expect(progressOf(stages.map(stage), { state: success }).percent).toBe(100);
        }
      }),
    );
  });

  it('never falls as counts rise, totals become known and stages succeed', () => {
    fc.assert(
      fc.property(growing, open, fc.boolean(), (stages, state, finish) => {
        const before = progressOf(stages.map(stage), { state }).percent;
        const later = stages.map((s, i) =>
          stage({
            ...s,
            done: s.done + s.more,
            total: s.total ?? (s.more % 2 === 0 ? null : 1000),
            state: finish && i === 0 ? 'succeeded' : s.state,
          }),
        );
        const after = progressOf(later, { state }).percent;
        if (before !== null) expect(after).toBeGreaterThanOrEqual(before);
      }),
    );
  });

  it('is the weighted share, to a tenth and rounded down', () => {
    const stages = [stage({ weight: 1, done: 3, total: 3 }), stage({ weight: 2, done: 1, total: 3 })];
    expect(progressOf(stages, { state: 'running' }).percent).toBe(55.5);
    expect(progressOf([stage(), stage()], { state: 'running' }).percent).toBeNull();
    expect(progressOf([stage({ done: 5, total: 5 })], { state: 'running' }).percent).toBe(99.9);
  });
});

describe('etaSeconds', () => {
  it('is never negative, and only for a job that runs', () => {
    fc.assert(
      fc.property(growing, open, fc.integer({ min: -5, max: 1000 }), (stages, state, now) => {
        const { etaSeconds } = progressOf(stages.map(stage), { state }, seconds(now));
        if (state !== 'running') expect(etaSeconds).toBeNull();
        else expect(etaSeconds === null || (Number.isFinite(etaSeconds) && etaSeconds >= 0)).toBe(true);
      }),
    );
  });

  it('goes by the rate of this run', () => {
    const halfDone = stage({ done: 50, total: 100 });
    expect(progressOf([halfDone], { state: 'running' }, seconds(10)).etaSeconds).toBe(10);
    const resumed = { ...halfDone, resumedFrom: 40 };
    expect(progressOf([resumed], { state: 'running' }, seconds(10)).etaSeconds).toBe(50);
    expect(
      progressOf([{ ...halfDone, resumedFrom: 50 }], { state: 'running' }, seconds(10)).etaSeconds,
    ).toBeNull();
  });
});

describe('the time left of an estimated job', () => {
  const estimate = { seconds: { p50: 100, p90: 150 }, runs: 9, error: null };
  const etaAt = (done: number, elapsed: number, job: Partial<JobFacts> = {}) =>
    progressOf(
      [stage({ done, total: 100 })],
      { state: 'running', run: 1, startedAt: start, estimate, ...job },
      seconds(elapsed),
    ).etaSeconds;

  it('is the estimate before anything is done, and goes by the run near its end', () => {
    expect(etaAt(0, 0)).toBe(100);
    expect(etaAt(99, 990)).toBe(10);
    const between = etaAt(30, 90)!;
    expect(between).toBeGreaterThan(20);
    expect(between).toBeLessThan(210);
  });

  it('is never 0, however far the job is beyond its p90', () => {
    expect(etaAt(0, 1000)).toBeGreaterThan(100);
    expect(etaAt(100, 1000)).toBeGreaterThanOrEqual(1);
  });

  it('of a resumed run is that of the part it has yet to do', () => {
    const resumed = stage({ done: 80, total: 100, resumedFrom: 80 });
    const job = { state: 'running', run: 2, estimate, startedAt: seconds(-5000) };
    expect(progressOf([resumed], job, start).etaSeconds).toBe(20);
  });
});

describe('stage', () => {
  it('is the last one at work, and none once the job has ended', () => {
    const stages = [stage({ name: 'a' }), stage({ name: 'b' }), stage({ name: 'c', state: 'pending' })];
    expect(progressOf(stages, { state: 'running' }).stage).toBe('b');
    expect(progressOf(stages, { state: 'failed' }).stage).toBeNull();
  });
});

describe('toJob', () => {
  it('links to what can be done with the job', () => {
    const row = { id: 'a b', state: 'queued', createdAt: start, input: {}, startedAt: null } as JobRow;
    const job = toJob(row, [], { publicUrl: 'http://api', temporalUi: 'http://ui', namespace: 'n/s' });
    expect(job.temporalUrl).toBe('http://ui/namespaces/n%2Fs/workflows/a%20b');
    expect(job.links).toEqual({
      self: 'http://api/v1/jobs/a%20b',
      ...Object.fromEntries(
        ['events', 'log', 'items', 'results', 'cancel', 'resume', 'rerun'].map((name) => [
          name,
          `http://api/v1/jobs/a%20b/${name}`,
        ]),
      ),
    });
    expect(job.createdAt).toBe('2026-01-01T00:00:00.000Z');
  });

  const options = { publicUrl: 'http://api', temporalUi: 'http://ui', namespace: 'n' };
  const estimated = {
    ...{ id: 'a', state: 'running', run: 1, createdAt: start, startedAt: start, finishedAt: null, input: {} },
    estimate: { seconds: { p50: 100, p90: 150 }, runs: 0, error: null },
  } as unknown as JobRow;

  it('tells when a job is likely to end, of one that waits where it is known how long', () => {
    expect(toJob(estimated, [stage()], options, undefined, start).estimatedEnd).toBe(
      '2026-01-01T00:01:40.000Z',
    );
    for (const state of ['queued', 'cancelling', 'succeeded'])
      expect(toJob({ ...estimated, state }, [stage()], options, undefined, start).estimatedEnd).toBeNull();
    const queue = { place: 2, ahead: { jobs: 1, seconds: 20 }, estimatedStart: '2026-01-01T00:00:20.000Z' };
    const waits = toJob({ ...estimated, state: 'queued' }, [stage()], options, queue, start);
    expect(waits).toMatchObject({ queue, estimatedEnd: '2026-01-01T00:02:00.000Z' });
  });

  it('tells how far off its estimate was, of a job that has succeeded in its first run', () => {
    const ended = { ...estimated, state: 'succeeded', finishedAt: seconds(400) } as JobRow;
    const errorOf = (job: JobRow, workMs: number) =>
      toJob(job, [stage({ workMs }), stage({ name: 'b', workMs: 1000 })], options).estimateError;
    expect(errorOf(ended, 119_000)).toEqual({ seconds: 120, ratio: 1.2, withinP90: true });
    // Side by side its attempts worked longer than it took.
    expect(errorOf(ended, 900_000)).toEqual({ seconds: 400, ratio: 4, withinP90: false });
    const others = [
      { state: 'failed' },
      { run: 2 },
      { estimate: null },
      { state: 'running', finishedAt: null },
    ];
    for (const other of others) expect(errorOf({ ...ended, ...other }, 1000)).toBeUndefined();
  });
});
