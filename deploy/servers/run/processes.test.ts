import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { backoffMilliseconds, rotateOpen, SupervisedProcess } from './processes.ts';

it('cuts the log of a process that runs, which goes on writing at its beginning', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom processes '));
  const path = join(folder, 'api.log');
  // As a child has it: appended to.
  const log = openSync(path, 'a');
  try {
    writeSync(log, 'older\n');
    await rotateOpen(path, 100);
    expect((await stat(path)).size).toBe(6);
    await rotateOpen(path, 5);
    writeSync(log, 'newer\n');
    expect(await readFile(path, 'utf8')).toBe('newer\n');
    expect(await readFile(`${path}.1`, 'utf8')).toBe('older\n');
  } finally {
    closeSync(log);
    await rm(folder, { recursive: true, force: true });
  }
});

it('does not start what was told to stop before it had begun', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom processes '));
  const started: number[] = [];
  const one = new SupervisedProcess(
    {
      name: 'sleeper',
      command: process.execPath,
      args: ['-e', 'setInterval(() => {}, 1000)'],
      env: {},
      cwd: folder,
      logFile: join(folder, 'log'),
      probe: async () => {},
      stop: { signal: 'SIGTERM', graceMilliseconds: 10_000 },
    },
    { changed: (_name, pid) => void (pid && started.push(pid)), say() {} },
  );
  try {
    const start = one.start();
    await one.stop();
    await expect(start).rejects.toThrow('aborted');
    expect(started).toEqual([]);
  } finally {
    for (const pid of started) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
});

it('waits longer each time a process keeps dying, up to half a minute', () => {
  expect([1, 2, 3, 20].map(backoffMilliseconds)).toEqual([500, 1000, 2000, 30_000]);
});
