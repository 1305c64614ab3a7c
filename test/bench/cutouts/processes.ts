/** The processes that cut, one each side. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Reach, Turn, Turned } from './side.ts';

export interface Side {
  take(turn: Turn): Promise<Turned>;
  /** Of its process. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** A process of Node with the library. */
export async function startOurs(reach: Reach): Promise<Side> {
  const child = fork(new URL('ours.ts', import.meta.url), [], { execArgv: [] });
  const ended = endOf(child, 'ours');
  child.send(reach);
  await Promise.race([once(child, 'message'), ended]);
  return {
    pid: child.pid ?? 0,
    async take(turn) {
      child.send(turn);
      const [turned] = await Promise.race([once(child, 'message'), ended]);
      return turned as Turned;
    },
    stop: () => stop(child, () => child.disconnect()),
  };
}

/** A process of Python with astropy, s3fs and fitsio. */
export async function startPeer(python: string, reach: Reach): Promise<Side> {
  const child = spawn(python, [join(import.meta.dirname, 'peer.py')], {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = endOf(child, 'the peer');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.write(`${JSON.stringify(reach)}\n`);
  return {
    pid: child.pid ?? 0,
    async take(turn) {
      child.stdin.write(`${JSON.stringify(turn)}\n`);
      const line = await Promise.race([lines.next(), ended]);
      return JSON.parse(line.value as string) as Turned;
    },
    stop: () => stop(child, () => child.stdin.end()),
  };
}

function endOf(child: ChildProcess, name: string): Promise<never> {
  const ended = once(child, 'exit').then(([code]): never => {
    throw new Error(`${name} ended with ${code}.`);
  });
  // It ends at last, when nobody waits any more.
  ended.catch(() => {});
  return ended;
}

async function stop(child: ChildProcess, tell: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  tell();
  const patience = setTimeout(() => child.kill('SIGKILL'), 5000);
  await exited;
  clearTimeout(patience);
}
