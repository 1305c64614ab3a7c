import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createTask } from '@darkroom/analysis';
import type { Job } from '@darkroom/contract';
import type { FailpointAct, FailpointPlan } from '@darkroom/platform';
import { abandonReceiving, commitSubmission, createReceiving, getJobRow } from '@darkroom/records';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { idAt } from '../../activities/records/jobs/jobs.ts';
import type { TestProcess } from '../harness/process.ts';
import { digestsOf, faultsOf, itemsOf, type Rows, rowsOf } from './ledger.ts';
import { failpoints, type Platform, readJournal, startPlatform, until } from './platform.ts';

/** A worker that is stopped while it deletes, and goes on when others have done its work and more: nothing of theirs is gone. */

const photos = 6;
let platform: Platform;
let source: string;
/** Of an undisturbed run. */
let expected: { digests: Map<string, string>; rows: Rows };
let plans = 0;
const processes: TestProcess[] = [];

beforeAll(async () => {
  platform = await startPlatform('faults-deletes');
  source = await platform.photos(photos);
  await Promise.all([light(), recognition()]);
  const id = await platform.submit(source);
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded' });
  expected = { digests: await digestsOf(platform, id), rows: await rowsOf(platform, id) };
  await stopAll();
}, 300_000);

afterEach(() => stopAll(), 60_000);

afterAll(async () => {
  await platform?.close();
}, 180_000);

async function stopAll(): Promise<void> {
  await Promise.all(processes.splice(0).map((one) => one.stop()));
}

interface Worker extends TestProcess {
  /** What its failpoints have done so far. */
  acts(): Promise<FailpointAct[]>;
  /**
   * Waits until its failpoint of that name has stopped it, and cuts it off from Temporal, which would give tasks to its open polls for a
   * minute; it connects again when it goes on.
   */
  stoppedAt(point: string): Promise<void>;
  /** Goes on, does what it still would, and ends. Failpoints that acted meanwhile. */
  goOn(): Promise<string[]>;
}

/** A way to Temporal that can be cut. */
async function wayToTemporal(): Promise<{ address: string; cut(): void; close(): void }> {
  const [host = '', port] = platform.stack.stack.temporal.address.split(':');
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), host);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {}).on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    close: () => {
      server.close();
      cut();
    },
  };
}

const start =
  (kind: 'lightWorker' | 'recognitionWorker') =>
  async (points: FailpointPlan['points'] = {}): Promise<Worker> => {
    const journal = join(platform.stack.home, `${++plans}.journal`);
    const temporal = await wayToTemporal();
    const worker = await platform[kind]({
      TEMPORAL_ADDRESS: temporal.address,
      ...failpoints({ journal, points }),
    });
    const stop = (): Promise<void> => worker.stop().finally(temporal.close);
    processes.push({ ...worker, stop });
    const acts = () => readJournal(journal);
    return {
      ...worker,
      stop,
      acts,
      async stoppedAt(point) {
        const acted = async () => (await acts()).some((act) => act.point === point);
        await until(acted, {
          seconds: 120,
          what: `${point}; it wrote:\n${worker.lines.slice(-5).join('\n')}`,
        });
        temporal.cut();
      },
      async goOn() {
        const before = (await acts()).length;
        worker.kill('SIGCONT');
        // An activity under way has five seconds to end.
        await stop();
        return (await acts()).slice(before).map(({ point }) => point);
      },
    };
  };
const light = start('lightWorker');
const recognition = start('recognitionWorker');
const stopOnce = { stop: true, times: 1 } as const;

/** A job of which a photo was written and not published, because its worker died; all others are published. */
async function halfDone(): Promise<string> {
  const dying = await recognition({ 'item.before-publish': { delayMs: 60_000, when: '4' } });
  const id = await platform.submit(source);
  const isHeld = async () => (await dying.acts()).some(({ detail }) => detail === '4');
  await until(isHeld, { seconds: 120, what: 'the fourth photo to be written' });
  const succeeded = async () => (await itemsOf(platform, id)).filter(({ state }) => state === 'succeeded');
  await until(async () => (await succeeded()).length === photos - 1, { seconds: 120, what: 'the others' });
  dying.kill('SIGKILL');
  expect(await dying.ended).toBe('SIGKILL');
  return id;
}

const cancel = (id: string) => platform.ask('POST', `/v1/jobs/${id}/cancel`);
const resume = (id: string) => platform.ask('POST', `/v1/jobs/${id}/resume`);

/** Cancels a job whose clean-up stops at `point`; another worker cleans up, and the job is resumed. */
async function resumedBeside(point: 'delete.listed' | 'delete.held') {
  const stopped = await light({
    [point]: stopOnce,
    'delete.held': point === 'delete.held' ? stopOnce : { delayMs: 0 },
  });
  const id = await halfDone();
  expect((await cancel(id)).status).toBe(202);
  await stopped.stoppedAt(point);
  await light();
  expect(await platform.ended(id)).toMatchObject({ state: 'cancelled' });
  expect((await resume(id)).status).toBe(202);
  return { id, stopped };
}

test('the clean-up of a cancelled job, stopped between list and delete, takes nothing of the run after it', async () => {
  const { id, stopped } = await resumedBeside('delete.listed');
  await recognition();
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
  expect(await stopped.goOn()).toEqual([]);
  expect(await faultsOf(platform, id, expected)).toEqual([]);
}, 300_000);

