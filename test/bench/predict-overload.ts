/**
 * More predictions than can be made: `npm run bench -- predict-overload`. Capacity by a closed loop; then requests that come at their own pace, a
 * multiple of that, whether or not those before were answered; beside them somebody asks whether the API lives.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createKey, migrate, openRecords } from '@darkroom/records';
import { shippedLimits } from '../harness/stack.ts';
import { cpuSeconds } from './measure/cpu.ts';
import { type Figure, gather, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';
import { quantile } from './measure/statistics.ts';
import { megapixel, photoFiles } from './photo/sources.ts';
import { figureTable } from './predict/figures.ts';
import { type Load, startLoad } from './predict/measure.ts';
import type { OpenLoadResult, OpenLoadTask } from './predict/open-load.ts';
import { startOurs } from './predict/systems.ts';

const help = `npm run bench -- predict-overload [options]

  --times N         of capacity (3)
  --seconds N       of the overload (60)
  --peak N          seconds of the closed loop that says what capacity is (15)
  --owners N        keys that the requests come with in turn, each of an owner of its own (8)
  --connections N   at once, at most (1000)
  --pictures N      JPEGs of about 1 megapixel (200)`;

const { values: options } = parseArgs({
  options: {
    times: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    peak: { type: 'string', default: '15' },
    owners: { type: 'string', default: '8' },
    connections: { type: 'string', default: '1000' },
    pictures: { type: 'string', default: '200' },
    help: { type: 'boolean', default: false },
  },
});
const clients = 64;
const deadlineMs = 2000;
const healthEveryMs = 50;
/** After which what is measured stands at rest, or never will. */
const restMs = 20_000;
const gauges = ['darkroom_predictions_waiting', 'darkroom_predictions_under_way'];

if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const { add, report } = gather('predict-overload', {});
  const pictures = await photoFiles(megapixel, Number(options.pictures));
  say('starting Postgres, S3 and Temporal');
  const stack = await startBenchStack('bench-overload', {
    ...shippedLimits,
    LOG_LEVEL: 'info',
  });
  const load = startLoad();
  try {
    await migrate(stack.stack.postgres);
    const records = openRecords({ url: stack.stack.postgres, pool: 1, application: 'darkroom-bench' });
    const keyOf = async (owner: string, role = 'user' as const) =>
      (await createKey(records.db, { owner, role, priority: 3 })).key;
    const owners = Array.from({ length: Number(options.owners) }, (_, i) => `owner-${i + 1}`);
    const keys = await Promise.all(owners.map((owner) => keyOf(owner)));
    const { key: operator } = await createKey(records.db, { owner: 'ops', role: 'operator', priority: 3 });
    const [first = ''] = keys;
    const ours = await startOurs('classifier', stack, first);
    const { origin } = new URL(ours.url);
    const peak = await measurePeak(load, ours, pictures);
    say(`capacity: ${peak.toFixed(1)} a second at ${clients} clients`);

    const perSecond = Number(options.times) * peak;
    const seconds = Number(options.seconds);
    say(`${perSecond.toFixed(0)} a second for ${seconds} s`);
    const { postgres = 0, temporal = 0, s3 = 0 } = stack.stack.pids;
    const pids = { ...ours.pids, postgres, temporal, s3 };
    const before = await cpuSeconds(pids);
    const asking = askHealth(origin);
    const result = await overload({
      url: `${origin}/predict`,
      headers: keys.map((key) => ({ authorization: `Bearer ${key}` })),
      pictures,
      perSecond,
      seconds,
      connections: Number(options.connections),
    });
    const health = await asking.stop();
    const after = await cpuSeconds(pids);
    const atRest = await untilAtRest(origin, operator);
    await records.close();
    await ours.stop();

    const figures = figuresOf({ result, peak, seconds, health, atRest });
    const cpu = Object.entries(after).map(
      ([name, used]) => `${name} ${(used - before[name as keyof typeof before]).toFixed(1)}`,
    );
    say(`processor seconds: ${cpu.join(', ')}`);
    console.log(`\n${figureTable(figures)}`);
    add('overload', { figures, raw: { options, peak, ...result, health } });
    await report();
  } finally {
    await load.stop();
    await stack.close();
  }
}

