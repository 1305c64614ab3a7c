/**
 * The proof by killing, in its long form: `node test/faults/kills.ts` (`--help`). A task undisturbed, then the same task under workers, and
 * of a video decoders too, that die by SIGKILL in every stage; at last one that is cancelled, resumed and removed by workers that die before,
 * after and within each of these steps. Exit code 1 when anything differs or was done without need.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { TestProcess } from '../harness/process.ts';
import { type Death, hitWork, workThroughKills } from './killing.ts';
import { digestsOf, faultsOf, rowsOf, workersOf } from './ledger.ts';
import { lightPoints, throughLightDeaths } from './light-killing.ts';
import { type Platform, readJournal, startPlatform } from './platform.ts';
import { killAtRandom } from './random-killing.ts';
import { type SplitDeath, splitDeaths } from './video-killing.ts';

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'photo' },
    items: { type: 'string' },
    kills: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    random: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  console.log(`node test/faults/kills.ts [--kind photo|video] [--items N] [--kills 30] [--seed 1] [--random]

Kills workers, and of a video decoders, in every stage of tasks until so many deaths have hit work and every failpoint has acted; then
in every step that ends, sweeps or removes a task. Brings its own servers up; takes about ten minutes with photos on 2 cores.
  --items   photos (200) or shots of the video (120) of each task
  --kills   deaths that hit work, and kills of lanes
  --seed    another one kills at other moments
  --random  instead: so many lanes, found among the worker's children, and so many workers, at any moment and wherever they are; nothing
            may be left of them, neither processes nor temporary files. About five minutes`);
  process.exit(0);
}

interface Plan {
  readonly unit: string;
  readonly items: number;
  readonly worker: 'recognitionWorker' | 'videoWorker';
  source(on: Platform, items: number): Promise<string>;
  /** Failpoints that every item passes, with the chance of a death there, and those that a job passes once. */
  readonly perItem: Readonly<Record<string, number>>;
  /** The same, where it is the lane of the item that dies. */
  readonly inLane: Readonly<Record<string, number>>;
  readonly perJob: readonly string[];
}

const everyItem = {
  'item.claimed': 0.025,
  'item.before-write': 0.025,
  'item.before-publish': 0.025,
  'item.published': 0.025,
};
const perJob = ['job.before-manifest', 'job.before-check', 'job.before-finish', 'job.finished'];
const plans: Readonly<Record<string, Plan>> = {
  photo: {
    unit: 'photos',
    items: 200,
    worker: 'recognitionWorker',
    source: (on, items) => on.photos(items),
    perItem: everyItem,
    inLane: {
      'photo.probe': 0.025,
      'photo.prepare': 0.025,
      'photo.recognise': 0.025,
      'photo.annotate': 0.025,
    },
    perJob,
  },
  video: {
    unit: 'shots',
    items: 120,
    worker: 'videoWorker',
    source: (on, items) => on.film(items),
    perItem: {
      ...everyItem,
      'video.scene': 0.04,
      'video.scene-written': 0.04,
      'video.scene-saved': 0.04,
    },
    inLane: {
      'video.prepare': 0.025,
      'video.recognise': 0.025,
      'video.annotate': 0.025,
    },
    perJob,
  },
};
const plan = plans[values.kind];
if (plan === undefined)
  throw new Error(`There is no plan for ${values.kind}; there are ${Object.keys(plans).join(', ')}.`);
const items = Number(values.items ?? plan.items);
const [kills, seed] = [Number(values.kills), Number(values.seed)];
const inLane = Object.keys(plan.inLane);
const everywhere = [...Object.keys(plan.perItem), ...inLane, ...plan.perJob];
const points = {
  ...Object.fromEntries(
    Object.entries({ ...plan.perItem, ...plan.inLane }).map(([point, kill]) => [point, { kill }]),
  ),
  ...Object.fromEntries(plan.perJob.map((point) => [point, { kill: 1, times: 1 }])),
};

const say = (line: string): void =>
  void process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
const failures: string[] = [];
const deaths: Death[] = [];
const inSplit: SplitDeath[] = [];
/** Failpoints at which lanes were killed. */
const ofLanes: string[] = [];

const began = Date.now();
const seconds = (): string => `${Math.round((Date.now() - began) / 1000)} s`;
say('starting Postgres, S3, Temporal and the API');
const platform = await startPlatform('kills');
process.once('SIGINT', () => void platform.close().finally(() => process.exit(130)));
process.once('SIGTERM', () => void platform.close().finally(() => process.exit(143)));
try {
  const light = await platform.lightWorker();
  const source = await plan.source(platform, items);
  const expected = await undisturbed(platform, source);
  if (values.random) await atRandom(source, expected);
  else await atFailpoints(source, expected, light);
} catch (error) {
  failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  await platform.close();
}
if (values.random) conclude();
else report();

