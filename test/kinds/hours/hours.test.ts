import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDispatch, type Dispatch } from '@darkroom/dispatch';
import { createLogger, loadConfig, startTelemetry } from '@darkroom/platform';
import { markedBy } from '@darkroom/program/testing.ts';
import { type Caller, getJob, migrate, openRecords, type Records, readPage } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { alone, keysUnder } from '@darkroom/storage/testing.ts';
import { Client, Connection } from '@temporalio/client';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startTestStack, type TestStack } from '../../harness/stack.ts';
import { scansKind, scansOptions, surveyKind, surveyOptions } from './contract.ts';
import { kinds } from './registration.ts';

/** Hours of work over workers that are replaced, in seconds. */

const ada: Caller = { owner: 'ada', group: null, role: 'user', priority: 3 };

let stack: TestStack & { close(): Promise<void> };
let records: Records;
let storage: Storage;
let dispatch: Dispatch;
let close: () => Promise<void>;
beforeAll(async () => {
  stack = await startTestStack('hours');
  const config = loadConfig(stack.env());
  await migrate(config.database.url);
  records = openRecords(config.database);
  storage = createStorage(config.s3);
  const telemetry = startTelemetry({ service: 'test' });
  const logger = createLogger({ service: 'test', level: 'fatal' });
  dispatch = createDispatch({ records, storage, config, logger, telemetry, kinds });
  await dispatch.ensureEngine();
  close = async () => {
    await dispatch.close();
    await records.close();
    storage.close();
    await telemetry.shutdown();
    await stack.close();
  };
}, 300_000);
afterAll(() => close?.(), 60_000);

async function startWorker(changes: Record<string, string> = {}) {
  const worker = await stack.startWorker(changes, 'test/kinds/hours/worker-process.ts');
  onTestFinished(() => worker.stop());
  return worker;
}

async function submit(options: object): Promise<string> {
  const input = surveyOptions.parse(options);
  const { jobId } = await dispatch.submit(surveyKind.kind, ada, {
    fingerprint: JSON.stringify(input),
    input,
    stage: 'refine',
    items: [],
  });
  return jobId;
}

const jobOf = async (id: string) => (await getJob(records.db, id))!;
const stageOf = async (id: string, name: string) =>
  (await jobOf(id)).stages.find((stage) => stage.name === name)!;
const programs = async () => (await readdir(join(stack.home, 'programs')).catch(() => [])).length;
const attemptsAt = async (id: string, stage: string) => {
  const { rows } = await records.db.execute<{
    outcome: string | null;
    worker: string;
    detail: string | null;
  }>(sql`
    select outcome, worker, problem->>'detail' as detail from job_attempts
    where job_id = ${id} and stage = ${stage} order by started_at`);
  return rows;
};

