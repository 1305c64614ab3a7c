import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from '@darkroom/servers/lock.mjs';
import { homeFolder, layoutOf } from './layout.ts';
import { endOrphans } from './orphans.ts';
import { ensureSecrets } from './secrets.ts';

/** The folder in which tests bring up stacks, each in a folder of its own that it removes. */
export const testHomes = (): string => join(homeFolder(), 'test');

/** Where Node keeps what it has compiled: the tests start hundreds of processes over the same sources. */
export const compiledForTests = (): string => join(testHomes(), 'compiled');

/** Where lanes find what was compiled for them, whatever stack they are of. */
export const lanesCodeForTests = (): string => join(testHomes(), 'lanes-compiled');

/**
 * Ends and removes the stacks under `parent` whose keeper died before it could, such as a test that was killed.
 * A stack that somebody keeps is left alone. Returns how many there were.
 */
export async function removeForsaken(parent: string): Promise<number> {
  let removed = 0;
  for (const name of existsSync(parent) ? await readdir(parent) : []) {
    const layout = layoutOf(join(parent, name));
    if (!existsSync(layout.secrets)) continue;
    await using lock = await tryLock(layout.data);
    if (!lock) continue;
    await endOrphans((await ensureSecrets(layout.secrets)).stack);
    await rm(layout.home, { recursive: true, force: true });
    removed += 1;
  }
  return removed;
}
