import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { FailpointAct } from '@darkroom/platform';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { TestProcess } from '../harness/process.ts';
import { hitWork, keepWorking, workThroughKills } from './killing.ts';
import {
  attemptsOf,
  digestsOf,
  faultsOf,
  itemsOf,
  objectsOf,
  openUploadsOf,
  type Rows,
  rowsOf,
  tablesWith,
} from './ledger.ts';
import { busyChildren, failpoints, type Platform, readJournal, startPlatform, until } from './platform.ts';

/** Whatever dies, stops or is called off: each item once, and nothing half-done to be seen. The long form is kills.ts. */

const photos = 30;
let platform: Platform;
let source: string;
let light: TestProcess;
/** Of an undisturbed run. */
let expected: { digests: Map<string, string>; rows: Rows };

const journal = (name: string): string => join(platform.stack.home, `${name}.journal`);
/** Where the worker of a test puts what it needs for a while. */
const scratch = (name: string): string => join(platform.stack.home, `scratch-${name}`);

beforeAll(async () => {
  platform = await startPlatform('faults');
  const [undisturbed, first] = await Promise.all([platform.recognitionWorker(), platform.lightWorker()]);
  light = first;
  source = await platform.photos(photos);
  const id = await platform.submit(source);
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded' });
  expected = { digests: await digestsOf(platform, id), rows: await rowsOf(platform, id) };
  expect(expected.digests.size).toBe(2 * photos);
  expect(expected.rows).toMatchObject({ segments: photos, duplicates: 0 });
  expect(await faultsOf(platform, id, expected)).toEqual([]);
  await undisturbed.stop();
}, 300_000);

afterAll(async () => {
  await platform?.close();
}, 180_000);

test('workers that are killed again and again: every item once, only what was in hand redone', async () => {
  const id = await platform.submit(source);
  const { job, deaths } = await workThroughKills(platform, id, {
    seed: 7,
    journal: journal('kills'),
    points: {
      'item.claimed': { kill: 0.1, times: 1 },
      'photo.recognise': { kill: 0.1, times: 2 },
      'item.before-publish': { kill: 0.2, times: 1 },
      'item.published': { kill: 0.2, times: 1 },
      'job.before-manifest': { kill: 1, times: 1 },
      'job.before-finish': { kill: 1, times: 1 },
    },
    seconds: 240,
  });
  expect(job).toMatchObject({ state: 'succeeded', warnings: 0 });
  expect(await faultsOf(platform, id, expected)).toEqual([]);
  expect(deaths.filter(hitWork).length).toBeGreaterThanOrEqual(4);
  for (const { inFlight, redone } of deaths) expect(inFlight).toEqual(expect.arrayContaining([...redone]));
}, 300_000);

describe('a photo that kills', () => {
  /** It alone has failed by name, and the others are what they are without it. */
  const failedAlone = async (id: string): Promise<void> => {
    const items = await itemsOf(platform, id);
    const failed = items.filter(({ state }) => state !== 'succeeded');
    expect(failed).toMatchObject([{ ordinal: 12, state: 'failed', code: 'poisonous_item' }]);
    const rest = [...expected.digests].filter(([path]) => !path.startsWith('12_'));
    expect(await digestsOf(platform, id)).toEqual(new Map(rest));
    expect((await rowsOf(platform, id)).duplicates).toBe(0);
  };
  const oneWarning = { state: 'succeeded_with_warnings', warnings: 1 };

  test('the lane that works on it: its worker lives, and nothing counts against those beside it', async () => {
    const id = await platform.submit(source);
    const worker = await workerOfTest(
      failpoints({ points: { 'photo.recognise': { killWhen: 'photo-012.jpg' } } }),
    );
    expect(await platform.ended(id, 240)).toMatchObject(oneWarning);
    await failedAlone(id);
    expect(process.kill(worker.pid, 0)).toBe(true);
    const attempts = await attemptsOf(platform, id);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(attempts.map(() => 'succeeded'));
    const deaths = (await itemsOf(platform, id)).map((item) => item.deaths);
    expect(Math.max(...deaths)).toBe(0);
  }, 300_000);

  test('its worker, when its result is written', async () => {
    const id = await platform.submit(source);
    const working = keepWorking(platform, {
      ITEM_ATTEMPTS: '2',
      ...failpoints({ points: { 'item.before-write': { killWhen: '12' } } }),
    });
    const job = await platform.ended(id, 240).finally(() => working.stop());
    expect(job).toMatchObject(oneWarning);
    await failedAlone(id);
  }, 300_000);
});