test('half an hour of work survives two deploys: by its checkpoint hardly any is done again, a program is the same process', async () => {
  const steps = 200;
  const journal = join(stack.home, 'journal');
  // Each worker is told to stop while the work waits; it goes on when the next one has it.
  const gates = [0.2, 0.6].map((share) => ({
    at: share * steps,
    file: join(stack.home, `gate at ${share}`),
  }));
  const id = await submit({ steps, stepMs: 20, journal, gates });
  const { address } = loadConfig(stack.env()).temporal;
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  const engine = new Client({ connection });
  /** What Temporal's Web UI shows beside the activity that works. */
  const shown = async () => {
    const { raw } = await engine.workflow.getHandle(id).describe();
    return raw.pendingActivities?.flatMap(({ heartbeatDetails }) =>
      (heartbeatDetails?.payloads ?? []).map(({ data }) => JSON.parse(Buffer.from(data!).toString())),
    );
  };
  let worker = await startWorker();
  for (const [nth, { at, file }] of gates.entries()) {
    for (const name of ['refine', 'simulate']) {
      await expect.poll(async () => (await stageOf(id, name)).done, { timeout: 60_000 }).toBe(at);
      await expect.poll(async () => (await stageOf(id, name)).aliveAt, { timeout: 60_000 }).not.toBe(null);
    }
    const sign = { done: expect.any(Number), total: steps, movedAt: expect.stringMatching(/^20.*Z$/) };
    const signs = ['refine', 'simulate'].map((stage) => expect.objectContaining({ stage, ...sign }));
    await expect.poll(shown, { timeout: 60_000 }).toEqual(expect.arrayContaining(signs));
    const began = Date.now();
    worker.kill('SIGTERM');
    expect(await worker.ended).toBe(0);
    expect(Date.now() - began).toBeLessThan(15_000);
    worker = await startWorker();
    await expect.poll(() => processesSaid(id), { timeout: 60_000 }).toHaveLength(nth + 2);
    await expect.poll(() => attemptsAt(id, 'refine'), { timeout: 60_000 }).toHaveLength(nth + 2);
    await writeFile(file, '');
  }
  await expect.poll(async () => (await jobOf(id)).job.state, { timeout: 150_000 }).toBe('succeeded');

  const { job, stages } = await jobOf(id);
  const [refined, simulated] = stages;
  expect(job.result).toMatchObject({ sum: (steps * (steps + 1)) / 2, lines: steps });
  for (const name of ['refine', 'simulate']) {
    const attempts = await attemptsAt(id, name);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['released', 'released', 'succeeded']);
    expect(new Set(attempts.map((each) => each.worker)).size).toBe(3);
  }
  const worked = (await readFile(journal, 'utf8')).trim().split('\n').length;
  expect(worked - steps).toBeLessThanOrEqual(steps * 0.05);
  const { rows: lines } = await records.db.execute<{ line: string }>(sql`
    select line from job_logs where job_id = ${id} and line like '%as process%' order by id`);
  expect(lines.map(({ line }) => line)).toEqual([
    expect.stringMatching(new RegExp(`runs .* as process ${job.result?.pid}$`)),
    expect.stringMatching(new RegExp(`goes on with .* as process ${job.result?.pid}$`)),
    expect.stringMatching(new RegExp(`goes on with .* as process ${job.result?.pid}$`)),
  ]);
  for (const stage of [refined!, simulated!]) {
    expect(stage).toMatchObject({ state: 'succeeded', done: steps, total: steps });
    expect(stage.movedAt).toBeInstanceOf(Date);
    expect(stage.aliveAt).toBeInstanceOf(Date);
  }
  await expect.poll(programs, { timeout: 60_000 }).toBe(0);

  // Its removal looks for objects once more when nothing of the kind can write any.
  await dispatch.remove(id);
  const waits = async () => {
    const { events } = await engine.workflow.getHandle(`removal/${id}`).fetchHistory();
    return events?.flatMap((event) =>
      Number(event.timerStartedEventAttributes?.startToFireTimeout?.seconds ?? 0),
    );
  };
  await expect.poll(waits, { timeout: 60_000 }).toContain(3 * 3600);
}, 300_000);

test('items that are a program of hours each survive a deploy: the same processes, and the stage counts items', async () => {
  const input = scansOptions.parse({ steps: 100, stepMs: 100 });
  const { jobId: id } = await dispatch.submit(scansKind.kind, ada, {
    fingerprint: 'scans',
    input,
    stage: 'scan',
    items: ['a', 'b'].map((key) => ({ key, input: {} })),
  });
  let worker = await startWorker();
  await expect.poll(() => processesSaid(id), { timeout: 60_000 }).toHaveLength(2);
  // It has said steps by now, which are none of the stage's.
  await expect.poll(async () => (await stageOf(id, 'scan')).movedAt, { timeout: 60_000 }).not.toBe(null);
  expect(await stageOf(id, 'scan')).toMatchObject({ done: 0, total: 2 });
  const began = Date.now();
  worker.kill('SIGTERM');
  expect(await worker.ended).toBe(0);
  expect(Date.now() - began).toBeLessThan(15_000);
  worker = await startWorker();
  await expect.poll(async () => (await jobOf(id)).job.state, { timeout: 90_000 }).toBe('succeeded');

  const said = (await processesSaid(id)).sort();
  expect(said).toHaveLength(4);
  expect(new Set(said).size).toBe(2);
  const items = await readPage(records.db, id, 'scan', 1, 3);
  // The worker that stopped has given them back: nothing died under them.
  expect(items.map(({ attempt, deaths }) => [attempt, deaths])).toEqual([
    [1, 0],
    [1, 0],
  ]);
  const left = await Promise.all(
    items.map(async ({ resultUri }) =>
      JSON.parse((await storage.getBytes(resultUri!, { maxBytes: 1000 })).toString()),
    ),
  );
  expect(left.map(({ lines }) => lines)).toEqual([100, 100]);
  expect(left.map(({ pid }) => String(pid)).sort()).toEqual([said[0], said[2]]);
  expect(await stageOf(id, 'scan')).toMatchObject({ state: 'succeeded', done: 2, total: 2 });
  await expect.poll(programs, { timeout: 60_000 }).toBe(0);
}, 300_000);

