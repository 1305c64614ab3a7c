import { createLogger, metrics } from '@darkroom/platform';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { startRecords, type TestRecords } from '../records/testing.ts';
import {
  type Assumed,
  Estimates,
  type KeyedRun,
  keptRuns,
  newRuns,
  observe,
  recordRun,
  recordRuns,
  removeOldRuns,
} from './index.ts';

let given: TestRecords;
beforeAll(async () => {
  given = await startRecords();
});
afterAll(() => given?.close());
beforeEach(() => given.records.sql`truncate estimate_keys, estimate_runs`);

const assumed: Assumed = { seconds: { base: 0.1, per: { pixels: 1e-6 } } };
const open = (records = given.records) =>
  new Estimates({
    records,
    logger: createLogger({ service: 'test', level: 'fatal' }),
    assumed: { cut: assumed },
  });
const run = (seconds: number, key = 'a'): KeyedRun => ({
  ...{ kind: 'cut', key, seconds },
  features: { pixels: 1e5 },
  estimated: { p50: 1, p90: 2 },
});
const asked = { kind: 'cut', key: 'a', features: { pixels: 1e5 } };

test('what processes note is what others estimate by, and how far off they were is told', async () => {
  const [here, there] = [open(), open()];
  expect(here.estimate(asked)).toMatchObject({ runs: 0, error: null });
  for (let nth = 0; nth < 20; nth++) there.record(run(3));
  await there.flush();
  await here.read();
  const { seconds, runs, error } = here.estimate(asked);
  expect(runs).toBe(20);
  expect(seconds.p50).toBeGreaterThan(2.7);
  expect(seconds.p50).toBeLessThan(3.3);
  expect(error).toEqual({ runs: 20, ratio: 3, withinP90: 0 });
  // Another key has none of it.
  expect(here.estimate({ ...asked, key: 'b' }).runs).toBe(0);
  expect(() => here.estimate({ ...asked, kind: 'other' })).toThrow(TypeError);
  const text = await metrics.registry.getSingleMetricAsString('darkroom_estimate_ratio');
  expect(text).toContain('darkroom_estimate_ratio_bucket{le="4",kind="cut"} 20');
  expect(text).toContain('darkroom_estimate_ratio_bucket{le="2",kind="cut"} 0');
  const ends = [0.5, 1, 1.5, 2, 2.5, 9].map((seconds) => ({ ...run(seconds), kind: 'ends' }));
  for (const end of ends) observe(end);
  observe({ ...run(1), kind: 'ends', estimated: null });
  const counted = await metrics.registry.getSingleMetricAsString('darkroom_estimates_total');
  for (const within of ['p50', 'p90', 'beyond'])
    expect(counted).toContain(`darkroom_estimates_total{kind="ends",within="${within}"} 2`);
});

test('asking is enough to be told of new runs in the end, and reads what is new alone', async () => {
  const { records } = given;
  await recordRuns(records.db, [run(1), run(2)]);
  const estimates = open();
  await estimates.read();
  await recordRun(records.db, run(3));
  expect(await newRuns(records.db, [{ kind: 'cut', key: 'a', count: 2 }])).toMatchObject([
    { kind: 'cut', key: 'a', since: 2, count: 3, runs: [{ seconds: 3 }] },
  ]);
  expect(await newRuns(records.db, [{ kind: 'cut', key: 'a', count: 3 }])).toEqual([]);
  const now = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
  expect(estimates.estimate(asked).runs).toBe(2);
  now.mockRestore();
  await vi.waitFor(() => expect(estimates.estimate(asked).runs).toBe(3));
});

test('of a key the last runs stay, in their order, however they come in', async () => {
  const { db, sql } = given.records;
  const seconds = Array.from({ length: 2 * keptRuns + 50 }, (_, i) => i + 1);
  // More in one statement than are kept, some of another key, and one by one side by side.
  await recordRuns(db, [run(7, 'b'), ...seconds.slice(0, keptRuns + 30).map((each) => run(each))]);
  await recordRuns(
    db,
    seconds.slice(keptRuns + 30, 2 * keptRuns + 20).map((each) => run(each)),
  );
  await Promise.all(seconds.slice(2 * keptRuns + 20).map((each) => recordRun(db, run(each))));
  const noted = await newRuns(db, []);
  const of = (key: string) => noted.find((each) => each.key === key)!;
  expect(of('b')).toMatchObject({ count: 1, runs: [{ seconds: 7 }] });
  expect(of('a').count).toBe(seconds.length);
  const kept = of('a').runs.map((each) => each.seconds);
  const last = seconds.slice(-keptRuns);
  expect(kept.slice(0, -30)).toEqual(last.slice(0, -30));
  expect(kept.slice(-30).sort((a, b) => a - b)).toEqual(last.slice(-30));
  expect(await sql`select count(*)::int as rows from estimate_runs`).toEqual([{ rows: keptRuns + 1 }]);
});

test('what has not run for long is removed, and counts anew when it runs again', async () => {
  const { db, sql } = given.records;
  await recordRuns(db, [run(1), run(1), run(1), run(1, 'b')]);
  const estimates = open();
  await estimates.read();
  await sql`update estimate_keys set updated_at = now() - interval '2 days' where key = 'a'`;
  await removeOldRuns(db, new Date(Date.now() - 24 * 3_600_000));
  expect(await sql`select key from estimate_runs`).toEqual([{ key: 'b' }]);
  await recordRun(db, run(5));
  await estimates.read();
  expect(estimates.estimate({ ...asked, key: 'b' }).runs).toBe(1);
  expect(estimates.estimate(asked).runs).toBe(1);
});

test('while Postgres is away, estimates go by what is known and runs are lost without a word to who notes them', async () => {
  const away = { db: {} as TestRecords['records']['db'] } as TestRecords['records'];
  const estimates = open(away);
  estimates.record(run(1));
  await estimates.flush();
  await expect(estimates.read()).rejects.toThrow();
  expect(estimates.estimate(asked).runs).toBe(0);
});