test('lanes that somebody kills at any time: every photo once, and its worker lives', async () => {
  const id = await platform.submit(source);
  const points = ['photo.probe', 'photo.prepare', 'photo.recognise', 'photo.annotate'];
  const worker = await workerOfTest(
    failpoints({
      seed: 11,
      journal: journal('lanes'),
      points: Object.fromEntries(points.map((point) => [point, { kill: 0.06, times: 2 }])),
    }),
  );
  expect(await platform.ended(id, 240)).toMatchObject({ state: 'succeeded', warnings: 0 });
  const kills = await readJournal(journal('lanes'));
  expect(kills.length).toBeGreaterThanOrEqual(4);
  expect(kills.map(({ pid }) => pid)).not.toContain(worker.pid);
  expect(await faultsOf(platform, id, expected)).toEqual([]);
  const deaths = (await itemsOf(platform, id)).map((item) => item.deaths);
  expect(Math.max(...deaths)).toBe(0);
}, 300_000);

test('a step whose worker dies under it every time, and no item of which is to blame, ends as an outage', async () => {
  const id = await platform.submit(source);
  const working = keepWorking(platform, {
    OUTAGE_HOURS: '0.001',
    ...failpoints({ points: { 'job.before-manifest': { kill: 1 } } }),
  });
  const job = await platform.ended(id, 240).finally(() => working.stop());
  expect(job).toMatchObject({ state: 'failed', problem: { code: 'outage' } });
  const publishing = (await attemptsOf(platform, id)).filter(({ stage }) => stage === 'publish');
  expect(publishing.length).toBeGreaterThanOrEqual(2);
}, 300_000);

test('a worker that is stopped past its time-out and goes on beside its successor: nothing it writes counts', async () => {
  const id = await platform.submit(source);
  const stopped = await workerOfTest(
    failpoints({ journal: journal('stop'), points: { 'item.before-write': { stop: true, times: 1 } } }),
  );
  await acted('stop', (acts) => acts.length > 0);
  await workerOfTest(failpoints({ points: { 'photo.probe': { delayMs: 300 } } }));
  const fenced = async (): Promise<number> =>
    (await attemptsOf(platform, id)).filter(
      ({ worker, outcome }) => isOf(stopped, worker) && outcome === 'fenced',
    ).length;
  // Its pages have been taken over, and are being worked on.
  const lost = await until(async () => (await fenced()) || undefined, { what: 'the successor to take over' });
  stopped.kill('SIGCONT');
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded', warnings: 0 });
  expect(await faultsOf(platform, id, expected)).toEqual([]);
  const items = await itemsOf(platform, id);
  const attempts = await attemptsOf(platform, id);
  expect(lost).toBeGreaterThan(0);
  for (const { claim } of items) {
    const under = attempts.find((attempt) => attempt.claim === claim);
    expect(under?.outcome).toBe('succeeded');
  }
  expect(items.filter(({ deaths }) => deaths > 0).length).toBeGreaterThan(0);
}, 300_000);

