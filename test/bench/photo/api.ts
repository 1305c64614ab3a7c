/**
 * The API alone under 50 clients: submit, get, list; on a young database and, by turns, on one that holds 100,000 jobs.
 * No worker runs, so that the jobs stay queued. Both APIs use the same engine and store.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey, openRecords } from '@darkroom/records';
import { freshDatabase } from '../../harness/postgres.ts';
import type { TestStack } from '../../harness/stack.ts';
import { type Figure, say } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';
import type { LoadResult, LoadTask } from './load.ts';
import { onePhoto } from './recognition.ts';
import { seedJobs } from './seed.ts';

const clients = 50;
const operations = ['submit', 'get', 'list'] as const;
type Operation = (typeof operations)[number];
const requests: Readonly<Record<Operation, number>> = { submit: 400, get: 2000, list: 1000 };
/** Of one operation in one round on one side. */
const longestSeconds = 20;
const owner = 'bench';
const fullRatio = 1.3;

interface Side {
  readonly name: 'young' | 'full';
  readonly url: string;
  readonly database: string;
  readonly key: string;
  /** Jobs that `get` asks for. */
  readonly ids: string[];
}

interface Measured {
  readonly round: number;
  readonly side: Side['name'];
  readonly operation: Operation;
  readonly result: LoadResult;
}

/** Measures in `rounds` rounds; the first, in which programs and caches warm up, does not count. */
export async function measureApi(
  stack: TestStack,
  rounds: number,
  jobs: number,
): Promise<{ figures: Figure[]; raw: object }> {
  const [young, full] = [await openSide(stack, 'young', 0), await openSide(stack, 'full', jobs)];
  const load = await startLoad();
  const measured: Measured[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const operation of operations) {
        for (const side of round % 2 === 0 ? [young, full] : [full, young]) {
          const result = await load.run(taskOf(side, operation, round === 0));
          side.ids.push(...result.ids);
          if (operation === 'submit') await engineIsTold(side.database);
          if (round > 0) measured.push({ round, side: side.name, operation, result });
          const rate = result.latencies.length / result.seconds;
          say(
            `API, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}, ${side.name} table, ${operation}: ` +
              `${rate.toFixed(0)} a second, p50 ${quantile(result.latencies, 0.5).toFixed(1)} ms, ` +
              `p99 ${quantile(result.latencies, 0.99).toFixed(1)} ms, ${result.errors.length} errors`,
          );
        }
      }
    }
  } finally {
    await load.stop();
  }
  return { figures: figuresOf(measured, jobs), raw: { measured } };
}

async function openSide(stack: TestStack, name: Side['name'], jobs: number): Promise<Side> {
  const database = await freshDatabase(stack.stack.postgres);
  const began = performance.now();
  const ids = jobs === 0 ? [] : await seedJobs(database, owner, jobs);
  if (jobs > 0) say(`${jobs} jobs written in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  const records = openRecords({ url: database, pool: 1, application: 'darkroom-bench' });
  const { key } = await createKey(records.db, { owner, role: 'user', priority: 3 });
  await records.close();
  const api = await stack.startApi({ DATABASE_URL: database });
  return { name, url: api.url, database, key, ids };
}

/** A submit is answered before the engine is told: what follows is measured when that work is done. */
async function engineIsTold(database: string): Promise<void> {
  const { db, close } = openRecords({ url: database, pool: 1, application: 'darkroom-bench' });
  const began = performance.now();
  for (let left = 1; left > 0 && performance.now() - began < 60_000; ) {
    await sleep(200);
    // Seeded jobs look as if they had ended; those of this bench are queued.
    const { rows } = await db.execute<{ left: number }>(
      "select count(*)::int as left from jobs where state = 'queued' and not dispatched",
    );
    left = rows[0]?.left ?? 0;
  }
  await close();
}

function taskOf({ url, key, ids }: Side, operation: Operation, warmUp: boolean): LoadTask {
  return {
    url,
    key,
    operation,
    clients,
    requests: warmUp ? requests[operation] / 4 : requests[operation],
    seconds: longestSeconds,
    // As many different jobs on both sides: the newest, and on the full side old ones among them.
    ids: ids.length > 1000 ? evenly(ids, 1000) : ids,
    source: onePhoto(1),
  };
}

const evenly = (ids: readonly string[], count: number): string[] =>
  Array.from({ length: count }, (_, i) => ids[Math.floor((i * ids.length) / count)]!);

function figuresOf(measured: readonly Measured[], jobs: number): Figure[] {
  const latencies = (operation: Operation, side: Side['name'], round?: number): number[] =>
    measured
      .filter(
        (each) =>
          each.operation === operation && each.side === side && (round === undefined || each.round === round),
      )
      .flatMap(({ result }) => result.latencies);
  const rounds = [...new Set(measured.map(({ round }) => round))];
  const thousands = `${jobs / 1000},000 jobs`;
  return [
    ...operations.flatMap((operation): Figure[] => {
      const ratios = rounds.map(
        (round) =>
          quantile(latencies(operation, 'full', round), 0.99) /
          quantile(latencies(operation, 'young', round), 0.99),
      );
      const name = `API, ${clients} clients, ${operation}`;
      return [
        { name: `${name}: p50`, value: quantile(latencies(operation, 'young'), 0.5), unit: 'ms' },
        { name: `${name}: p99`, value: quantile(latencies(operation, 'young'), 0.99), unit: 'ms' },
        {
          name: `${name}: p99 with ${thousands}`,
          value: quantile(latencies(operation, 'full'), 0.99),
          unit: 'ms',
        },
        {
          name: `${name}: p99 with / without, median of ${rounds.length} rounds`,
          value: median(ratios),
          unit: '',
          target: fullRatio,
        },
      ];
    }),
    {
      name: 'API: requests that failed',
      value: measured.reduce((sum, { result }) => sum + result.errors.length, 0),
      unit: '',
      target: 0,
    },
  ];
}

async function startLoad(): Promise<{ run(task: LoadTask): Promise<LoadResult>; stop(): Promise<void> }> {
  const child = fork(new URL('load.ts', import.meta.url), [], { execArgv: [] });
  const gone = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  return {
    async run(task) {
      const answered = once(child, 'message');
      child.send(task);
      const [result] = (await Promise.race([
        answered,
        gone.then(() => {
          throw new Error('The process of the clients ended.');
        }),
      ])) as [LoadResult];
      return result;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}
