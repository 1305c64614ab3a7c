import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fullDiskMessage, homeFolder, layoutOf, prepareFolders, repository, requireRoom } from './layout.ts';

it('says in one line that the disk is full', async () => {
  await requireRoom(tmpdir(), 1);
  await expect(requireRoom(tmpdir(), 2 ** 60)).rejects.toThrow(/^Only \d+ MB are free .* DARKROOM_HOME .*$/);
  expect(fullDiskMessage('/data', 1024 ** 2 * 3.9, 1024 ** 2 * 500)).toBe(
    'Only 3 MB are free on the disk of /data; at least 500 MB are needed. ' +
      'Free some space, or set DARKROOM_HOME to a folder on a larger disk.',
  );
});

it('takes a relative DARKROOM_HOME from the repository', () => {
  expect(homeFolder({})).toBe(join(repository, '.darkroom'));
  expect(homeFolder({ DARKROOM_HOME: 'elsewhere' })).toBe(join(repository, 'elsewhere'));
  expect(homeFolder({ DARKROOM_HOME: '/var/lib/darkroom' })).toBe('/var/lib/darkroom');
});

it('keeps objects, logs and histories from other users', async () => {
  const home = await mkdtemp(join(tmpdir(), 'darkroom-layout-'));
  try {
    const layout = layoutOf(home, home);
    await prepareFolders(layout);
    for (const folder of [layout.s3, layout.logs, layout.temporal]) {
      expect((await stat(folder)).mode & 0o077).toBe(0);
    }
    expect((await stat(layout.data)).mode & 0o044).toBe(0);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
