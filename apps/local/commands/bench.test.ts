import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { repository } from '../home/layout.ts';
import { bench } from './bench.ts';

const run = promisify(execFile);

it('names every benchmark, each of which tells its own options', async () => {
  const files = await readdir(join(repository, 'test', 'bench'));
  const names = files.filter((file) => file.endsWith('.ts')).map((file) => file.replace('.ts', ''));
  const told = [...bench.help.matchAll(/^ {2}([\w-]+)(?: |$)/gm)].map((match) => match[1]);
  expect(told.sort()).toEqual(names.sort());
  const cli = join(repository, 'apps', 'local', 'cli.ts');
  const { stdout } = await run(process.execPath, [cli, 'bench', 'delete', '--help']);
  expect(stdout).toContain('npm run bench -- delete [options]');
});
