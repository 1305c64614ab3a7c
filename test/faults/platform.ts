/** The platform under fault: the real stack, its API as a user has it, its ledger and its objects as they lie there. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, ProblemDocument } from '@darkroom/contract';
import { type FailpointAct, type FailpointPlan, parseJournal } from '@darkroom/platform';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { Client, Connection } from '@temporalio/client';
import { sampleBucket } from '../../apps/local/stack/samples.ts';
import type { TestProcess } from '../harness/process.ts';
import { startTestStack, type TestStack } from '../harness/stack.ts';
import { faultFilm } from './films.ts';
import { makePhotos, putPhotos } from './photos.ts';

/** An answer of the API and how long it took. */
export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
  readonly ms: number;
}

export interface Platform {
  readonly stack: TestStack;
  readonly records: Records;
  readonly storage: Storage;
  readonly temporal: Client;
  readonly api: TestProcess & { url: string };
  /** Puts the first `count` photos of the series under a prefix of their own, called `NAME-001.jpg` and so on; its URI. */
  photos(count: number, name?: string): Promise<string>;
  ask<T = Job & ProblemDocument>(method: string, path: string, body?: object): Promise<Answer<T>>;
  /** Submits a source; the id of its job. */
  submit(source: string): Promise<string>;
  job(id: string): Promise<Job>;
  /** Waits until the job has ended, at most `seconds`. */
  ended(id: string, seconds?: number): Promise<Job>;
  /** Puts the film of so many shots where it can be submitted; its URI. */
  film(shots: number): Promise<string>;
  /** A worker for photos alone; workflows and upkeep are another's. */
  recognitionWorker(changes?: Record<string, string>): Promise<TestProcess>;
  /** A worker for videos: it decodes and recognises. */
  videoWorker(changes?: Record<string, string>): Promise<TestProcess>;
  /** A worker for everything but photos and videos. */
  lightWorker(changes?: Record<string, string>): Promise<TestProcess>;
  close(): Promise<void>;
}