describe('cancel', () => {
  let few: string;
  const delay = { delayMs: 150 };
  let worker: TestProcess;

  beforeAll(async () => {
    few = await platform.photos(9);
    await mkdir(scratch('cancel'));
    worker = await platform.recognitionWorker({
      TMPDIR: scratch('cancel'),
      ...failpoints({
        journal: journal('cancel'),
        points: {
          'photo.probe': delay,
          'photo.prepare': delay,
          'photo.recognise': delay,
          'photo.annotate': delay,
          'item.before-publish': delay,
          'item.published': { delayMs: 0 },
          'job.before-manifest': { delayMs: 1500 },
          'job.before-finish': { delayMs: 1500 },
        },
      }),
    });
  }, 180_000);

  afterAll(async () => {
    await worker?.stop();
  }, 180_000);

  const byApi = async (id: string): Promise<void> => {
    const { status, body } = await platform.ask('POST', `/v1/jobs/${id}/cancel`, { reason: 'enough' });
    expect(status).toBe(202);
    expect(body.state).toMatch(/^cancel/);
  };
  const bySignal = (id: string): Promise<void> =>
    platform.temporal.workflow.getHandle(id).signal('cancel', 'enough');
  const byEngine = async (id: string): Promise<void> => {
    await platform.temporal.workflow.getHandle(id).cancel();
  };
  const cases = [
    ...[
      'photo.probe',
      'photo.prepare',
      'photo.recognise',
      'photo.annotate',
      'item.before-publish',
      'job.before-manifest',
      'job.before-finish',
    ].map((point) => ({ point, by: 'the API', how: byApi, reason: 'enough' as unknown })),
    { point: 'photo.recognise', by: 'the signal', how: bySignal, reason: 'enough' },
    { point: 'photo.recognise', by: 'the engine itself', how: byEngine, reason: expect.any(String) },
  ];
  const cancelled: string[] = [];

  test.each(cases)(
    'at $point by $by: cancelled within 5 s, nothing half-done left',
    async (one) => {
      const earlier = (await readJournal(journal('cancel'))).length;
      const id = await platform.submit(few);
      // With some photos done and others in hand.
      await acted('cancel', (acts) => {
        const done = acts.findIndex(({ point }, at) => at >= earlier && point === 'item.published');
        return done !== -1 && acts.slice(done).some(({ point }) => point === one.point);
      });
      const asked = performance.now();
      await one.how(id);
      const job = await platform.ended(id);
      const ms = performance.now() - asked;
      expect(job).toMatchObject({ state: 'cancelled', cancelReason: one.reason, problem: null });
      expect(ms).toBeLessThan(5000);
      cancelled.push(id);
      expect(await closedAs(id)).toBe('CANCELLED');
      const items = await itemsOf(platform, id);
      expect(items.filter(({ state }) => state !== 'succeeded' && state !== 'pending')).toEqual([]);
      // What was finished is there, and nothing else.
      const finished = await digestsOf(platform, id);
      const objects = await objectsOf(platform, id);
      expect([...objects.values()].sort()).toEqual([...finished.values()].sort());
      expect(await rowsOf(platform, id)).toMatchObject({ segments: finished.size / 2 });
      expect(await openUploadsOf(platform)).toEqual([]);
      expect(readdirSync(scratch('cancel'))).toEqual([]);
      expect(await busyChildren(worker.pid)).toEqual([]);
    },
    300_000,
  );

  test('a cancelled job that is resumed does only what was missing', async () => {
    await worker.stop();
    await workerOfTest();
    for (const id of cancelled) {
      const before = await itemsOf(platform, id);
      expect((await platform.ask('POST', `/v1/jobs/${id}/resume`)).status).toBe(202);
      expect(await platform.ended(id)).toMatchObject({ state: 'succeeded', run: 2, cancelReason: null });
      const after = await itemsOf(platform, id);
      const kept = before.filter(({ state }) => state === 'succeeded');
      expect(kept.length).toBeGreaterThan(0);
      for (const { ordinal, claim } of kept) expect(after[ordinal - 1]).toMatchObject({ run: 1, claim });
      expect(after.filter(({ run }) => run === 2).length).toBe(before.length - kept.length);
      const digests = [...expected.digests].filter(([path]) => Number.parseInt(path, 10) <= before.length);
      const { duplicates } = await rowsOf(platform, id);
      expect({ duplicates, digests: await digestsOf(platform, id) }).toEqual({
        duplicates: 0,
        digests: new Map(digests),
      });
    }
    expect(cancelled).toHaveLength(cases.length);
  }, 300_000);
});

test('a worker that died between the objects of a photo and its row: cancel removes them', async () => {
  const worker = await workerOfTest(failpoints({ points: { 'item.before-publish': { killWhen: '9' } } }));
  const id = await platform.submit(await platform.photos(9));
  expect(await worker.ended).toBe('SIGKILL');
  const finished = async (): Promise<string[]> => [...(await digestsOf(platform, id)).keys()].sort();
  const there = async (): Promise<string[]> =>
    [...(await objectsOf(platform, id)).keys()].map((uri) => basename(uri)).sort();
  expect(await there()).toEqual(expect.arrayContaining(['9_result.json']));
  expect(await finished()).not.toContain('9_result.json');
  await platform.ask('POST', `/v1/jobs/${id}/cancel`);
  expect(await platform.ended(id)).toMatchObject({ state: 'cancelled' });
  expect(await there()).toEqual(await finished());
}, 180_000);

test('a cancel does not wait for the worker that has the run in its cache and was killed', async () => {
  // Three at a time: they last longer than the start of a worker does on a busy machine.
  await workerOfTest(failpoints({ points: { 'photo.prepare': { delayMs: 5000 } } }));
  const id = await platform.submit(await platform.photos(9));
  await until(async () => (await itemsOf(platform, id)).some(({ state }) => state === 'running'), {
    what: 'the first photos to be worked on',
  });
  const killed = light;
  light = await platform.lightWorker();
  killed.kill('SIGKILL');
  await killed.ended;
  await platform.ask('POST', `/v1/jobs/${id}/cancel`);
  expect(await platform.ended(id)).toMatchObject({ state: 'cancelled' });
  // By the engine's clock: the two seconds of the queue, and not the engine's patience of ten. There are more where the successor is slow.
  const { queued, begun } = await waitsForTheDead(id);
  for (const wait of queued) expect(wait).toBeLessThan(4);
  // One that was in hand when its worker was killed is waited for as any other: the run is in nobody's cache then.
  expect(queued.length + begun.length).toBeGreaterThan(0);
}, 180_000);

