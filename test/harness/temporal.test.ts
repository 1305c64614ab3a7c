import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lockHolder } from '@darkroom/servers/lock.mjs';
import { expect, it } from 'vitest';
import { removeForsaken, testHomes } from '../../apps/local/home/forsaken.ts';
import { layoutOf } from '../../apps/local/home/layout.ts';
import { findOrphans } from '../../apps/local/home/orphans.ts';
import { ensureSecrets } from '../../apps/local/home/secrets.ts';

const run = promisify(execFile);
it('a server whose test was killed is ended and removed before the next tests', async () => {
  const script = `
    const { startTemporal } = await import(${JSON.stringify(new URL('./temporal.ts', import.meta.url).href)});
    await startTemporal();
    process.kill(process.pid, 'SIGKILL');
  `;
  await run(process.execPath, ['--input-type=module', '-e', script]).catch(() => {});
  const ids: string[] = [];
  for (const name of existsSync(testHomes()) ? await readdir(testHomes()) : []) {
    const layout = layoutOf(join(testHomes(), name));
    // Not those that another test holds meanwhile.
    if (!name.startsWith('temporal ') || !existsSync(layout.secrets)) continue;
    if ((await lockHolder(layout.data)) === undefined) ids.push((await ensureSecrets(layout.secrets)).stack);
  }
  const orphans = (await Promise.all(ids.map(findOrphans))).flat();
  expect(orphans.map(({ service }) => service)).toContain('temporal');
  await removeForsaken(testHomes());
  expect((await Promise.all(ids.map(findOrphans))).flat()).toEqual([]);
});
