/** Closed loops on systems side by side, and the processor time that each process takes for it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpuSeconds } from '../measure/cpu.ts';
import { say } from '../measure/report.ts';
import { quantile } from '../measure/statistics.ts';
import type { LoadResult, LoadTask } from './load.ts';
import { type ModelName, type System, type SystemName, titles } from './systems.ts';

/** What one system did in one round of one rung. */
export interface Measured {
  readonly model: ModelName;
  readonly clients: number;
  readonly round: number;
  readonly system: SystemName;
  readonly result: LoadResult;
  /** Processor seconds by group of processes. */
  readonly cpu: Readonly<Record<string, number>>;
}

export interface Load {
  readonly pid: number;
  run(task: LoadTask): Promise<LoadResult>;
  stop(): Promise<void>;
}

/** The process that the clients are in. */
export function startLoad(): Load {
  const child = fork(new URL('load.ts', import.meta.url), [], { execArgv: [] });
  const gone = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  return {
    pid: child.pid ?? 0,
    async run(task) {
      child.send(task);
      const [result] = await once(child, 'message');
      return result as LoadResult;
    },
    async stop() {
      child.disconnect();
      await gone;
    },
  };
}

export interface Rungs {
  readonly model: ModelName;
  readonly systems: readonly System[];
  readonly load: Load;
  /** Of the servers that all share, by group. */
  readonly shared: Readonly<Record<string, number>>;
  readonly pictures: readonly string[];
  readonly clients: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
}

/** Answers until code is compiled and caches are full. */
const warmUp = 100;

/**
 * All rungs of one model. Round by round and rung by rung each system has its turn, and who begins moves on with every rung, so that nobody
 * profits from what drifts; what each answers before, to warm up, does not count.
 */
export async function measureRungs(rungs: Rungs): Promise<Measured[]> {
  const { model, systems, clients, rounds } = rungs;
  for (const system of systems)
    for (let answered = 0, turns = 0; answered < warmUp && turns < 10; turns++)
      answered += (await measureOne(rungs, system, 16, 2)).result.answered.length;
  const measured: Measured[] = [];
  let turn = 0;
  for (let round = 1; round <= rounds; round++)
    for (const count of clients) {
      const first = turn++ % systems.length;
      for (const system of [...systems.slice(first), ...systems.slice(0, first)]) {
        const one = await measureOne(rungs, system, count, rungs.seconds);
        measured.push({ model, clients: count, round, system: system.name, ...one });
        const { answered, errors, seconds } = one.result;
        const times = answered.map(({ ms }) => ms);
        say(
          `${model}, ${count} clients, round ${round} of ${rounds}, ${titles[system.name]}: ` +
            `${(answered.length / seconds).toFixed(1)} a second, p50 ${quantile(times, 0.5).toFixed(0)} ms, ` +
            `p99 ${quantile(times, 0.99).toFixed(0)} ms, ${errors.length} errors${errors.length > 0 ? `: ${errors[0]}` : ''}`,
        );
      }
    }
  return measured;
}

async function measureOne(
  { load, shared, pictures }: Rungs,
  { url, headers, pids }: System,
  clients: number,
  seconds: number,
): Promise<Pick<Measured, 'result' | 'cpu'>> {
  const processes: Readonly<Record<string, number>> = { ...shared, ...pids, load: load.pid };
  const before = await cpuSeconds(processes);
  const result = await load.run({ url, headers, pictures, clients, seconds });
  const after = await cpuSeconds(processes);
  const cpu = Object.keys(processes).map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]);
  return { result, cpu: Object.fromEntries(cpu) };
}

/** Share of one core that groups of processes take while nobody asks for anything. */
export async function measureIdle(
  pids: Readonly<Record<string, number>>,
  seconds: number,
): Promise<Readonly<Record<string, number>>> {
  const before = await cpuSeconds(pids);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = await cpuSeconds(pids);
  const shares = Object.keys(pids).map((name) => [
    name,
    ((after[name] ?? 0) - (before[name] ?? 0)) / seconds,
  ]);
  return Object.fromEntries(shares);
}