test('what is deleted in the moment after the last answer is made again before the job ends', async () => {
  const { id, stopped } = await resumedBeside('delete.held');
  const publishing = await recognition({ 'job.before-check': stopOnce });
  await publishing.stoppedAt('job.before-check');
  const lost = `recognition-results/${id}/4_result.json`;
  const isThere = () =>
    platform.storage.head(lost).then(
      () => true,
      () => false,
    );
  expect(await isThere()).toBe(true);
  stopped.kill('SIGCONT');
  await until(async () => !(await isThere()), { what: 'the late delete' });
  publishing.kill('SIGCONT');
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
  expect(await faultsOf(platform, id, expected)).toEqual([]);
}, 300_000);

/** Lets a job's results be past their retention. */
const expire = (id: string) =>
  platform.records.sql`update jobs set results_expire_at = now() - interval '1 minute' where id = ${id}`;

async function cancelled(): Promise<string> {
  const id = await halfDone();
  await cancel(id);
  expect(await platform.ended(id)).toMatchObject({ state: 'cancelled' });
  return id;
}

test('the sweep, stopped before it removes expired results, takes nothing of a job that was resumed', async () => {
  const first = await light();
  const id = await cancelled();
  await first.stop();
  const stopped = await light({ 'expired.found': stopOnce });
  await expire(id);
  await stopped.stoppedAt('expired.found');
  await light();
  expect((await resume(id)).status).toBe(202);
  await recognition();
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded', run: 2, resultsExpireAt: null });
  await stopped.goOn();
  expect(await faultsOf(platform, id, expected)).toEqual([]);
}, 300_000);

test('the sweep, stopped between list and delete of expired results, takes nothing of a job that is run again', async () => {
  const first = await light();
  const id = await cancelled();
  await first.stop();
  const stopped = await light({ 'delete.listed': stopOnce, 'delete.held': { delayMs: 0 } });
  await expire(id);
  await stopped.stoppedAt('delete.listed');
  // What is about to go is nobody's to go on from.
  expect((await resume(id)).status).toBe(409);
  await light();
  await recognition();
  const { status, body } = await platform.ask<Job>('POST', `/v1/jobs/${id}/rerun`, {});
  expect(status).toBe(202);
  expect(await platform.ended(body.id)).toMatchObject({ state: 'succeeded' });
  const purged = async () => (await getJobRow(platform.records.db, id))?.resultsPurgedAt;
  await until(async () => (await purged()) ?? undefined, { seconds: 120, what: 'the next sweep' });
  expect(await stopped.goOn()).toEqual([]);
  expect(await faultsOf(platform, body.id, expected)).toEqual([]);
  expect(await digestsOf(platform, id)).toEqual(new Map());
}, 300_000);

/** An upload whose API died an hour ago, and its submit. */
async function abandoned() {
  const { records, storage } = platform;
  const id = `${idAt(Date.now())}-7000-8000-${String(++plans).padStart(12, '0')}`;
  const caller = { owner: 'tester', group: null, role: 'user', priority: 3 } as const;
  const { photoKind } = await import('@darkroom/contract');
  await createReceiving(records.db, { id, kind: photoKind, caller, input: {} });
  const photo = await storage.getBytes(`${source}photo-001.jpg`, { maxBytes: 10_000_000 });
  const { uri, etag } = await storage.putBytes(`input-files/${id}/a.jpg`, photo, {
    contentType: 'image/jpeg',
  });
  const input = { uri, etag, bytes: photo.length, filename: 'a.jpg' };
  const submit = () =>
    commitSubmission(
      records.db,
      {
        id,
        fingerprint: id,
        input: photoKind.input.parse({}),
        stage: 'recognise',
        items: [{ key: '1', input }],
      },
      (tx) => createTask(tx, { jobId: id, media: 'photo', segments: 1, scoreThreshold: 0.4 }),
    );
  return {
    id,
    uri,
    submit,
    leave: () => records.sql`update jobs set updated_at = now() - interval '1 day' where id = ${id}`,
  };
}

test('an upload that the sweep takes back, stopped before its row moved, is kept once it was submitted', async () => {
  const stopped = await light({ 'abandon.found': stopOnce });
  const { id, submit, leave, uri } = await abandoned();
  await leave();
  await stopped.stoppedAt('abandon.found');
  expect(await submit()).toMatchObject({ outcome: 'accepted' });
  stopped.kill('SIGCONT');
  await recognition();
  expect(await platform.ended(id)).toMatchObject({ state: 'succeeded' });
  await stopped.stop();
  expect((await platform.storage.head(uri)).size).toBeGreaterThan(0);
}, 300_000);

test('an upload that the sweep takes back, stopped between list and delete, cannot be submitted, and is taken back by the next', async () => {
  const stopped = await light({ 'delete.listed': stopOnce, 'delete.held': { delayMs: 0 } });
  const { id, submit, leave, uri } = await abandoned();
  await leave();
  await stopped.stoppedAt('delete.listed');
  await expect(submit()).rejects.toMatchObject({ code: 'conflict' });
  await light();
  const gone = async () => (await getJobRow(platform.records.db, id)) === undefined;
  await until(gone, { seconds: 120, what: 'the next sweep' });
  expect(await stopped.goOn()).toEqual([]);
  await expect(platform.storage.head(uri)).rejects.toMatchObject({ code: 'source_not_found' });
  expect(await abandonReceiving(platform.records.db, id)).toBeUndefined();
}, 300_000);
