/** The systems that predict side by side, each in processes of its own. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { defaultModelPath } from '@darkroom/recognition';
import { pictureMemory } from '@darkroom/recognition/lane/build.ts';
import { defaultClassifierPath } from '@darkroom/recognition/model/default-classifier.ts';
import { freePort } from '@darkroom/servers/run/ports.ts';
import { homeFolder } from '../../../apps/local/home/layout.ts';
import { workerMemory } from '../../../apps/local/stack/environment.ts';
import type { TestStack } from '../../harness/stack.ts';

/** Those there are, in the order of the table. */
export const systemNames = ['main', 'lanes', 'fastapi', 'litserve', 'ours'] as const;
export type SystemName = (typeof systemNames)[number];

/** What each is, in words. */
export const titles: Readonly<Record<SystemName, string>> = {
  main: '(a) bare, main thread',
  lanes: '(a) bare, lanes',
  fastapi: '(b) FastAPI + insert',
  litserve: '(b) LitServe',
  ours: '(c) Darkroom',
};

export const modelNames = ['classifier', 'detector'] as const;
export type ModelName = (typeof modelNames)[number];

const modelsFolder = join(homeFolder(), 'models');
export const modelFiles: Readonly<Record<ModelName, string>> = {
  classifier: defaultClassifierPath(modelsFolder),
  detector: defaultModelPath(modelsFolder),
};

export interface System {
  readonly name: SystemName;
  /** Where a picture is posted to. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the processes that are its alone, by group. */
  readonly pids: Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

/** (a): bare Hono, the model on its main thread or in lanes. */
export async function startBare(name: 'main' | 'lanes', model: string, stack: TestStack): Promise<System> {
  const child = fork(new URL('bare.ts', import.meta.url), [name, model], {
    // What a worker trades of speed for memory is no cost of durability.
    env: { ...stack.env(), ...workerMemory, ...pictureMemory },
    execArgv: [],
    ...inOwnGroup,
  });
  return systemOf(name, child, async () => {
    const [told] = await once(child, 'message');
    return `http://127.0.0.1:${(told as { port: number }).port}`;
  });
}

/** (b): of the two Python services, with `workers` processes. `database`: where FastAPI has its table. */
export async function startPeer(
  name: 'fastapi' | 'litserve',
  python: string,
  model: string,
  { workers, database }: { readonly workers: number; readonly database: string },
): Promise<System> {
  const [port, folder] = [await freePort(), join(import.meta.dirname, 'peers')];
  const child = spawn(python, [`${name}_server.py`, model, String(port), String(workers)], {
    cwd: folder,
    env: { ...process.env, DATABASE_URL: database, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
    ...inOwnGroup,
  });
  const url = `http://127.0.0.1:${port}`;
  return systemOf(name, child, async () => {
    await healthy(`${url}/health`);
    return url;
  });
}

/** (c): API and worker, each a process, on a stack that is up. What one has to wait for the other takes is not refused: the others do not either. */
export async function startOurs(model: ModelName, stack: TestStack, key: string): Promise<System> {
  const chosen = model === 'classifier' ? {} : { MODEL_PATH: modelFiles[model] };
  const [api, worker] = await Promise.all([stack.startApi(chosen), stack.startWorker(chosen)]);
  return {
    name: 'ours',
    url: `${api.url}/predict?deadline=60`,
    headers: { authorization: `Bearer ${key}` },
    pids: { api: api.pid, worker: worker.pid },
    stop: async () => void (await Promise.all([api.stop(), worker.stop()])),
  };
}

/** So that the processes it starts end with it. */
const inOwnGroup = { detached: true } as const;

/** A process of its own; `ready` tells the address, once it serves. */
async function systemOf(
  name: SystemName,
  child: ChildProcess,
  ready: () => Promise<string>,
): Promise<System> {
  const exited = once(child, 'exit');
  const reap = (): void => endGroup(child, 'SIGKILL');
  process.once('exit', reap);
  const ended = exited.then(([code]): never => {
    throw new Error(`${name} ended with ${code}.`);
  });
  const url = await Promise.race([ready(), ended]);
  return {
    name,
    url: `${url}/predict`,
    headers: {},
    pids: { peer: child.pid ?? 0 },
    async stop() {
      endGroup(child, 'SIGTERM');
      const patience = setTimeout(reap, 5000);
      await exited;
      clearTimeout(patience);
      process.off('exit', reap);
    },
  };
}

function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

async function healthy(url: string): Promise<void> {
  for (let tries = 0; tries < 1800; tries++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} did not answer within three minutes.`);
}