async function atRandom(source: string, expected: Awaited<ReturnType<typeof undisturbed>>): Promise<void> {
  const { told, faults } = await killAtRandom(platform, {
    worker: plan!.worker,
    source,
    expected,
    kills,
    seed,
    say: (line) => say(`${line} (${seconds()})`),
  });
  failures.push(...faults);
  console.log(told);
}

async function atFailpoints(
  source: string,
  expected: Awaited<ReturnType<typeof undisturbed>>,
  light: TestProcess,
): Promise<void> {
  const missing = (): string[] =>
    everywhere.filter(
      (point) => !ofLanes.includes(point) && ![...deaths, ...inSplit].some((death) => death.point === point),
    );
  const hits = (): number => deaths.filter(hitWork).length + inSplit.filter(({ child }) => child).length;
  const enough = (): boolean => hits() >= kills && ofLanes.length >= kills && missing().length === 0;
  for (let round = 1; !enough(); round++) {
    if (round > 20) throw new Error(`After 20 jobs no worker has died at ${missing().join(', ')}.`);
    await disturbed(platform, source, expected, round);
  }
  await light.stop();
  say(`kills in the steps that end, sweep and remove a job (${seconds()})`);
  const faults = await throughLightDeaths(platform, plan!.worker, source, expected);
  failures.push(...faults.map((fault) => `light: ${fault}`));
  say(`${lightPoints.length} kills there (${seconds()})\n`);
}

async function undisturbed(on: Platform, source: string) {
  const worker = await on[plan!.worker]();
  const started = Date.now();
  const id = await on.submit(source);
  const job = await on.ended(id, 600);
  say(
    `undisturbed: ${items} ${plan!.unit}, ${job.state} in ${Math.round((Date.now() - started) / 1000)} s\n`,
  );
  const expected = { digests: await digestsOf(on, id), rows: await rowsOf(on, id) };
  failures.push(...(await faultsOf(on, id, expected)).map((fault) => `undisturbed: ${fault}`));
  await worker.stop();
  return expected;
}

async function disturbed(
  on: Platform,
  source: string,
  expected: Awaited<ReturnType<typeof undisturbed>>,
  round: number,
): Promise<void> {
  const id = await on.submit(source);
  const before = deaths.length;
  const journal = join(on.stack.home, `journal-${round}`);
  const { job, deaths: died } = await workThroughKills(on, id, {
    seed: seed + round,
    journal,
    points,
    worker: plan!.worker,
    // Chance must not make an innocent item a poisonous one.
    env: { ITEM_ATTEMPTS: '20' },
    seconds: 1800,
    onDeath: (point, count) =>
      say(`job ${round}: ${before + count} kills, the last at ${point} (${seconds()})`),
  });
  deaths.push(...died);
  ofLanes.push(...(await readJournal(journal)).flatMap(({ point }) => (inLane.includes(point) ? point : [])));
  const split = await splitDeaths(on, id, journal, await workersOf(on, id));
  inSplit.push(...split);
  for (const { point, at, from } of split)
    if (at - from > 30)
      failures.push(`job ${round}: after ${point} at ${at} s the split went on from ${from} s`);
  if (job.state !== 'succeeded')
    failures.push(`job ${round} ended as ${job.state}: ${JSON.stringify(job.problem)}`);
  failures.push(...(await faultsOf(on, id, expected)).map((fault) => `job ${round}: ${fault}`));
  for (const { point, redone, inFlight } of died) {
    const needless = redone.filter((ordinal) => !inFlight.includes(ordinal));
    if (needless.length > 0)
      failures.push(
        `job ${round}: after ${point} items ${needless.join(', ')} were redone, which were not in hand`,
      );
  }
}

function report(): void {
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell) => String(cell).padStart(12)).join('');
  console.log(`\n${'failpoint'.padEnd(22)}${row(['kills', 'hit work', 'in flight', 'redone'])}`);
  const line = (name: string, of: readonly Death[]): void =>
    console.log(
      name.padEnd(22) +
        row([
          of.length,
          of.filter(hitWork).length,
          of.reduce((sum, { inFlight }) => sum + inFlight.length, 0),
          of.reduce((sum, { redone }) => sum + redone.length, 0),
        ]),
    );
  for (const point of everywhere)
    line(
      point,
      deaths.filter((death) => death.point === point),
    );
  line('all', deaths);
  console.log(`${ofLanes.length} kills of lanes besides, which nothing is counted for`);
  if (inSplit.length > 0) {
    const children = inSplit.filter(({ child }) => child).length;
    const longest = Math.max(...inSplit.map(({ at, from }) => at - from));
    console.log(
      `${inSplit.length} deaths while the video was split, ${children} of them the decoder's alone; at most ${longest.toFixed(1)} s of it were redone`,
    );
  }
  conclude();
}

function conclude(): void {
  for (const failure of failures) console.log(`FAILED  ${failure}`);
  console.log(
    failures.length === 0
      ? `every job succeeded, each item once, digests equal; ${seconds()}, seed ${seed}`
      : `${failures.length} failures; ${seconds()}, seed ${seed}`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
