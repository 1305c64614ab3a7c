import { type Job, type JobQueueOverview, job as jobDocument, jobQueueOverview } from '@darkroom/contract';
import { attemptAt } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '../../testing.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
}, 60_000);
afterAll(() => api?.close());
beforeEach(() => api.records.sql`update jobs set delete_requested_at = now()`);

const keyOf = async (owner: string, role: 'user' | 'operator' = 'user') =>
  (await api.key({ owner, role })).key;
const queueAs = async (key: string): Promise<JobQueueOverview> => {
  const answer = await api.get('/v1/queue', key);
  expect(answer.status).toBe(200);
  return jobQueueOverview.parse(await answer.json());
};
const jobAs = async (id: string, key: string): Promise<Job> =>
  jobDocument.parse(await (await api.get(`/v1/jobs/${id}`, key)).json());
const estimate = (id: string, p50: number) =>
  api.records.sql`update jobs set estimate = ${JSON.stringify({
    ...{ seconds: { p50, p90: 2 * p50 }, runs: 0, error: null },
  })}::text::jsonb where id = ${id}`;
/** What others have is counted once a second, on a busy machine once in ten. */
const soon = { timeout: 60_000, interval: 200 };

test("shows one's own jobs in full and everybody else's as counts, and whose they are to operators", async () => {
  const [ann, bob, olga] = [await keyOf('ann'), await keyOf('bob'), await keyOf('olga', 'operator')];
  const [first, second] = [await api.job('ann'), await api.job('ann')];
  await estimate(first, 30);
  for (let i = 0; i < 3; i++) await api.job('bob');
  const counts = { kind: 'photo', state: 'queued' };
  await expect.poll(async () => (await queueAs(ann)).others, soon).toEqual([{ ...counts, jobs: 3 }]);

  const hers = await queueAs(ann);
  expect(hers.own).toEqual([{ ...counts, jobs: 2 }]);
  expect(hers).not.toHaveProperty('owners');
  expect(hers.jobs.map(({ id, place }) => [id, place])).toEqual([
    [first, 1],
    [second, 3],
  ]);
  expect(hers.jobs[0]).toMatchObject({ ahead: { jobs: 0, seconds: 0 }, estimate: { seconds: { p50: 30 } } });
  const [begins, ends] = [hers.jobs[0]!.estimatedStart!, hers.jobs[0]!.estimatedEnd!].map(Date.parse);
  expect(ends! - begins!).toBe(30_000);
  expect(hers.jobs[1]).toMatchObject({ ahead: { jobs: 2, seconds: 4 }, estimatedEnd: null });
  expect((await queueAs(bob)).jobs.map(({ place }) => place)).toEqual([2, 4, 5]);

  const all = await queueAs(olga);
  expect(all.jobs).toEqual([]);
  expect(all.others).toEqual([{ ...counts, jobs: 5 }]);
  expect(all.owners).toEqual([
    { owner: 'bob', ...counts, jobs: 3 },
    { owner: 'ann', ...counts, jobs: 2 },
  ]);
});

test('a job tells its place while it waits, behind higher priorities and by turns, and that it has begun while it runs', async () => {
  const ann = await keyOf('ann');
  for (let i = 0; i < 20; i++) await api.job('bob');
  const id = await api.job('ann');
  await expect.poll(async () => (await jobAs(id, ann)).queue?.place, soon).toBe(2);
  const waits = await jobAs(id, ann);
  expect(waits.queue!.ahead).toEqual({ jobs: 1, seconds: 2 });
  const inSeconds = (Date.parse(waits.queue!.estimatedStart!) - Date.now()) / 1000;
  expect(inSeconds).toBeGreaterThan(-30);
  expect(inSeconds).toBeLessThan(3);

  const urgent = await api.job('cem');
  await api.records.sql`update jobs set priority = 1 where id = ${urgent}`;
  await estimate(urgent, 600);
  await expect
    .poll(async () => (await jobAs(id, ann)).queue, soon)
    .toMatchObject({ place: 3, ahead: { jobs: 2, seconds: 602 } });

  await api.records.sql`update jobs set waiting = 'No worker serves recognition' where id = ${id}`;
  expect((await jobAs(id, ann)).queue).toMatchObject({ place: 3, estimatedStart: null });

  await attemptAt(api.records, id, { stage: 'recognise' });
  const runs = await jobAs(id, ann);
  expect(runs.queue).toEqual({ place: 0, ahead: { jobs: 0, seconds: 0 }, estimatedStart: runs.startedAt });
  expect((await queueAs(ann)).jobs).toMatchObject([{ id, state: 'running', place: 0, percent: 0 }]);

  await api.records.sql`update jobs set state = 'failed', finished_at = now() where id = ${id}`;
  expect(await jobAs(id, ann)).not.toHaveProperty('queue');
});

test('a job that runs takes turns with those that wait, with as many workers as are at work', async () => {
  const ann = await keyOf('ann');
  const runs = await api.job('bob');
  await estimate(runs, 1000);
  await attemptAt(api.records, runs, { stage: 'recognise', activity: 'one' });
  await attemptAt(api.records, runs, { stage: 'recognise', activity: 'two' });
  const id = await api.job('ann');
  const ahead = { jobs: 1, seconds: 2 };
  await expect.poll(async () => (await jobAs(id, ann)).queue, soon).toMatchObject({ place: 1, ahead });
  const before = Date.now();
  const { queue } = await jobAs(id, ann);
  const ms = Date.parse(queue!.estimatedStart!) - before;
  expect(ms).toBeGreaterThanOrEqual(1000);
  expect(ms).toBeLessThan(1000 + (Date.now() - before) + 1);
});

test('of many own jobs the first ones are shown, and all are counted', async () => {
  const zoe = await keyOf('zoe');
  const id = await api.job('zoe');
  await api.records.sql`
    insert into jobs (id, kind, state, owner, role, priority, input, run)
    select '01f00000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'photo', 'queued', 'zoe', 'user', 3, '{}', 1
    from generate_series(1, 10000) as n`;
  await expect.poll(async () => (await queueAs(zoe)).own, soon).toMatchObject([{ jobs: 10_001 }]);
  const { jobs } = await queueAs(zoe);
  expect(jobs.map(({ place }) => place)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(jobs[0]?.id).toBe(id);
  const last = await jobAs('01f00000-0000-7000-8000-000000002710', zoe);
  expect(last.queue?.place).toBe(10_001);
});
