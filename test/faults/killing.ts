/** Works a job off with workers that failpoints kill, and measures what each death cost. */
import type { Job } from '@darkroom/contract';
import type { TestProcess } from '../harness/process.ts';
import { attemptsOf, itemsOf } from './ledger.ts';
import { failpoints, type Platform, readJournal } from './platform.ts';

/** A worker's death by SIGKILL. */
export interface Death {
  /** The failpoint that killed it. */
  readonly point: string;
  /** Items in hand when it died, by ordinal. */
  readonly inFlight: readonly number[];
  /** Items that were in hand or done at the death, and were begun again before the next one. */
  readonly redone: readonly number[];
  /** Activities that the death cut off, and that a later attempt took up. */
  readonly takenUp: number;
}

interface Moment {
  readonly point: string;
  readonly items: Awaited<ReturnType<typeof itemsOf>>;
  readonly open: readonly { activity: string; attempt: number }[];
}

/** Whether running work was hit: the ledger shows a further attempt at an item or an activity. */
export const hitWork = (death: Death): boolean => death.redone.length + death.takenUp > 0;

export interface Killing {
  readonly seed: number;
  /** File of the failpoints' journal. */
  readonly journal: string;
  readonly points: Parameters<typeof failpoints>[0]['points'];
  /** What works: photos unless told otherwise. */
  readonly worker?: 'recognitionWorker' | 'videoWorker';
  readonly env?: Record<string, string>;
  /** Seconds until the job must have ended. */
  readonly seconds: number;
  onDeath?(point: string, count: number): void;
}

/** Starts a worker after each death until the job has ended. Fails when a worker ends in another way. */
export async function workThroughKills(
  platform: Platform,
  jobId: string,
  killing: Killing,
): Promise<{ job: Job; deaths: Death[] }> {
  const { seed, journal, points, worker: kind = 'recognitionWorker' } = killing;
  const moments: Moment[] = [];
  const ending = platform.ended(jobId, killing.seconds).then((job) => ({ job }));
  // Its failure is met where it is awaited.
  ending.catch(() => {});
  for (;;) {
    const worker = await platform[kind]({
      ...killing.env,
      ...failpoints({ seed, journal, points }),
    });
    const first = await Promise.race([ending, worker.ended]).finally(() => worker.stop());
    if (typeof first === 'object') {
      // A death after the row's end may be seen later than that.
      const last = (await readJournal(journal)).findLast(({ pid }) => pid === worker.pid);
      if (last !== undefined && diedWith(last.action, await worker.ended))
        moments.push(await momentOf(platform, jobId, last.point));
      return { job: first.job, deaths: await deathsOf(platform, jobId, moments) };
    }
    if (first !== 'SIGKILL')
      throw new Error(`The worker ended by ${first}:\n${worker.lines.slice(-20).join('\n')}`);
    const acts = await readJournal(journal);
    const point = acts.findLast(({ pid }) => pid === worker.pid)?.point;
    if (point === undefined) throw new Error('A worker was killed, but by none of its failpoints.');
    moments.push(await momentOf(platform, jobId, point));
    killing.onDeath?.(point, moments.length);
  }
}

const diedWith = (action: string, end: NodeJS.Signals | number): boolean =>
  action === 'kill' && end === 'SIGKILL';

async function momentOf(platform: Platform, jobId: string, point: string): Promise<Moment> {
  const attempts = await attemptsOf(platform, jobId);
  const open = attempts.filter(({ outcome }) => outcome === null);
  return { point, items: await itemsOf(platform, jobId), open };
}

async function deathsOf(platform: Platform, jobId: string, moments: readonly Moment[]): Promise<Death[]> {
  const last = { point: '', items: await itemsOf(platform, jobId), open: [] };
  const attempts = await attemptsOf(platform, jobId);
  return moments.map((moment, n) => {
    const next = moments[n + 1] ?? last;
    return {
      point: moment.point,
      inFlight: moment.items.filter(({ state }) => state === 'running').map(({ ordinal }) => ordinal),
      redone: moment.items
        .filter((item, i) => item.state !== 'pending' && next.items[i]!.attempt > item.attempt)
        .map(({ ordinal }) => ordinal),
      takenUp: moment.open.filter(({ activity, attempt }) =>
        attempts.some((later) => later.activity === activity && later.attempt > attempt),
      ).length,
    };
  });
}

/** A worker, for photos unless told otherwise, that is started again whenever it dies, until `stop`. */
export function keepWorking(
  platform: Platform,
  env: Record<string, string>,
  kind: 'recognitionWorker' | 'lightWorker' = 'recognitionWorker',
): { stop(): Promise<void> } {
  let stopping = false;
  let worker: TestProcess | undefined;
  const working = (async () => {
    while (!stopping) {
      worker = await platform[kind](env);
      if (stopping) await worker.stop();
      else await worker.ended;
    }
  })();
  // Its failure is met in `stop`.
  working.catch(() => {});
  return {
    async stop() {
      stopping = true;
      await worker?.stop();
      await working;
    },
  };
}
