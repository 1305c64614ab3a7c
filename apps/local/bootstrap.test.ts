import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { tryLock } from '@darkroom/servers/lock.mjs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { repository } from './home/layout.ts';

/** A clone whose npm and Node are scripts: one notes when two installs are under way, the other tells what it was given. */
let clone: string;

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'darkroom bootstrap '));
  for (const path of ['apps/local/bootstrap.mjs', 'deploy/servers'])
    await cp(join(repository, path), join(clone, path), { recursive: true });
  await writeFile(join(clone, 'package-lock.json'), '{}');
  await script('node', 'echo "told $2: <$DARKROOM_BOOTSTRAP>"');
  await script(
    'npm',
    `[ "$1" = ci ] || exit 0
echo x >> '${clone}/installs'
mkdir '${clone}/busy' || exit 1
sleep 1
mkdir -p '${clone}/node_modules/.bin' && cp '${clone}/bin/node' '${clone}/node_modules/.bin/node'
echo '{}' > '${clone}/node_modules/.package-lock.json'
rmdir '${clone}/busy'`,
  );
});
afterEach(() => rm(clone, { recursive: true, force: true }));

async function script(name: string, text: string): Promise<void> {
  const path = join(clone, 'bin', name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
}

function start(command: string, ...nodeArgs: readonly string[]) {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${join(clone, 'bin')}:/usr/bin:/bin` };
  delete env.DARKROOM_HOME;
  return spawn(process.execPath, [...nodeArgs, join(clone, 'apps', 'local', 'bootstrap.mjs'), command], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** What `npm run <command>` says there. */
async function bootstrap(command: string): Promise<string> {
  const child = start(command);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += bytes));
  const [code] = await once(child, 'close');
  expect({ code, said }).toMatchObject({ code: 0 });
  return said;
}

it('packages are installed once, by one of two commands that are given at the same time', async () => {
  await Promise.all([bootstrap('key'), bootstrap('sweep')]);
  expect(await readFile(join(clone, 'installs'), 'utf8')).toBe('x\n');
  await bootstrap('key');
  expect(await readFile(join(clone, 'installs'), 'utf8')).toBe('x\n');
});

it('who waits for the packages can be interrupted', async () => {
  await using _held = await tryLock(join(clone, '.darkroom', 'install'));
  const child = start('key');
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([130, null]);
});

it('when it began is told to the commands that ask for it alone', async () => {
  expect(await bootstrap('key')).toContain('told key: <>');
  expect(await bootstrap('test')).toContain('told test: <>');
  expect(await bootstrap('start')).toMatch(/told start: <\{"began":/);
});

it.each([
  [
    'Windows',
    `Object.defineProperty(process, 'platform', { value: 'win32' })`,
    /On Windows, clone it into WSL 2/,
  ],
  [
    'a Linux with musl',
    `Object.defineProperty(process, 'platform', { value: 'linux' }); process.report.getReport = () => ({ header: {} })`,
    /This Linux has musl/,
  ],
])('%s is told what to do, before anything is installed', async (_, pretended, says) => {
  const child = start('start', '--import', `data:text/javascript,${encodeURIComponent(pretended)}`);
  let said = '';
  child.stderr.on('data', (bytes) => (said += bytes));
  const [code] = await once(child, 'close');
  expect([code, said.trim()]).toEqual([1, expect.stringMatching(says)]);
  expect(said.trim().split('\n')).toHaveLength(1);
  await expect(readFile(join(clone, 'installs'))).rejects.toThrow('ENOENT');
});
