import { type KindDefinition, photoKind, queues } from '@darkroom/contract';
import { getJob, type JobRow } from '@darkroom/records';
import { attemptAt } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { ada, NotedEngine, startTestDispatch, submission, type TestDispatch } from '../testing.ts';

let given: TestDispatch;
beforeAll(async () => {
  given = await startTestDispatch();
});
afterAll(() => given?.close());
beforeEach(() => given.records.sql`update jobs set delete_requested_at = now()`);

const { queue: _, ...alone } = photoKind;
/** Two that wait for the same workers, one that names none, and one whose work is not cut into pages. */
const kinds: Record<string, KindDefinition> = {
  photo: photoKind,
  again: { ...photoKind, kind: 'again' },
  alone: { ...alone, kind: 'alone' },
  hours: { ...photoKind, kind: 'hours', queue: 'elsewhere', longest: '3 hours' },
};
const dispatchOf = (env: Record<string, string> = {}) => given.over(new NotedEngine(), { kinds, env });
type TestedDispatch = ReturnType<typeof dispatchOf>;

const submit = async (
  dispatch: TestedDispatch,
  kind: string,
  owner = 'ada',
  p50?: number,
): Promise<JobRow> => {
  const { jobId } = await dispatch.submit(kind, { ...ada, owner }, submission());
  await dispatch.settled();
  const estimate = p50 === undefined ? null : { seconds: { p50, p90: 2 * p50 }, runs: 0, error: null };
  await given.records
    .sql`update jobs set estimate = ${JSON.stringify(estimate)}::text::jsonb where id = ${jobId}`;
  return (await getJob(given.records.db, jobId))!.job;
};
/** As a process sees it that asks for the first time. */
const standing = (job: JobRow, env: Record<string, string> = {}) => dispatchOf(env).queue.standing(job);

test('jobs of kinds that wait for the same workers are before each other, and others are not', async () => {
  const dispatch = dispatchOf();
  await submit(dispatch, 'photo', 'ben', 100);
  await submit(dispatch, 'again', 'cora', 1);
  const mine = await submit(dispatch, 'photo');
  const other = await submit(dispatch, 'alone');
  expect(await standing(mine)).toMatchObject({ place: 3, ahead: { jobs: 2, seconds: 3 } });
  expect(await standing(other)).toMatchObject({ place: 1, ahead: { jobs: 0, seconds: 0 } });
  // A page may be given other seconds.
  const pages = { PAGE_SECONDS: `${queues.recognition}=10` };
  expect(await standing(mine, pages)).toMatchObject({ place: 3, ahead: { jobs: 2, seconds: 11 } });
});

test('where the work of a kind is not cut into pages, the whole of a job is before the next one', async () => {
  const dispatch = dispatchOf();
  const first = await submit(dispatch, 'hours', 'ben', 5000);
  await submit(dispatch, 'hours', 'ben', 700);
  const mine = await submit(dispatch, 'hours');
  expect(await standing(mine)).toMatchObject({ place: 2, ahead: { jobs: 1, seconds: 2850 } });
  await attemptAt(given.records, first.id, { stage: 'measure' });
  const queue = (await standing(mine))!;
  expect(queue).toMatchObject({ place: 2, ahead: { jobs: 2, seconds: 5700 } });
  const inSeconds = (Date.parse(queue.estimatedStart!) - Date.now()) / 1000;
  expect(inSeconds).toBeGreaterThan(5600);
  expect(inSeconds).toBeLessThan(5701);
});

test('the next job would stand where one stands that is submitted', async () => {
  const dispatch = dispatchOf();
  for (const owner of ['ada', 'ben', 'ben', 'ada']) await submit(dispatch, 'photo', owner, 60);
  const { estimatedStart: _, ...would } = await dispatchOf().queue.next('photo', ada);
  const mine = await submit(dispatch, 'photo');
  expect(await standing(mine)).toMatchObject(would);
  expect(would).toEqual({ place: 5, ahead: { jobs: 4, seconds: 8 } });
});

test('the jobs of all are counted once, however many ask at a time, and anew where that failed', async () => {
  const dispatch = dispatchOf();
  const mine = await submit(dispatch, 'photo');
  const execute = vi.spyOn(given.records.db, 'execute');
  execute.mockRejectedValueOnce(new Error('away'));
  const { queue } = dispatchOf();
  await expect(queue.counts()).rejects.toThrow('away');
  await Promise.all(Array.from({ length: 20 }, () => queue.standing(mine)));
  // Each count is two statements beside that of the jobs that run, and each place one.
  expect(execute).toHaveBeenCalledTimes(2 + 2 + 20);
  execute.mockRestore();
});
