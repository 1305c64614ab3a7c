import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { repository } from '@darkroom/servers/home.mjs';

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
