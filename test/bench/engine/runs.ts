/**
 * What the engine alone takes for the smallest thing that is durable, by the way it is run and by the settings of the development
 * server's store. All servers are up at once and take turns, so that what drifts on the machine meets them alike.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { startTemporal, type TestTemporal } from '../../harness/temporal.ts';
import { type Figure, say } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';

const stores = {
  'file as shipped': [],
  'WAL, synchronous=full': ['journal_mode=wal', 'synchronous=full'],
  'WAL, synchronous=normal': ['journal_mode=wal', 'synchronous=normal'],
} as const;
type Store = keyof typeof stores;

const ways = ['workflow + activity', 'workflow + local activity', 'standalone activity'] as const;
type Way = (typeof ways)[number];

const clients = 32;
const alone = 12;

export interface RunsPlan {
  readonly rounds: number;
  /** Seconds of load of each way on each store in a round. */
  readonly seconds: number;
}

interface Measured {
  readonly store: Store;
  readonly way: Way;
  readonly rate: number;
  readonly aloneMs: readonly number[];
}

export async function measureRuns({
  rounds,
  seconds,
}: RunsPlan): Promise<{ figures: Figure[]; raw: object }> {
  const names = Object.keys(stores) as Store[];
  const servers = await Promise.all(names.map((name) => startTemporal([], stores[name])));
  const stopWorker = await startWorker(servers.map(({ address }) => address));
  const measured: Measured[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const way of ways) {
        for (const [i, store] of names.entries()) {
          const one = await measure(servers[i]!, way, round === 0 ? 1 : seconds);
          // In the first round programs and caches warm up.
          if (round === 0) continue;
          measured.push({ store, way, ...one });
          say(
            `${way}, ${store}, round ${round} of ${rounds}: ${one.rate.toFixed(0)} a second, ` +
              `alone p50 ${median(one.aloneMs).toFixed(0)} ms`,
          );
        }
      }
    }
  } finally {
    await stopWorker();
    await Promise.all(servers.map((server) => server.stop()));
  }
  return { figures: figuresOf(names, measured), raw: { measured } };
}

async function measure(
  server: TestTemporal,
  way: Way,
  seconds: number,
): Promise<Pick<Measured, 'rate' | 'aloneMs'>> {
  const aloneMs: number[] = [];
  for (let i = 0; i < alone; i++) {
    const began = performance.now();
    await run(server, way, i);
    aloneMs.push(performance.now() - began);
  }
  let done = 0;
  const began = performance.now();
  const until = began + seconds * 1000;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      await run(server, way, done);
      done++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { rate: (done * 1000) / (performance.now() - began), aloneMs };
}

let runs = 0;

async function run({ client }: TestTemporal, way: Way, given: number): Promise<void> {
  const id = `run-${++runs}`;
  const taskQueue = 'bench';
  const result =
    way === 'standalone activity'
      ? await client.activity.execute('echo', { id, taskQueue, args: [given], startToCloseTimeout: '10 s' })
      : await client.workflow.execute(way === 'workflow + activity' ? 'withActivity' : 'withLocalActivity', {
          workflowId: id,
          taskQueue,
          args: [given],
        });
  if (result !== given) throw new Error(`${way} gave ${String(result)} for ${given}.`);
}

function figuresOf(names: readonly Store[], measured: readonly Measured[]): Figure[] {
  const of = (way: Way, store: Store) => measured.filter((each) => each.way === way && each.store === store);
  const rate = (way: Way, store: Store) => median(of(way, store).map((each) => each.rate));
  return ways.flatMap((way) =>
    names.flatMap((store) => [
      { name: `${way}, ${store}: ${clients} clients`, value: rate(way, store), unit: 'a second' },
      {
        name: `${way}, ${store}: × ${names[0]}`,
        value: rate(way, store) / rate(way, names[0]!),
        unit: '',
      },
      {
        name: `${way}, ${store}: alone, p50`,
        value: quantile(
          of(way, store).flatMap((each) => each.aloneMs),
          0.5,
        ),
        unit: 'ms',
      },
    ]),
  );
}

async function startWorker(addresses: readonly string[]): Promise<() => Promise<void>> {
  const child = fork(new URL('runs-worker.ts', import.meta.url), addresses, { execArgv: [] });
  const ended = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  await Promise.race([
    once(child, 'message'),
    ended.then(() => {
      throw new Error('The worker ended before it was ready.');
    }),
  ]);
  return async () => {
    if (child.connected) child.disconnect();
    await ended;
  };
}