/** `apiScript` runs another API than Darkroom's own, with kinds of the tests. */
export async function startPlatform(
  name: string,
  env: Record<string, string> = {},
  apiScript?: string,
): Promise<Platform> {
  const stack = await startTestStack(name, env);
  const { s3, temporal, postgres } = stack.stack;
  await migrate(postgres);
  const records = openRecords({ url: postgres, application: 'faults' });
  const storage = createStorage({ ...s3, forcePathStyle: true });
  const connection = Connection.lazy({ address: temporal.address });
  const api = await stack.startApi({}, apiScript);
  const { key } = await createKey(records.db, { owner: 'tester', group: null, role: 'user', priority: 3 });

  const platform: Platform = {
    stack,
    records,
    storage,
    api,
    temporal: new Client({ connection, namespace: temporal.namespace }),

    async photos(count, name = 'photo') {
      const prefix = `s3://${sampleBucket}/faults-${name}-${count}/`;
      await putPhotos(storage, prefix, await makePhotos(count, name));
      return prefix;
    },

    async film(shots) {
      const uri = `s3://${sampleBucket}/faults/film-${shots}.mp4`;
      await storage.uploadFile(uri, await faultFilm(shots), { contentType: 'video/mp4' });
      return uri;
    },

    async ask<T>(method: string, path: string, body?: object) {
      const began = performance.now();
      const answer = await fetch(`${api.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(60_000),
      });
      const text = await answer.text();
      const ms = performance.now() - began;
      return {
        status: answer.status,
        headers: answer.headers,
        body: (text === '' ? {} : JSON.parse(text)) as T,
        ms,
      };
    },

    async submit(source) {
      const { status, body } = await platform.ask<{ task_id: string }>('POST', '/v1/analysis', { source });
      if (status !== 202) throw new Error(`The submit was answered ${status}: ${JSON.stringify(body)}`);
      return body.task_id;
    },

    async job(id) {
      const { status, body } = await platform.ask<Job>('GET', `/v1/jobs/${id}`);
      if (status !== 200) throw new Error(`The job was answered ${status}: ${JSON.stringify(body)}`);
      return body;
    },

    ended: (id, seconds = 120) =>
      until(
        async () => {
          const job = await platform.job(id);
          return job.finishedAt === null ? undefined : job;
        },
        { seconds, what: async () => `job ${JSON.stringify(await platform.job(id))} to end`, everyMs: 150 },
      ),

    recognitionWorker: (changes = {}) => stack.startWorker({ DARKROOM_QUEUES: 'recognition', ...changes }),
    videoWorker: (changes = {}) => stack.startWorker({ DARKROOM_QUEUES: 'media,recognition', ...changes }),
    lightWorker: (changes = {}) => stack.startWorker({ DARKROOM_QUEUES: 'light', ...changes }),

    async close() {
      await stack.close();
      await connection.close();
      await records.close();
      storage.close();
    },
  };
  return platform;
}

/**
 * Asks until `ready` gives something. A question to the API is 6 ms of work: at 50 ms it would be a tenth of a core, for as long as a job is
 * waited for.
 */
export async function until<T>(
  ready: () => Promise<T | undefined | false>,
  {
    seconds = 120,
    what,
    everyMs = 50,
  }: { seconds?: number; what: string | (() => Promise<string>); everyMs?: number },
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await ready();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) {
      const missing = typeof what === 'string' ? what : await what();
      throw new Error(`Waited ${seconds} s in vain for ${missing}.`);
    }
    await sleep(everyMs);
  }
}

export type Server = 'temporal' | 'postgres' | 's3';

/** Kills a server, and again whenever it has been started anew, until `meanwhile` is through and `seconds` are over. */
export async function outageOf<T>(
  { stack }: Pick<TestStack, 'stack'>,
  server: Server,
  seconds: number,
  meanwhile: () => Promise<T>,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  const over = new AbortController();
  const killed = new Set<number>();
  const killing = (async () => {
    while (!over.signal.aborted || Date.now() < end) {
      const pid = stack.pids[server];
      if (pid !== undefined && !killed.has(pid)) {
        killed.add(pid);
        process.kill(pid, 'SIGKILL');
      }
      await sleep(20);
    }
  })();
  try {
    await sleep(50);
    return await meanwhile();
  } finally {
    over.abort();
    await killing;
    assert(killed.size > 0, `No ${server} was there to be killed.`);
  }
}

/** The environment of a process with these failpoints. */
export function failpoints(
  plan: Partial<FailpointPlan> & Pick<FailpointPlan, 'points'>,
): Record<string, string> {
  return { DARKROOM_FAILPOINTS: JSON.stringify(plan) };
}

/** What failpoints have done so far. */
export async function readJournal(path: string): Promise<FailpointAct[]> {
  return parseJournal(await readFile(path, 'utf8').catch(() => ''));
}

/** A process that another has started. */
export interface ChildProcess {
  readonly pid: number;
  /** Its arguments with spaces between. */
  readonly command: string;
}

const readProc = (path: string): Promise<string> => readFile(`/proc/${path}`, 'utf8').catch(() => '');

/** The processes that a process has started and that still run. */
export async function childrenOf(parent: number): Promise<ChildProcess[]> {
  const pids = (await readProc(`${parent}/task/${parent}/children`)).split(' ').filter(Boolean);
  const children = await Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      command: (await readProc(`${pid}/cmdline`)).replaceAll('\0', ' ').trim(),
    })),
  );
  return children.filter(({ command }) => command !== '');
}

/** Whether a process runs no more; one that has ended and that nobody has asked about has no command line. */
export const isGone = async (pid: number): Promise<boolean> => (await readProc(`${pid}/cmdline`)) === '';

/** Of processes that have no file of anybody's: warm lanes, and what compiles their code beside all else. */
const idle = /(recognition\/lane|media\/previews)\/main\.ts|"compileOnly":"/;

/** Command lines of the processes that a process has started and that still run on what somebody sent. */
export const busyChildren = async (pid: number): Promise<string[]> =>
  (await childrenOf(pid)).flatMap(({ command }) => (idle.test(command) ? [] : command));
