/** The real stack in a folder of its own, with API and workers that a test starts, kills and restarts as it likes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { workerMemory } from '../../apps/local/environment.ts';
import { homeFolder, repository } from '../../apps/local/layout.ts';
import { type RunningStack, startStack } from '../../apps/local/supervisor.ts';
import { createTerminal } from '../../apps/local/terminal.ts';
import { freePort } from './s3.ts';

/** A process of ours that a test holds by its pid. */
export interface TestProcess {
  readonly pid: number;
  /** Lines written so far, stdout and stderr together. */
  readonly lines: readonly string[];
  /** Resolves with the signal or exit code. */
  readonly ended: Promise<NodeJS.Signals | number>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after ten seconds. */
  stop(): Promise<void>;
}

export interface TestStack extends RunningStack {
  readonly home: string;
  /** Environment of the API and the workers, with what `changes` says otherwise. */
  env(changes?: Record<string, string>): Record<string, string>;
  startApi(changes?: Record<string, string>): Promise<TestProcess & { url: string }>;
  startWorker(changes?: Record<string, string>): Promise<TestProcess>;
}

/** Starts Postgres, S3 and Temporal on free ports; `close` of the result stops all and removes the folder. */
export async function startTestStack(
  name: string,
  env: Record<string, string> = {},
): Promise<TestStack & { close(): Promise<void> }> {
  const parent = join(homeFolder(), 'test');
  await mkdir(parent, { recursive: true });
  // A space in the path: what breaks on it breaks here first.
  const home = await mkdtemp(join(parent, `${name} `));
  const processes = new Set<TestProcess>();
  const lines: string[] = [];
  const running = await startStack({
    home,
    ports: 'free',
    parts: 'servers',
    terminal: { ...createTerminal(), say: (line: string) => void lines.push(line) },
    env: { ...process.env, ...env },
  });
  const environment = (changes: Record<string, string> = {}): Record<string, string> => ({
    ...running.environment,
    HEARTBEAT_TIMEOUT_SECONDS: '3',
    SWEEP_INTERVAL_SECONDS: '2',
    LOG_LEVEL: 'info',
    ...env,
    ...changes,
  });
  const launch = (script: string, changes: Record<string, string>): TestProcess => {
    const child = run(script, environment(changes));
    processes.add(child);
    void child.ended.then(() => processes.delete(child));
    return child;
  };
  return {
    ...running,
    home,
    env: environment,
    async startApi(changes = {}) {
      const port = changes.API_PORT ?? String(await freePort());
      const url = `http://127.0.0.1:${port}`;
      const api = launch('apps/api/main.ts', { ...changes, API_PORT: port, PUBLIC_URL: url });
      await until(async () => (await fetch(`${url}/status/health`)).ok, api);
      return { ...api, url };
    },
    async startWorker(changes = {}) {
      const worker = launch('apps/worker/main.ts', {
        ...workerMemory,
        WORKER_METRICS_PORT: String(await freePort()),
        WORKER_SDK_METRICS_PORT: String(await freePort()),
        ...changes,
      });
      await until(async () => worker.lines.some((line) => line.includes('worker is ready')), worker);
      return worker;
    },
    async close() {
      await Promise.all([...processes].map((one) => one.stop()));
      await running.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Runs a script of the repository under this Node. */
export function run(script: string, env: Record<string, string>, args: readonly string[] = []): TestProcess {
  const child: ChildProcess = spawn(process.execPath, [join(repository, script), ...args], {
    cwd: repository,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as NodeJS.Signals | number);
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal);
  // A test run that dies takes its processes along.
  const reap = (): void => kill('SIGKILL');
  process.once('exit', reap);
  void ended.then(() => process.off('exit', reap));
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    kill,
    async stop() {
      kill('SIGTERM');
      kill('SIGCONT');
      const patience = setTimeout(() => kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(patience);
    },
  };
}

/** Waits until `ready` says so; fails with what `process` wrote when it ends before or a minute passes. */
async function until(ready: () => Promise<boolean>, process: TestProcess): Promise<void> {
  let ended: NodeJS.Signals | number | undefined;
  void process.ended.then((how) => {
    ended = how;
  });
  for (let tries = 0; tries < 600; tries++) {
    // One that got ready and ended at once was ready: a failpoint may kill it with its first work.
    if (await ready().catch(() => false)) return;
    if (ended !== undefined) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(
    `The process did not get ready (${ended ?? 'a minute passed'}):\n${process.lines.slice(-30).join('\n')}`,
  );
}
