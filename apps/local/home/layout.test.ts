import { chmod, chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { homeFolder, layoutOf, prepareFolders, repository } from './layout.ts';

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

it('leaves the mode of a folder that others use too', async () => {
  const home = await mkdtemp(join(tmpdir(), 'darkroom-layout-'));
  try {
    await chmod(home, 0o1777);
    await prepareFolders(layoutOf(home, home));
    expect((await stat(home)).mode & 0o7777).toBe(0o1777);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

it('does not work in what somebody else has made there', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can give a folder away');
  const home = await mkdtemp(join(tmpdir(), 'darkroom-layout-'));
  try {
    await mkdir(join(home, 'data'));
    await chown(join(home, 'data'), 65_534, 65_534);
    await expect(prepareFolders(layoutOf(home, home))).rejects.toThrow('belongs to another user');
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
