/** The real stack in a folder of its own, with API and workers that a test starts, kills and restarts as it likes. */
import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';

import { join } from 'node:path';
import { freePort } from '@darkroom/servers/run/ports.ts';
import { compiledForTests, lanesCodeForTests, testHomes } from '../../apps/local/home/forsaken.ts';
import { type Layout, layoutOf, prepareFolders } from '../../apps/local/home/layout.ts';
import { ensureSecrets } from '../../apps/local/home/secrets.ts';
import { writePrivate } from '../../apps/local/home/stackfile.ts';
import { workerMemory } from '../../apps/local/stack/environment.ts';
import { type RunningStack, startStack } from '../../apps/local/stack/supervisor.ts';
import { createTerminal } from '../../apps/local/terminal.ts';
import { passingFolder, putDatabase } from './postgres-files.ts';
import { run, type TestProcess } from './process.ts';

/** Limits for tests and benchmarks, where one key stands for many users, and polls. */
const oneKeyForMany = {
  LIMIT_REQUESTS_PER_SECOND: '100000',
  LIMIT_REQUEST_BURST: '100000',
  LIMIT_OPEN_REQUESTS: '10000',
  LIMIT_WORKING_REQUESTS: '50',
  LIMIT_UPLOADING_REQUESTS: '1000',
  LIMIT_EVENT_STREAMS: '10000',
};
/** The limits as they are shipped: an empty value counts as absent. */
export const shippedLimits: Record<string, string> = Object.fromEntries(
  Object.keys(oneKeyForMany).map((name) => [name, '']),
);

export interface TestStack extends RunningStack {
  readonly home: string;
  /** Environment of the API and the workers, with what `changes` says otherwise. */
  env(changes?: Record<string, string>): Record<string, string>;
  /** `script` runs another one than Darkroom's own, with kinds of the tests. */
  startApi(changes?: Record<string, string>, script?: string): Promise<TestProcess & { url: string }>;
  startWorker(
    changes?: Record<string, string>,
    script?: string,
    args?: readonly string[],
  ): Promise<TestProcess>;
}

/** Starts Postgres, S3 and Temporal on free ports; `close` of the result stops all and removes the folder. */
export async function startTestStack(
  name: string,
  env: Record<string, string> = {},
): Promise<TestStack & { close(): Promise<void> }> {
  const parent = testHomes();
  await mkdir(parent, { recursive: true });
  // A space in the path: what breaks on it breaks here first.
  const home = await mkdtemp(join(parent, `${name} `));
  await shareCode(home);
  const database = await putPostgres(layoutOf(home));
  const processes = new Set<TestProcess>();
  const lines: string[] = [];
  const running = await startStack({
    home,
    ports: 'free',
    parts: 'servers',
    prepare: true,
    terminal: { ...createTerminal(), say: (line: string) => void lines.push(line) },
    env: { ...process.env, ...env },
  });
  const environment = (changes: Record<string, string> = {}): Record<string, string> => ({
    ...running.environment,
    HEARTBEAT_TIMEOUT_SECONDS: '3',
    SWEEP_INTERVAL_SECONDS: '2',
    LOG_LEVEL: 'info',
    NODE_COMPILE_CACHE: compiledForTests(),
    ...oneKeyForMany,
    ...env,
    ...changes,
  });
  const launch = (
    script: string,
    changes: Record<string, string>,
    args: readonly string[] = [],
  ): TestProcess => {
    const child = run(script, environment(changes), args);
    processes.add(child);
    void child.ended.then(() => processes.delete(child));
    return child;
  };
  return {
    ...running,
    home,
    env: environment,
    async startApi(changes = {}, script = 'apps/api/main.ts') {
      const port = changes.API_PORT ?? String(await freePort());
      const url = `http://127.0.0.1:${port}`;
      const api = launch(script, {
        ...workerMemory,
        ...changes,
        API_PORT: port,
        PUBLIC_URL: url,
      });
      await until(async () => (await fetch(`${url}/status/health`)).ok, api);
      return { ...api, url };
    },
    async startWorker(changes = {}, script = 'apps/worker/main.ts', args = []) {
      const env = {
        ...workerMemory,
        WORKER_METRICS_PORT: String(await freePort()),
        WORKER_SDK_METRICS_PORT: String(await freePort()),
        ...changes,
      };
      const worker = launch(script, env, args);
      await until(async () => worker.lines.some((line) => line.includes('worker is ready')), worker);
      return worker;
    },
    async close() {
      await Promise.all([...processes].map((one) => one.stop()));
      await running.stop();
      for (const folder of [home, database]) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Lanes of all stacks have their compiled code in one folder, which those with a user of their own may pass through to. */
async function shareCode(home: string): Promise<void> {
  await chmod(home, 0o711);
  const shared = lanesCodeForTests();
  await mkdir(shared, { recursive: true });
  await symlink(shared, join(home, 'compiled'));
}

/** Gives the stack to be the files of its database, and their password for a secret; the folder that they are in. */
async function putPostgres(layout: Layout): Promise<string> {
  await prepareFolders(layout);
  const folder = await passingFolder();
  await chmod(folder, 0o711);
  const data = join(folder, 'data');
  await mkdir(data);
  await symlink(data, layout.postgres);
  const secrets = await ensureSecrets(layout.secrets);
  const postgresPassword = await putDatabase(layout.postgres);
  await writePrivate(layout.secrets, JSON.stringify({ ...secrets, postgresPassword }));
  return folder;
}

/** Waits until `ready` says so; fails with what `process` wrote when it ends before or three minutes pass. */
async function until(ready: () => Promise<boolean>, process: TestProcess): Promise<void> {
  let ended: NodeJS.Signals | number | undefined;
  void process.ended.then((how) => {
    ended = how;
  });
  for (let tries = 0; tries < 1800; tries++) {
    // One that got ready and ended at once was ready: a failpoint may kill it with its first work.
    if (await ready().catch(() => false)) return;
    if (ended !== undefined) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(
    `The process did not get ready (${ended ?? 'three minutes passed'}):\n${process.lines.slice(-30).join('\n')}`,
  );
}
