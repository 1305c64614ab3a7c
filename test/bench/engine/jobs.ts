/**
 * What a small job costs: many jobs of one photo each, all of one user; jobs a second, and the processor time of each process a job.
 * Then how long another user's photo takes beside a crowd of such jobs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import type { TestStack } from '../../harness/stack.ts';
import { cpuSeconds } from '../measure/cpu.ts';
import { type Figure, say } from '../measure/report.ts';
import { median } from '../measure/statistics.ts';
import { type Client, runJob, submitJob } from '../photo/client.ts';
import { onePhoto } from '../photo/recognition.ts';

/** Submits in flight at once. */
const submitters = 8;
const jobsPerSecond = 11;
const besideMs = 1000;

export interface SmallJobs {
  /** Jobs of one photo each. */
  readonly jobs: number;
  /** Jobs beside which another user's photo is timed. */
  readonly crowd: number;
  readonly rounds: number;
  /** Photos in the bucket, which the jobs take in turn. */
  readonly photos: number;
}

/** Measures on an API and a worker of its own. */
export async function measureSmallJobs(
  stack: TestStack,
  { jobs, crowd, rounds, photos }: SmallJobs,
): Promise<{ figures: Figure[]; raw: object }> {
  await migrate(stack.stack.postgres);
  const records = openRecords({ url: stack.stack.postgres, pool: 2, application: 'darkroom-bench' });
  const [api, worker] = await Promise.all([stack.startApi(), stack.startWorker({ LOG_LEVEL: 'info' })]);
  const { postgres = 0, temporal = 0, s3 = 0 } = stack.stack.pids;
  const pids = { api: api.pid, worker: worker.pid, temporal, postgres, s3 };
  const clientOf = async (owner: string): Promise<Client> => {
    const { key } = await createKey(records.db, { owner, role: 'user', priority: 3 });
    return { url: api.url, key };
  };
  try {
    const [many, other] = [await clientOf('many'), await clientOf('other')];
    await submitAll(many, 20, photos);
    await untilEnded(records, 20);
    const measured = [];
    for (let round = 1; round <= (jobs > 0 ? rounds : 0); round++) {
      const one = await measureRate({ records, many, pids, jobs, photos });
      measured.push(one);
      say(
        `${jobs} jobs of a photo each, round ${round} of ${rounds}: ${one.rate.toFixed(1)} a second (submitted within ` +
          `${one.submittedSeconds.toFixed(1)} s); processor ms a job ${JSON.stringify(one.cpuMs)}`,
      );
    }
    const neighbour = crowd > 0 ? await measureNeighbour({ records, many, other, crowd, photos }) : undefined;
    return { figures: figuresOf(jobs, measured, crowd, neighbour), raw: { measured, neighbour } };
  } finally {
    await Promise.all([api.stop(), worker.stop()]);
    await records.close();
  }
}

interface Rate {
  /** Jobs a second from the first submit to the last end. */
  readonly rate: number;
  readonly submittedSeconds: number;
  /** Of each process, and in sum. */
  readonly cpuMs: Readonly<Record<string, number>>;
}

async function measureRate(given: {
  records: Records;
  many: Client;
  pids: Readonly<Record<string, number>>;
  jobs: number;
  photos: number;
}): Promise<Rate> {
  const { records, many, pids, jobs, photos } = given;
  const ended = await countEnded(records);
  const before = await cpuSeconds(pids);
  const began = performance.now();
  await submitAll(many, jobs, photos);
  const submittedSeconds = (performance.now() - began) / 1000;
  await untilEnded(records, ended + jobs);
  const seconds = (performance.now() - began) / 1000;
  // What is written behind the last job's end, such as the close of its run, is its cost too.
  await sleep(1000);
  const after = await cpuSeconds(pids);
  const names = Object.keys(pids);
  const used = names.map((name) => (((after[name] ?? 0) - (before[name] ?? 0)) * 1000) / jobs);
  const sum = used.reduce((all, each) => all + each, 0);
  const cpuMs = Object.fromEntries([...names, 'sum'].map((name, i) => [name, Math.round(used[i] ?? sum)]));
  return { rate: jobs / seconds, submittedSeconds, cpuMs };
}

