import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { chooseDatabase, readServerVersion } from './temporal-database.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom database '));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('is a file of the server it is for, and loses nothing where there was none', async () => {
  const chosen = await chooseDatabase(folder, '1.32');
  expect(chosen).toMatchObject({ file: join(folder, 'temporal-1.32.db'), lostRuns: false });
  await writeFile(chosen.file, 'histories');
  expect(await chooseDatabase(folder, '1.32')).toMatchObject({ file: chosen.file, lostRuns: false });
  expect(await readFile(chosen.file, 'utf8')).toBe('histories');
});

it.each(['temporal.db', 'temporal-1.29.db', 'temporal-1.320.db'])(
  'of another server (%s) is moved away with its log, and its runs stay lost until they are confirmed',
  async (other) => {
    await writeFile(join(folder, other), 'old');
    await writeFile(join(folder, `${other}-wal`), 'old log');
    const chosen = await chooseDatabase(folder, '1.32');
    expect(chosen.lostRuns).toBe(true);
    expect((await readdir(chosen.replaced ?? '')).sort()).toEqual([other, `${other}-wal`]);
    // Another start before anybody confirmed it.
    const again = await chooseDatabase(folder, '1.32');
    expect(again.lostRuns).toBe(true);
    expect(again.replaced).toBeUndefined();
    await again.confirmed();
    expect((await chooseDatabase(folder, '1.32')).lostRuns).toBe(false);
  },
);

it('does not bring back runs of before another server was used', async () => {
  await writeFile(join(folder, 'temporal-1.32.db'), 'of long ago');
  await writeFile(join(folder, 'temporal-1.33.db'), 'of today');
  const chosen = await chooseDatabase(folder, '1.32');
  expect(chosen.lostRuns).toBe(true);
  expect(await readdir(folder)).not.toContain('temporal-1.32.db');
});

it('reads the version of the server from what the program says', () => {
  expect(readServerVersion('temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)\n')).toBe('1.32');
  expect(readServerVersion('nonsense')).toBeUndefined();
});
