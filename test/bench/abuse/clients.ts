/** Clients of one user who do what is forbidden, and another user's wait for small requests. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createKey, migrate, openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import type { TestStack } from '../../harness/stack.ts';
import { peakMemory } from '../measure/cpu.ts';
import { type Measured, say } from '../measure/report.ts';
import { storePhotos } from '../measure/stack.ts';
import { quantile } from '../measure/statistics.ts';
import type { Abuse, Answers } from './abusers.ts';
import { endedJob, loggingJob } from './seed.ts';
import { type Operation, type Visits, visit } from './visit.ts';

export interface ClientsOptions {
  readonly seconds: number;
  readonly clients: number;
  /** A second, in all. */
  readonly requests: number;
  /** Keys that the clients share. */
  readonly keysShared: number;
}

export async function measureClients(
  stack: TestStack,
  { seconds, clients, requests, keysShared }: ClientsOptions,
): Promise<Measured> {
  await migrate(stack.stack.postgres);
  await storePhotos(stack, 1);
  const records = openRecords({ url: stack.stack.postgres, pool: 2, application: 'darkroom-bench' });
  const storage = createStorage({ ...stack.stack.s3, forcePathStyle: true });
  const abuser = { owner: 'abuser', group: null, role: 'user', priority: 3 } as const;
  const large = await endedJob(records, storage, abuser, { items: 100, fileMiB: 4 });
  const logging = await loggingJob(records, abuser, 32);
  const keys = await Promise.all(
    Array.from({ length: keysShared }, async () => (await createKey(records.db, abuser)).key),
  );
  const { key } = await createKey(records.db, { ...abuser, owner: 'other' });
  await records.close();
  storage.close();

  const api = await stack.startApi();
  const other = { url: api.url, key };
  say('the other key, to warm up');
  await visit(other, 10);
  say(`the other key alone, ${seconds} s`);
  const alone = await visit(other, seconds);
  const before = (await peakMemory(api.pid)) ?? Number.NaN;
  say(`beside ${clients} clients with ${keysShared} keys, ${seconds} s`);
  const abuse: Abuse = {
    port: Number(new URL(api.url).port),
    keys,
    // They are at it when the other key begins, and until it has ended.
    seconds: seconds + 6,
    each: Math.ceil(clients / 4),
    requestsPerSecond: requests,
    archive: `/v1/jobs/${large}/results/archive`,
    streams: [`/v1/jobs/${logging}/log?follow=true`, `/v1/jobs/${logging}/events`],
    reads: ['/v1/jobs', `/v1/jobs/${large}/results?pageSize=1000`, `/v1/jobs/${large}`],
  };
  const answers = startAbuse(abuse);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const beside = await visit(other, seconds);
  const memory = (await peakMemory(api.pid)) ?? Number.NaN;
  const told = await answers;
  for (const [name, count] of Object.entries(told).sort()) say(`abusers: ${name}: ${count}`);
  const p99 = (visits: Visits, operation: Operation) => quantile(visits[operation], 0.99);
  const figures = (['get', 'submit'] as const).flatMap((operation) => [
    { name: `${operation}: p50 alone`, value: quantile(alone[operation], 0.5), unit: 'ms' },
    { name: `${operation}: p50 beside them`, value: quantile(beside[operation], 0.5), unit: 'ms' },
    { name: `${operation}: p99 alone`, value: p99(alone, operation), unit: 'ms' },
    { name: `${operation}: p99 beside them`, value: p99(beside, operation), unit: 'ms' },
    {
      name: `${operation}: p99 beside them / alone`,
      value: p99(beside, operation) / p99(alone, operation),
      unit: '',
      target: 3,
    },
  ]);
  return {
    figures: [
      ...figures,
      { name: 'requests of the other key that failed', value: beside.failed, unit: '', target: 0 },
      { name: 'memory of the API before', value: before / 2 ** 20, unit: 'MiB' },
      { name: 'memory of the API at most', value: memory / 1e6, unit: 'MB', target: 500 },
    ],
    raw: { alone, beside, told },
  };
}

async function startAbuse(abuse: Abuse): Promise<Answers> {
  const child = fork(new URL('abusers.ts', import.meta.url), [], { execArgv: [] });
  process.once('exit', () => child.kill('SIGKILL'));
  const answered = once(child, 'message');
  child.send(abuse);
  const [answers] = (await Promise.race([
    answered,
    once(child, 'exit').then(() => {
      throw new Error('The process of the abusers ended.');
    }),
  ])) as [Answers];
  child.disconnect();
  return answers;
}