interface Neighbour {
  readonly aloneMs: readonly number[];
  readonly besideMs: readonly number[];
}

/** Another user's photos, one after the other, alone and until a crowd of jobs has ended. */
async function measureNeighbour(given: {
  records: Records;
  many: Client;
  other: Client;
  crowd: number;
  photos: number;
}): Promise<Neighbour> {
  const { records, many, other, crowd, photos } = given;
  const photo = async (index: number) => (await runJob(other, onePhoto(1 + (index % photos)))).wallMs;
  const aloneMs: number[] = [];
  for (let i = 0; i < 8; i++) aloneMs.push(await photo(i));
  aloneMs.splice(0, 3);
  const ended = await countEnded(records, 'many');
  await submitAll(many, crowd, photos);
  const besideMs: number[] = [];
  // Beside the last few the crowd is none any more.
  while ((await countEnded(records, 'many')) < ended + crowd * 0.95)
    besideMs.push(await photo(besideMs.length));
  await untilEnded(records, ended + crowd, 'many');
  say(
    `another user's photo: alone ${median(aloneMs).toFixed(0)} ms, beside ${crowd} jobs ` +
      `${besideMs.map((ms) => ms.toFixed(0)).join(', ')} ms`,
  );
  return { aloneMs, besideMs };
}

async function submitAll(client: Client, count: number, photos: number): Promise<void> {
  let next = 0;
  const submitter = async (): Promise<void> => {
    while (next < count) await submitJob(client, onePhoto(1 + (next++ % photos)));
  };
  await Promise.all(Array.from({ length: submitters }, submitter));
}

async function countEnded({ sql }: Records, owner?: string): Promise<number> {
  const rows = await sql<{ state: string; count: number }>`
    select state, count(*)::int as count from jobs
    where finished_at is not null and (${owner ?? null}::text is null or owner = ${owner ?? null}) group by state`;
  const failed = rows.find(({ state }) => state !== 'succeeded');
  if (failed !== undefined) throw new Error(`${failed.count} jobs ended as ${failed.state}.`);
  return rows.reduce((sum, { count }) => sum + count, 0);
}

async function untilEnded(records: Records, count: number, owner?: string): Promise<void> {
  while ((await countEnded(records, owner)) < count) await sleep(100);
}

function figuresOf(
  jobs: number,
  measured: readonly Rate[],
  crowd: number,
  neighbour: Neighbour | undefined,
): Figure[] {
  const names = Object.keys(measured[0]?.cpuMs ?? {});
  const rates = measured.map(({ rate }) => rate);
  const atMost = (name: string, values: readonly number[], target?: number): Figure[] =>
    values.length === 0
      ? []
      : [{ name, value: median(values), unit: 'ms', ...(target !== undefined && { target }) }];
  return [
    ...(measured.length === 0
      ? []
      : [
          { name: `${jobs} jobs of a photo each: jobs a second`, value: median(rates), unit: '' },
          {
            name: 'the same: milliseconds a job',
            value: 1000 / median(rates),
            unit: 'ms',
            target: Number((1000 / jobsPerSecond).toFixed(1)),
          },
        ]),
    ...names.flatMap((name) =>
      atMost(
        `processor time a job: ${name}`,
        measured.map(({ cpuMs }) => cpuMs[name] ?? 0),
      ),
    ),
    ...atMost("another user's photo: alone, median", neighbour?.aloneMs ?? []),
    ...atMost(`another user's photo: beside ${crowd} jobs, median`, neighbour?.besideMs ?? [], besideMs),
    ...atMost(`another user's photo: beside ${crowd} jobs, longest`, [
      Math.max(...(neighbour?.besideMs ?? [])),
    ]).filter(() => neighbour !== undefined),
  ];
}
