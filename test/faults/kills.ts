/**
 * The proof by killing, in its long form: `node test/faults/kills.ts [--photos 200] [--kills 30] [--seed 1]`. A task undisturbed, then the
 * same task under workers that die by SIGKILL in every stage; exit code 1 when anything differs or was done without need.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Death, hitWork, workThroughKills } from './killing.ts';
import { digestsOf, faultsOf, rowsOf } from './ledger.ts';
import { type Platform, startPlatform } from './platform.ts';

const { values } = parseArgs({
  options: {
    photos: { type: 'string', default: '200' },
    kills: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
  },
});
const [photos, kills, seed] = [Number(values.photos), Number(values.kills), Number(values.seed)];

const perItem = [
  'item.claimed',
  'photo.probe',
  'photo.prepare',
  'photo.recognise',
  'photo.annotate',
  'item.before-write',
  'item.before-publish',
  'item.published',
];
const perJob = ['job.before-manifest', 'job.before-finish'];
const everywhere = [...perItem, ...perJob];

/** About one death in forty photos at each point, and one at each point of the job's end. */
const points = {
  ...Object.fromEntries(perItem.map((point) => [point, { kill: 0.025 }])),
  ...Object.fromEntries(perJob.map((point) => [point, { kill: 1, times: 1 }])),
};

const say = (line: string): void =>
  void process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
const failures: string[] = [];
const deaths: Death[] = [];

const began = Date.now();
const seconds = (): string => `${Math.round((Date.now() - began) / 1000)} s`;
say('starting Postgres, S3, Temporal and the API');
const platform = await startPlatform('kills');
process.once('SIGINT', () => void platform.close().finally(() => process.exit(130)));
process.once('SIGTERM', () => void platform.close().finally(() => process.exit(143)));
try {
  await platform.lightWorker();
  const source = await platform.photos(photos);
  const expected = await undisturbed(platform, source);
  const missing = (): string[] =>
    everywhere.filter((point) => !deaths.some((death) => death.point === point));
  for (let round = 1; deaths.filter(hitWork).length < kills || missing().length > 0; round++) {
    if (round > 20) throw new Error(`After 20 jobs no worker has died at ${missing().join(', ')}.`);
    await disturbed(platform, source, expected, round);
  }
} catch (error) {
  failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  await platform.close();
}
report();

async function undisturbed(on: Platform, source: string) {
  const worker = await on.recognitionWorker();
  const started = Date.now();
  const id = await on.submit(source);
  const job = await on.ended(id, 600);
  say(`undisturbed: ${photos} photos, ${job.state} in ${Math.round((Date.now() - started) / 1000)} s\n`);
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
  const { job, deaths: died } = await workThroughKills(on, id, {
    seed: seed + round,
    journal: join(on.stack.home, `journal-${round}`),
    points,
    // Failpoints kill innocent photos in their own processes too; chance must not make one of them a poisonous item.
    env: { ITEM_ATTEMPTS: '20' },
    seconds: 1800,
    onDeath: (point, count) =>
      say(`job ${round}: ${before + count} kills, the last at ${point} (${seconds()})`),
  });
  deaths.push(...died);
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
  for (const failure of failures) console.log(`FAILED  ${failure}`);
  console.log(
    failures.length === 0
      ? `every job succeeded, each item once, digests equal; ${seconds()}, seed ${seed}`
      : `${failures.length} failures; ${seconds()}, seed ${seed}`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
