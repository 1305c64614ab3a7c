import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../cli.ts';
import { repository } from '../layout.ts';
import { SetupError } from '../terminal.ts';

const folder = join(repository, 'test', 'bench');

/** `npm run bench -- NAME`: hands over to test/bench/NAME.ts. */
export const bench: Command = {
  help: `npm run bench -- NAME [options]

Runs the benchmark test/bench/NAME.ts, such as: npm run bench -- photo`,
  async run([name, ...args]) {
    const script = join(folder, `${name}.ts`);
    if (!name || !/^[\w-]+$/.test(name) || !existsSync(script)) {
      throw new SetupError(
        `Give the name of a benchmark: ${(await benchmarks()).join(', ') || 'there are none yet'}.`,
      );
    }
    const child = spawn(process.execPath, [script, ...args], { cwd: repository, stdio: 'inherit' });
    // The terminal's Ctrl-C reaches the benchmark too, which ends by itself.
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    return new Promise((done, fail) => {
      child.on('error', fail);
      child.on('exit', (code) => done(code ?? 1));
    });
  },
};

async function benchmarks(): Promise<string[]> {
  const files = existsSync(folder) ? await readdir(folder) : [];
  return files.filter((file) => /^[\w-]+\.ts$/.test(file)).map((file) => file.replace(/\.ts$/, ''));
}
