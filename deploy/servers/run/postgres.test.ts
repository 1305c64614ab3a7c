import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from './ports.ts';
import { accepts, embeddedPostgres, postgresUrl } from './postgres.ts';
import { SupervisedProcess } from './processes.ts';

let home: string;
let folder: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'darkroom postgres '));
  await chmod(home, 0o755); // as root, the server is another user
  folder = join(home, 'data');
});
afterEach(() => rm(home, { recursive: true, force: true }));

const settings = (port: number) => ({
  folder,
  port,
  password: 'secret',
  logFile: join(home, 'log'),
  env: { PATH: process.env.PATH ?? '' },
});

/** Starts a server over `folder`, asks it something, and stops it; what was said meanwhile. */
async function serveOnce(): Promise<string[]> {
  const said: string[] = [];
  const port = await freePort();
  const spec = await embeddedPostgres({ ...settings(port), say: (line) => void said.push(line) });
  const server = new SupervisedProcess(spec, { changed() {}, say() {} });
  try {
    await server.start();
    await accepts(postgresUrl(port, 'secret'));
  } finally {
    await server.stop();
  }
  return said;
}

it('comes up after a set-up that was killed in the middle', async () => {
  const script = `
    const { embeddedPostgres } = await import(${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)});
    await embeddedPostgres({ ...${JSON.stringify(settings(1))}, say() {} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: 'ignore',
    detached: true,
  });
  const files = async () => (await readdir(home, { recursive: true })).map(String);
  while (!(await files()).some((name) => name.endsWith('PG_VERSION'))) await sleep(5);
  process.kill(-(child.pid ?? 0), 'SIGKILL');
  await once(child, 'exit');
  await serveOnce();
  expect((await readdir(home)).filter((name) => name.startsWith('data'))).toEqual(['data']);
});

it('moves what is no whole database aside, and says where', async () => {
  await mkdir(folder);
  await writeFile(join(folder, 'PG_VERSION'), '18\n');
  const said = await serveOnce();
  expect(said.join()).toContain('.incomplete-');
  expect((await readdir(home)).filter((name) => name.startsWith('data.incomplete-'))).toHaveLength(1);
});
