/** The bare process, held by the benchmark. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { workerMemory } from '../../../apps/local/stack/environment.ts';
import type { BareReply, BareTask } from './bare.ts';

export interface BareProcess {
  readonly pid: number;
  /** Milliseconds from handing the work over to hearing that it is done. */
  run(task: BareTask): Promise<{ wallMs: number; photos: number; detections: number }>;
  stop(): Promise<void>;
}

/** Starts it; ready means that its model is loaded and warm, as a worker's is. */
export async function startBare(env: Readonly<Record<string, string>>): Promise<BareProcess> {
  const child = fork(new URL('bare.ts', import.meta.url), [], {
    // What a worker trades of speed for memory is no cost of durability.
    env: { ...workerMemory, ...env },
    execArgv: [],
  });
  const gone = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  await answer(child);
  return {
    pid: child.pid ?? 0,
    async run(task) {
      const began = performance.now();
      child.send(task);
      const reply = await answer(child);
      const wallMs = performance.now() - began;
      if (reply.type !== 'done') throw new Error(`The bare process failed: ${JSON.stringify(reply)}`);
      return { wallMs, photos: reply.photos, detections: reply.detections };
    },
    async stop() {
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

function answer(child: ChildProcess): Promise<BareReply> {
  return new Promise((resolve, reject) => {
    const onMessage = (reply: BareReply): void => {
      child.off('exit', onExit);
      resolve(reply);
    };
    const onExit = (code: number | null): void => {
      child.off('message', onMessage);
      reject(new Error(`The bare process ended with ${code}.`));
    };
    child.once('message', onMessage);
    child.once('exit', onExit);
  });
}
