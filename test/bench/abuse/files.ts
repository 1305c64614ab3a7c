/** Photos of one user beside another one's, whose files harm whoever decodes them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { sampleBucket } from '../../../apps/local/stack/samples.ts';
import type { TestProcess } from '../../harness/process.ts';
import type { TestStack } from '../../harness/stack.ts';
import { type Measured, say } from '../measure/report.ts';
import { storePhotos } from '../measure/stack.ts';
import { median } from '../measure/statistics.ts';
import { runJob, submitJob } from '../photo/client.ts';
import { allPhotos } from '../photo/recognition.ts';
import { ender, hostilePhotos } from './hostile-photos.ts';

export interface FilesOptions {
  /** Photos of the one user, files of the other, and into how many jobs those are divided. */
  readonly photos: number;
  readonly files: number;
  readonly jobs: number;
  /** How often alone and beside them, by turns. */
  readonly pairs: number;
}

const ratioAtMost = 2.2;
/** Until the hostile files have all been named. */
const longestMs = 20 * 60_000;

export async function measureFiles(
  stack: TestStack,
  { photos, files, jobs, pairs }: FilesOptions,
): Promise<Measured> {
  await migrate(stack.stack.postgres);
  const records = openRecords({ url: stack.stack.postgres, pool: 2, application: 'darkroom-bench' });
  try {
    await storePhotos(stack, photos);
    const prefixes = await storeFiles(stack, files, jobs);
    const keyOf = async (owner: string) =>
      (await createKey(records.db, { owner, group: null, role: 'user', priority: 3 })).key;
    const [good, hostile] = await Promise.all(['good', 'hostile'].map(keyOf));
    const api = await stack.startApi();
    const failpoints = { points: { 'photo.prepare': { killWhen: ender } } };
    const worker = await stack.startWorker({
      LOG_LEVEL: 'info',
      DARKROOM_FAILPOINTS: JSON.stringify(failpoints),
    });
    const clients = { good: { url: api.url, key: good! }, hostile: { url: api.url, key: hostile! } };
    say(`${photos} photos, to warm up`);
    await runJob(clients.good, allPhotos);
    const alone: number[] = [];
    const beside: number[] = [];
    const ends: Record<string, number> = {};
    const hostileMs: number[] = [];
    for (let pair = 1; pair <= pairs; pair++) {
      alone.push((await runJob(clients.good, allPhotos)).wallMs);
      const began = performance.now();
      const submitted = await Promise.all(prefixes.map((prefix) => submitJob(clients.hostile, prefix)));
      // They have the worker to themselves when the other user comes.
      await untilBegun(records, submitted);
      beside.push((await runJob(clients.good, allPhotos)).wallMs);
      const left = await untilEnded(records, submitted, worker);
      hostileMs.push(performance.now() - began);
      for (const [code, count] of left) ends[code] = (ends[code] ?? 0) + count;
      say(
        `pair ${pair} of ${pairs}: alone ${seconds(alone)} s, beside ${seconds(beside)} s; all hostile ones ended after ${seconds(hostileMs)} s`,
      );
    }
    say(`hostile files: ${JSON.stringify(ends)}`);
    const deaths = await deathsOf(records);
    const restarts = await Promise.race([worker.ended.then(() => 1), sleep(0, 0)]);
    await Promise.all([api.stop(), worker.stop()]);
    const ratios = beside.map((ms, n) => ms / alone[n]!);
    return {
      figures: [
        { name: `${photos} photos alone`, value: median(alone) / 1000, unit: 's' },
        { name: `beside ${files} hostile files of another user`, value: median(beside) / 1000, unit: 's' },
        {
          name: `beside / alone, median of ${pairs} pairs`,
          value: median(ratios),
          unit: '',
          target: ratioAtMost,
        },
        { name: 'beside / alone, worst pair', value: Math.max(...ratios), unit: '' },
        { name: 'until all hostile files are named', value: median(hostileMs) / 1000, unit: 's' },
        { name: 'deaths of the worker', value: restarts, unit: '', target: 0 },
        { name: 'deaths that the ledger counts against an item', value: deaths, unit: '', target: 0 },
        {
          name: 'hostile files that are our fault (internal)',
          value: ends.internal ?? 0,
          unit: '',
          target: 0,
        },
      ],
      raw: { alone, beside, hostileMs, ends },
    };
  } finally {
    await records.close();
  }
}

const seconds = (ms: readonly number[]): string => ((ms.at(-1) ?? 0) / 1000).toFixed(1);

/** Puts the hostile files where jobs may read them: the prefix of each job. */
async function storeFiles(stack: TestStack, files: number, jobs: number): Promise<string[]> {
  say(`making ${files} hostile files`);
  const storage = createStorage({ ...stack.stack.s3, bucket: sampleBucket, forcePathStyle: true });
  const prefixes = Array.from({ length: jobs }, (_, n) => `bench/hostile/${n + 1}/`);
  try {
    for (const [n, { name, bytes }] of (await hostilePhotos(files)).entries())
      await storage.putBytes(`${prefixes[n % jobs]}${name}`, bytes, { contentType: 'image/jpeg' });
  } finally {
    storage.close();
  }
  return prefixes.map((prefix) => `s3://${sampleBucket}/${prefix}`);
}

async function untilBegun({ sql }: Records, jobs: readonly string[]): Promise<void> {
  for (;;) {
    const [begun] = await sql<{ count: number }>`
      select count(*)::int from job_items where job_id = any(${jobs}) and state <> 'pending'`;
    if ((begun?.count ?? 0) > 0) return;
    await sleep(20);
  }
}

/** How the items of jobs have ended: by code, or `read`. */
async function untilEnded(
  { sql }: Records,
  jobs: readonly string[],
  worker: TestProcess,
): Promise<[string, number][]> {
  const until = performance.now() + longestMs;
  for (;;) {
    const [open] = await sql<{ count: number }>`
      select count(*)::int from jobs where id = any(${jobs}) and finished_at is null`;
    if (open?.count === 0) break;
    if (performance.now() > until)
      throw new Error(`The hostile jobs have not ended:\n${worker.lines.slice(-20).join('\n')}`);
    await sleep(200);
  }
  const ends = await sql<{ code: string; count: number }>`
    select coalesce(problem ->> 'code', case state when 'succeeded' then 'read' else state end) as code, count(*)::int
    from job_items where job_id = any(${jobs}) group by 1 order by 1`;
  return ends.map(({ code, count }) => [code, count]);
}

async function deathsOf({ sql }: Records): Promise<number> {
  const [deaths] = await sql<{ count: number }>`select coalesce(sum(deaths), 0)::int as count from job_items`;
  return deaths?.count ?? 0;
}
