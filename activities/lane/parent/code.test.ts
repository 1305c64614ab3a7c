import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it, vi } from 'vitest';
import { laneBuild, openLane } from '../index.ts';
import { openKernel } from '../sandbox/kernel.ts';
import { landlockVersion } from '../sandbox/landlock.ts';
import { hostileShape } from '../testing/hostile.ts';
import { compileCode } from './code.ts';

const codeFolder = mkdtempSync(join(tmpdir(), 'darkroom-code-'));
chmodSync(codeFolder, 0o755);
afterAll(() => rmSync(codeFolder, { recursive: true }));

const build = laneBuild({
  name: 'hostile',
  shape: hostileShape,
  main: new URL('../testing/hostile-main.ts', import.meta.url),
  memoryBytes: 400e6,
  stallSeconds: 60,
  codeFolder,
});
const kernel = openKernel();
const isHeld = !('reason' in kernel) && landlockVersion(kernel) > 0;

/** All that lies in the folder, and what is in it. */
function contents(): Record<string, string> {
  const files = readdirSync(codeFolder, { recursive: true, withFileTypes: true }).filter(
    (file) => !file.isDirectory(),
  );
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path, createHash('sha256').update(readFileSync(path)).digest('hex')];
    }),
  );
}

it.runIf(isHeld)(
  'lanes find what was compiled for them, and can neither change it nor add to it',
  async () => {
    const first = await openLane(build, {});
    await first.close();
    await compileCode(build);
    const kept = contents();
    const [file = ''] = Object.keys(kept);
    expect(Object.keys(kept).length).toBeGreaterThan(10);

    const lane = await openLane(build, {});
    const { result } = await lane.ask('look', { params: {} });
    expect(result.stripped).toBe(false);
    const attempts: [string, (number | string)[]][] = [
      ['openat', [AT_FDCWD, file, O_RDWR, 0]],
      ['openat', [AT_FDCWD, `${file}-made`, O_RDWR | O_CREAT, 0o644]],
      ['unlinkat', [AT_FDCWD, file, 0]],
      ['renameat2', [AT_FDCWD, file, AT_FDCWD, `${file}-made`, 0]],
      ['symlinkat', [file, AT_FDCWD, join(codeFolder, 'made')]],
    ];
    for (const [name, args] of attempts) {
      const { result: call } = await lane.ask('call', { params: { name, args } });
      expect([name, call.returned]).toEqual([name, -EACCES]);
    }
    // What it loads only now was not compiled before: it is not kept by the lane.
    await lane.ask('call', { params: { name: 'close', args: [-1], thread: true } });
    await lane.close();
    // The name by which its own user found the code is taken away.
    await expect.poll(contents).toEqual(kept);
  },
);

it('code is compiled anew when a source has changed, not by every process that opens lanes', async () => {
  const main = join(codeFolder, 'main.mjs');
  const own = { ...build, codeFolder: join(codeFolder, 'own'), main: pathToFileURL(main) };
  /** As another process does it, which knows of none before it. */
  const compileAgain = async () => {
    vi.resetModules();
    await (await import('./code.ts')).compileCode(own);
  };
  const code = () =>
    readdirSync(own.codeFolder, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile() && !file.name.endsWith('.compiled'))
      .map(({ parentPath, name }) => join(parentPath, name));
  writeFileSync(main, 'export const first = 1;');
  await compileAgain();
  const [one = ''] = code();
  unlinkSync(one);
  await compileAgain();
  expect(existsSync(one)).toBe(false);
  writeFileSync(main, 'export const another = 22;');
  await compileAgain();
  expect(existsSync(one)).toBe(true);
});

const AT_FDCWD = -100;
const O_RDWR = 2;
const O_CREAT = 0o100;
const EACCES = 13;
