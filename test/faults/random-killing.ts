/** Works a job off while workers and their lanes die by SIGKILL at moments that a seed chooses, wherever they are. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@darkroom/contract';
import { random as randomNumbers } from '@darkroom/media/testing/film/pictures.ts';
import type { TestProcess } from '../harness/process.ts';
import { attemptsOf, faultsOf, itemsOf, type Rows } from './ledger.ts';
import { childrenOf, isGone, type Platform, until } from './platform.ts';

interface RandomKilling {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly worker: 'recognitionWorker' | 'videoWorker';
  readonly env: Record<string, string>;
  /** Kills of each sort at most. */
  readonly most: { readonly lanes: number; readonly workers: number };
  /** Seconds until the job must have ended. */
  readonly seconds: number;
  onKill(lanes: number, workers: number): void;
}

interface RandomDeaths {
  readonly job: Job;
  /** Command lines of the lanes that were killed. */
  readonly lanes: readonly string[];
  /** Items in hand at each death of a worker. */
  readonly workers: readonly number[];
  /** What was wrong besides: processes that outlived their worker, workers that ended of a lane. */
  readonly faults: readonly string[];
}

/**
 * Items done between two kills, at most, and milliseconds after the last of them. By the clock alone, a slow machine would have the same items in
 * hand each time: what is in hand at four deaths is taken for their cause, and rightly.
 */
const pause = { items: 12, ms: 400 };
/** Where no item comes to its end: while a video is split, or a job published. */
const longestPauseMs = 6000;
const mostJobs = 20;

export interface RandomKillsPlan {
  readonly worker: RandomKilling['worker'];
  readonly source: string;
  readonly expected: { readonly digests: ReadonlyMap<string, string>; readonly rows: Rows };
  /** Of lanes, and as many of workers. */
  readonly kills: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** Job after job until so many lanes and workers have been killed: what was killed, in words, and what was wrong. */
export async function killAtRandom(
  platform: Platform,
  { worker, source, expected, kills, seed, say }: RandomKillsPlan,
): Promise<{ readonly told: string; readonly faults: readonly string[] }> {
  const random = randomNumbers(seed);
  const TMPDIR = join(platform.stack.home, 'scratch');
  await mkdir(TMPDIR);
  const lanes: string[] = [];
  const workers: number[] = [];
  const faults: string[] = [];
  for (let round = 1; lanes.length < kills || workers.length < kills; round++) {
    if (round > mostJobs) throw new Error(`After ${mostJobs} jobs there were not enough kills.`);
    const id = await platform.submit(source);
    const died = await workThroughRandomKills(platform, id, {
      random,
      worker,
      env: { TMPDIR },
      most: { lanes: kills - lanes.length, workers: kills - workers.length },
      seconds: 1800,
      onKill: (ofLanes, ofWorkers) =>
        say(`job ${round}: ${lanes.length + ofLanes} lanes, ${workers.length + ofWorkers} workers killed`),
    });
    lanes.push(...died.lanes);
    workers.push(...died.workers);
    const { job } = died;
    const wrong = [...died.faults, ...(await faultsOf(platform, id, expected))];
    if (job.state !== 'succeeded' || job.warnings > 0)
      wrong.push(`ended as ${job.state}, ${job.warnings} warnings: ${JSON.stringify(job.problem)}`);
    faults.push(...wrong.map((fault) => `job ${round}: ${fault}`));
  }
  faults.push(...(await readdir(TMPDIR)).map((name) => `${name} is left among temporary files`));
  const decoders = lanes.filter((command) => command.includes('media/process')).length;
  const hit = workers.filter((inHand) => inHand > 0).length;
  const inHand = workers.reduce((sum, count) => sum + count, 0);
  return {
    told:
      `${lanes.length} lanes killed (${decoders} that decoded video) and ${workers.length} workers, ` +
      `${hit} of them with items in hand, ${inHand} in all`,
    faults,
  };
}

/** Kills only while an activity of the job is open. A killed lane is the worker's to replace, a killed worker is replaced here. */
async function workThroughRandomKills(
  platform: Platform,
  jobId: string,
  { random, worker: kind, env, most, seconds, onKill }: RandomKilling,
): Promise<RandomDeaths> {
  const lanes: string[] = [];
  const workers: number[] = [];
  const faults: string[] = [];
  const ending = platform.ended(jobId, seconds);
  // Its failure is met where it is awaited.
  ending.catch(() => {});
  const ended = ending.then(
    () => true,
    () => true,
  );
  let worker: TestProcess | undefined;
  try {
    for (;;) {
      worker ??= await platform[kind](env);
      const over = await Promise.race([
        ended,
        someDone(platform, jobId, Math.floor(random() * pause.items)).then(() =>
          sleep(random() * pause.ms, false),
        ),
        worker.ended.then((how) => {
          throw new Error(`The worker ended by ${how}:\n${worker?.lines.slice(-20).join('\n')}`);
        }),
      ]);
      if (over) return { job: await ending, lanes, workers, faults };
      const left = { lanes: most.lanes - lanes.length, workers: most.workers - workers.length };
      if (left.lanes + left.workers <= 0 || !(await isWorkedOn(platform, jobId))) continue;
      const children = await childrenOf(worker.pid);
      if (random() * (left.lanes + left.workers) < left.lanes) {
        const lane = children[Math.floor(random() * children.length)];
        if (lane === undefined || !killed(lane.pid)) continue;
        lanes.push(lane.command);
        onKill(lanes.length, workers.length);
        continue;
      }
      const dying = worker;
      worker = undefined;
      dying.kill('SIGKILL');
      await dying.ended;
      workers.push((await itemsOf(platform, jobId)).filter(({ state }) => state === 'running').length);
      onKill(lanes.length, workers.length);
      for (const { pid, command } of children)
        await until(() => isGone(pid), { seconds: 5, what: `${command} to end with its worker` }).catch(
          (error: unknown) => faults.push(String(error)),
        );
    }
  } finally {
    await worker?.stop();
  }
}

/** Waits until so many more items are done, or for a while. */
async function someDone(platform: Platform, jobId: string, more: number): Promise<void> {
  const done = async () =>
    (await itemsOf(platform, jobId)).filter(({ state }) => state === 'succeeded').length;
  const from = await done();
  const until = performance.now() + longestPauseMs;
  while ((await done()) <= from + more && performance.now() < until) await sleep(30);
}

const isWorkedOn = async (platform: Platform, jobId: string): Promise<boolean> =>
  (await attemptsOf(platform, jobId)).some(({ outcome }) => outcome === null);

/** Whether there was such a process to kill. */
function killed(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}