/** Predictions a second of a closed loop, when what is opened and compiled with the first of them is done. */
async function measurePeak(
  load: Load,
  { url, headers }: Pick<Awaited<ReturnType<typeof startOurs>>, 'url' | 'headers'>,
  pictures: readonly string[],
): Promise<number> {
  const task = { url, headers, pictures, clients };
  await load.run({ ...task, seconds: 5 });
  const { answered, errors, seconds } = await load.run({ ...task, seconds: Number(options.peak) });
  if (errors[0] !== undefined) throw new Error(`Of the closed loop ${errors.length} failed: ${errors[0]}`);
  return answered.length / seconds;
}

async function overload(task: OpenLoadTask): Promise<OpenLoadResult> {
  const child = fork(new URL('predict/open-load.ts', import.meta.url), [], { execArgv: [] });
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  child.send(task);
  const [result] = await once(child, 'message');
  child.disconnect();
  process.off('exit', reap);
  return result as OpenLoadResult;
}

/** Asks whether the API lives, each time some milliseconds after the last answer; what each answer took, in milliseconds. */
function askHealth(origin: string): { stop(): Promise<readonly number[]> } {
  const took: number[] = [];
  let stopped = false;
  const asking = (async () => {
    while (!stopped) {
      const began = performance.now();
      const answer = await fetch(`${origin}/status/health`);
      await answer.text();
      took.push(answer.ok ? performance.now() - began : Number.POSITIVE_INFINITY);
      await sleep(healthEveryMs);
    }
    return took;
  })();
  return {
    stop() {
      stopped = true;
      return asking;
    },
  };
}

/** The sum of the gauges once it is 0, or what it still is when the time for that is over. */
async function untilAtRest(origin: string, operator: string): Promise<number> {
  const until = performance.now() + restMs;
  for (;;) {
    const answer = await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${operator}` } });
    const lines = (await answer.text())
      .split('\n')
      .filter((line) => gauges.some((name) => line.startsWith(`${name}{`)));
    if (lines.length < gauges.length) throw new Error(`${gauges.join(', ')}: not all are among the metrics.`);
    const sum = lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
    if (sum === 0 || performance.now() > until) return sum;
    await sleep(200);
  }
}

function figuresOf(of: {
  readonly result: OpenLoadResult;
  readonly peak: number;
  readonly seconds: number;
  readonly health: readonly number[];
  readonly atRest: number;
}): Figure[] {
  const { result, peak, seconds, health, atRest } = of;
  const times = (status: number): number[] =>
    result.answered.filter((one) => one.status === status).map(({ ms }) => ms);
  const [made, refused] = [times(200), times(503)];
  const others = result.answered.length - made.length - refused.length;
  const goodput = made.length / seconds;
  return [
    { name: `capacity, closed loop of ${clients} clients`, value: peak, unit: '/s' },
    { name: `asked for, ${options.times} × that`, value: Number(options.times) * peak, unit: '/s' },
    { name: 'made in time (200)', value: goodput, unit: '/s' },
    { name: 'made in time / capacity', value: goodput / peak, unit: '', least: 0.9 },
    { name: 'made, p50', value: quantile(made, 0.5), unit: 'ms' },
    { name: 'made, p99', value: quantile(made, 0.99), unit: 'ms', target: deadlineMs },
    { name: 'refused (503)', value: refused.length / seconds, unit: '/s' },
    { name: 'refused, p50', value: quantile(refused, 0.5), unit: 'ms' },
    { name: 'refused, p99', value: quantile(refused, 0.99), unit: 'ms', target: 50 },
    { name: 'accepted and not made in time (504)', value: times(504).length / seconds, unit: '/s' },
    { name: 'other answers', value: others - times(504).length, unit: '', target: 0 },
    { name: 'connections that broke', value: result.errors.length, unit: '', target: 0 },
    { name: 'not sent, for want of a connection', value: result.unsent, unit: '' },
    { name: '/status/health meanwhile, p99', value: quantile(health, 0.99), unit: 'ms', target: 200 },
    { name: 'waiting and under way afterwards', value: atRest, unit: '', target: 0 },
  ];
}
