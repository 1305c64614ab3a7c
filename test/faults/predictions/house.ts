/** Two API processes behind a load balancer and two workers, each of which can be killed, or told to stop, and comes back. */
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import type { TestProcess } from '../../harness/process.ts';
import type { TestStack } from '../../harness/stack.ts';
import { type ChildProcess, childrenOf, until } from '../platform.ts';
import { type Balancer, startBalancer } from './balancer.ts';

/** Longer than the balancer takes to find out: two checks, and one that hangs. */
const drainSeconds = '4';

const gauges = /^darkroom_predictions_(?:waiting|under_way)\{.*\} (\d+)$/gm;

type Api = TestProcess & { url: string };

export interface House {
  readonly key: string;
  readonly balancer: Balancer;
  readonly records: Records;
  readonly worker: Member;
  readonly api: Member;
  /** Kills a lane of a worker; resolves with the milliseconds until another one is there in its place. */
  killLane(nth: number): Promise<number>;
  /** What waits and what is under way in all API processes, by their gauges: 0 once nobody asks any more, or what is left after half a minute. */
  rest(): Promise<number>;
  close(): Promise<void>;
}

/** Those of one sort, by number. */
export interface Member {
  /** Ends one by that signal and starts another in its place; resolves with how it ended, and when the other one serves. */
  replace(nth: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<Replaced>;
}

export interface Replaced {
  readonly told: number;
  readonly how: NodeJS.Signals | number;
  readonly endedMs: number;
  readonly backMs: number;
}

export async function openHouse(stack: TestStack): Promise<House> {
  const { postgres } = stack.stack;
  await migrate(postgres);
  const records = openRecords({ url: postgres, application: 'predictions under fault' });
  const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'operator', priority: 3 });
  const balancer = await startBalancer(key);
  const startApi = (changes: Record<string, string> = {}): Promise<Api> =>
    stack.startApi({ API_DRAIN_SECONDS: drainSeconds, ...changes });
  const startWorker = (): Promise<TestProcess> => stack.startWorker({ DARKROOM_QUEUES: 'interactive' });
  const apis = await Promise.all([startApi(), startApi()]);
  for (const { url } of apis) balancer.add(url);
  const workers = await Promise.all([startWorker(), startWorker()]);
  const allReady = (): Promise<true> =>
    until(async () => balancer.ready.length === apis.length, { what: 'both APIs to be ready' });
  await allReady();

  const lanesOf = async (nth: number): Promise<ChildProcess[]> =>
    (await childrenOf(workers[nth]!.pid)).filter(({ command }) => command.includes('recognition/lane'));

  return {
    key,
    balancer,
    records,
    worker: replacing(workers, startWorker),
    api: replacing(apis, async (before) => {
      const api = await startApi({ API_PORT: new URL(before.url).port });
      await allReady();
      return api;
    }),

    async killLane(nth) {
      const [lane] = await until(
        async () => {
          const lanes = await lanesOf(nth);
          return lanes.length > 0 && lanes;
        },
        { what: 'a lane to kill' },
      );
      const began = performance.now();
      process.kill(lane!.pid, 'SIGKILL');
      await until(async () => (await lanesOf(nth)).some(({ pid }) => pid !== lane!.pid), {
        what: 'another lane',
      });
      return performance.now() - began;
    },

    async rest() {
      const left = async (): Promise<number> => {
        const texts = await Promise.all(apis.map(({ url }) => metricsOf(url, key)));
        return texts.flatMap((text) => [...text.matchAll(gauges)]).reduce((sum, [, n]) => sum + Number(n), 0);
      };
      const atRest = async (): Promise<boolean> => (await left()) === 0;
      await until(atRest, { seconds: 30, what: 'the gauges to be 0' }).catch(() => {});
      return left();
    },

    async close() {
      await balancer.close();
      await records.close();
    },
  };
}

function replacing<P extends TestProcess>(members: P[], start: (before: P) => Promise<P>): Member {
  return {
    async replace(nth, signal) {
      const before = members[nth]!;
      const told = performance.now();
      before.kill(signal);
      const how = await before.ended;
      const endedMs = performance.now() - told;
      members[nth] = await start(before);
      return { told, how, endedMs, backMs: performance.now() - told };
    },
  };
}

async function metricsOf(url: string, key: string): Promise<string> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}` } });
  return answer.text();
}
