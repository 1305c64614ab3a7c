import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lock, lockHolder, tryLock } from './lock.mjs';

let folder: string;
let what: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom lock '));
  what = join(folder, 'data');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const module = JSON.stringify(new URL('./lock.mjs', import.meta.url).href);

/** A process that runs `script` with `tryLock` and `lock` at hand. */
const processOf = (script: string) =>
  spawn(
    process.execPath,
    ['--input-type=module', '-e', `const { lock, tryLock } = await import(${module});${script}`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );

it('is had by one at a time, and tells by whom', async () => {
  const first = await tryLock(what);
  expect(first).toBeDefined();
  expect(await tryLock(what)).toBeUndefined();
  expect(await lockHolder(what)).toBe(process.pid);
  let told: number | undefined;
  const second = lock(what, (holder) => {
    told = holder;
    void first?.release();
  });
  await (await second).release();
  expect(told).toBe(process.pid);
  expect(await lockHolder(what)).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
});

it('is had where there is no folder yet', async () => {
  const held = await tryLock(join(folder, 'not', 'there', 'yet'));
  expect(held).toBeDefined();
  await held?.release();
});

it('ends with a holder that is killed', async () => {
  const child = processOf(
    `await tryLock(${JSON.stringify(what)}); console.log('held'); setInterval(() => {}, 1000);`,
  );
  await once(child.stdout, 'data');
  expect(await tryLock(what)).toBeUndefined();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const freed = await tryLock(what);
  expect(freed).toBeDefined();
  await freed?.release();
});

it('is not taken for held because another process has the pid of a dead holder now', async () => {
  const holder = { pid: process.pid, started: 'before this process', host: hostname() };
  await writeFile(`${what}.lock`, JSON.stringify(holder));
  expect(await lockHolder(what)).toBeUndefined();
  const taken = await tryLock(what);
  expect(taken).toBeDefined();
  await taken?.release();
});

it('of another machine on the same disk holds while that touches it', async () => {
  await writeFile(`${what}.lock`, JSON.stringify({ pid: 1, started: '', host: 'another.example' }));
  expect(await tryLock(what)).toBeUndefined();
  const longAgo = new Date(Date.now() - 3_600_000);
  await utimes(`${what}.lock`, longAgo, longAgo);
  expect(await tryLock(what)).toBeDefined();
});

it('that cannot be taken over is an error, not a wait without end', async () => {
  // The name of the lock file is as long as a name may be; that of what guards its removal is too long.
  const long = join(folder, 'x'.repeat(245));
  await writeFile(`${long}.lock`, JSON.stringify({ pid: 2 ** 22 + 1, started: '', host: hostname() }));
  await expect(tryLock(long)).rejects.toThrow('ENAMETOOLONG');
});

it('that was left behind is taken over by one of many', async () => {
  await writeFile(`${what}.lock`, JSON.stringify({ pid: 2 ** 22 + 1, started: '', host: hostname() }));
  const script = `
    const held = await tryLock(${JSON.stringify(what)});
    console.log(held ? 'held' : 'refused');
    process.stdin.resume();
    setInterval(() => {}, 1000);`;
  const children = Array.from({ length: 6 }, () => processOf(script));
  try {
    const said = await Promise.all(
      children.map(async (child) => String((await once(child.stdout, 'data'))[0]).trim()),
    );
    expect(said.filter((word) => word === 'held')).toHaveLength(1);
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
});