describe('an object that a stage leaves for the next ones', () => {
  const keysOf = async (id: string) =>
    (await keysUnder(storage, `surveys/${id}/`)).map((key) => key.slice(`surveys/${id}/`.length));

  test('stays when a later one fails, so that a resume skips the stage; is made again where it is gone; goes with the end', async () => {
    await startWorker();
    const steps = 5;
    const survey = async (name: string) => {
      const [journal, permit] = [join(stack.home, `${name}-journal`), join(stack.home, `${name}-permit`)];
      const id = await submit({ steps, stepMs: 10, journal, permit });
      const worked = async () => (await readFile(journal, 'utf8')).trim().split('\n').length;
      return { id, permit, worked, state: async () => (await jobOf(id)).job.state };
    };
    const [kept, lost] = await Promise.all([survey('kept'), survey('lost')]);
    for (const each of [kept, lost]) {
      await expect.poll(each.state, { timeout: 60_000 }).toBe('failed');
      expect(await keysOf(each.id)).toEqual(['table.json']);
    }
    await storage.remove([`surveys/${lost.id}/table.json`], alone);
    for (const { id, permit } of [kept, lost]) {
      await writeFile(permit, '');
      await dispatch.resume(id);
    }
    for (const each of [kept, lost]) {
      await expect.poll(each.state, { timeout: 60_000 }).toBe('succeeded');
      await expect.poll(() => keysOf(each.id), { timeout: 60_000 }).toEqual(['manifest.json']);
      expect((await jobOf(each.id)).job.result).toMatchObject({ sum: 15, lines: steps });
    }
    expect([await kept.worked(), await lost.worked()]).toEqual([steps, 2 * steps]);
  }, 300_000);
});

test('a worker that dies with what it has read, before that is kept, leaves the files of the program to the next one', async () => {
  const id = await submit({ steps: 20, stepMs: 100 });
  const points = { 'stage.before-keep': { killWhen: 'simulate' } };
  const dying = await startWorker({ DARKROOM_FAILPOINTS: JSON.stringify({ points }) });
  expect(await dying.ended).toBe('SIGKILL');
  expect(await programs()).toBe(1);
  await startWorker();
  await expect.poll(async () => (await jobOf(id)).job.state, { timeout: 60_000 }).toBe('succeeded');
  const { result } = (await jobOf(id)).job;
  expect(result).toMatchObject({ lines: 20 });
  expect(await processesSaid(id)).toEqual([String(result?.pid), String(result?.pid)]);
  await expect.poll(programs, { timeout: 60_000 }).toBe(0);
}, 300_000);

test('work that hangs, deaf to all, is given up when it has stood still for too long: another attempt goes on', async () => {
  const steps = 40;
  const journal = join(stack.home, 'journal of one that hangs');
  const id = await submit({ steps, stepMs: 100, hangsAt: 25, journal });
  await startWorker();
  await expect.poll(async () => (await jobOf(id)).job.state, { timeout: 90_000 }).toBe('succeeded');
  expect((await jobOf(id)).job.result).toMatchObject({ sum: (steps * (steps + 1)) / 2 });
  const attempts = await attemptsAt(id, 'refine');
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'succeeded']);
  // Longer than the ten seconds that its activity says.
  expect(attempts[0]?.detail).toMatch(/stood still for \d+ s/);
  // By then all that it had got to was its checkpoint.
  expect(await readFile(journal, 'utf8')).toBe(
    Array.from({ length: steps }, (_, index) => `${index + 1}\n`).join(''),
  );
}, 300_000);

test('a worker that is killed leaves the program to the next one, and a cancel ends it with all that it began', async () => {
  const id = await submit({ steps: 3000, stepMs: 100 });
  let worker = await startWorker();
  const done = async () => (await stageOf(id, 'simulate')).done;
  await expect.poll(done, { timeout: 60_000 }).toBeGreaterThan(5);
  const token = await tokenOfProgram();
  worker.kill('SIGKILL');
  await worker.ended;
  expect(await markedBy(token)).not.toEqual([]);
  worker = await startWorker();
  await expect.poll(() => processesSaid(id), { timeout: 60_000 }).toHaveLength(2);
  const [first, second] = await processesSaid(id);
  expect(second).toBe(first);

  await dispatch.cancel(id, 'No more.');
  await expect.poll(() => markedBy(token), { timeout: 60_000 }).toEqual([]);
  await expect.poll(async () => (await jobOf(id)).job.state, { timeout: 60_000 }).toBe('cancelled');
  expect(await programs()).toBe(0);
}, 300_000);

/** Ids of the processes that the job's log names. */
async function processesSaid(id: string): Promise<(string | undefined)[]> {
  const { rows } = await records.db.execute<{ line: string }>(sql`
    select line from job_logs where job_id = ${id} and line like '%as process%' order by id`);
  return rows.map(({ line }) => line.split(' ').at(-1));
}

async function tokenOfProgram(): Promise<string> {
  const root = join(stack.home, 'programs');
  const [name] = await readdir(root);
  return (JSON.parse(await readFile(join(root, name!, 'spec.json'), 'utf8')) as { token: string }).token;
}