test('a job that is resumed the moment it is cancelled runs again', async () => {
  await workerOfTest(failpoints({ points: { 'photo.prepare': { delayMs: 2000 } } }));
  const id = await platform.submit(await platform.photos(6, 'again'));
  await until(async () => (await itemsOf(platform, id)).some(({ state }) => state === 'running'), {
    what: 'the first photos to be worked on',
  });
  await platform.ask('POST', `/v1/jobs/${id}/cancel`);
  // Without a pause between two looks: the run closes a moment after its row ends.
  let state = '';
  for (const from = Date.now(); state !== 'cancelled' && Date.now() < from + 30_000; ) {
    const [row] = await platform.records.sql<{ state: string }>`select state from jobs where id = ${id}`;
    state = row?.state ?? 'gone';
  }
  expect(state).toBe('cancelled');
  expect((await platform.ask('POST', `/v1/jobs/${id}/resume`)).status).toBe(202);
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
}, 180_000);

test.each(['item.before-write', 'item.before-publish'])(
  'a job that is deleted while its worker is stopped at %s stays deleted, whatever that does later',
  async (point) => {
    // Of one photo: what a stopped worker has under way to the store arrives, and is for the removal's second pass.
    const id = await platform.submit(await platform.photos(1));
    const stopped = await workerOfTest(
      failpoints({ journal: journal(point), points: { [point]: { stop: true, times: 1 } } }),
    );
    await acted(point, (acts) => acts.length > 0);
    const gone = async (): Promise<boolean> =>
      (await platform.ask('DELETE', `/v1/jobs/${id}`)).status === 204;
    await until(gone, { seconds: 120, what: 'the job to be gone' });
    const left = async () => ({
      tables: await tablesWith(platform, id),
      objects: [...(await objectsOf(platform, id)).keys()],
      status: (await platform.ask('GET', `/v1/jobs/${id}`)).status,
    });
    expect(await left()).toEqual({ tables: [], objects: [], status: 404 });
    const heard = stopped.lines.length;
    stopped.kill('SIGCONT');
    const given = async (): Promise<boolean> =>
      stopped.lines.slice(heard).some((line) => line.includes('attempt ended early'));
    await until(given, { what: 'the stopped worker to notice' });
    await stopped.stop();
    expect(await left()).toEqual({ tables: [], objects: [], status: 404 });
  },
  300_000,
);

/** A worker for photos that stops with the test. */
async function workerOfTest(env: Record<string, string> = {}): Promise<TestProcess> {
  const worker = await platform.recognitionWorker(env);
  onTestFinished(() => worker.stop());
  return worker;
}

/** How the engine closed the job's run; its row ends a moment earlier. */
const closedAs = (id: string): Promise<string> =>
  until(
    async () => {
      const { name } = (await platform.temporal.workflow.getHandle(id).describe()).status;
      return name === 'RUNNING' ? undefined : name;
    },
    { what: 'the run to close' },
  );

/** Seconds after which each of a run's workflow tasks timed out: in the queue of one worker, or begun by it. */
async function waitsForTheDead(id: string): Promise<{ queued: number[]; begun: number[] }> {
  const { events } = await platform.temporal.workflow.getHandle(id).fetchHistory();
  const at = (
    event: { eventTime?: { seconds?: unknown; nanos?: number | null } | null } | undefined,
  ): number => Number(event?.eventTime?.seconds) + (event?.eventTime?.nanos ?? 0) / 1e9;
  const waits = { queued: [] as number[], begun: [] as number[] };
  for (const event of events ?? []) {
    const timedOut = event.workflowTaskTimedOutEventAttributes;
    if (!timedOut) continue;
    const scheduled = events?.find(({ eventId }) => String(eventId) === String(timedOut.scheduledEventId));
    const isBegun = Number(timedOut.startedEventId ?? 0) > 0;
    waits[isBegun ? 'begun' : 'queued'].push(at(event) - at(scheduled));
  }
  return waits;
}

const isOf = ({ pid }: TestProcess, worker: string): boolean => worker.endsWith(`/${pid}`);

/** Waits until failpoints have acted as wanted. */
const acted = (name: string, wanted: (acts: readonly FailpointAct[]) => boolean): Promise<unknown> =>
  until(async () => wanted(await readJournal(journal(name))), { seconds: 120, what: `an act of ${name}` });
