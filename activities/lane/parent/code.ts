/**
 * Compiled code of what lanes load (Node's compile cache): most of a lane's start is the reading, stripping and compiling of its sources. It is
 * written by a process of its own that loads a child's module and ends, having been given nothing; lanes themselves read it and cannot write.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { userOf } from '../sandbox/privileges.ts';
import type { LaneBuild, LaneShape } from '../shape.ts';
import { Child } from './child.ts';

type Coded = Pick<LaneBuild<LaneShape>, 'codeFolder'>;

/** By folder and module. */
const compiled = new Map<string, Promise<void>>();

/**
 * Brings the code of a build up to date, once in this process and once for its sources, beside what it does; does nothing where the build keeps
 * none. Never fails: without it, lanes open more slowly.
 */
export function compileCode(build: LaneBuild<LaneShape>): Promise<void> {
  const { codeFolder, main } = build;
  if (codeFolder === undefined) return Promise.resolve();
  const key = `${codeFolder}\n${main}`;
  const known = compiled.get(key) ?? compile(build, codeFolder).catch(() => {});
  compiled.set(key, known);
  return known;
}

async function compile(build: LaneBuild<LaneShape>, codeFolder: string): Promise<void> {
  const compileOnly = join(codeFolder, `${await digestOfSources(build.main)}.compiled`);
  const isThere = await access(compileOnly).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await mkdir(codeFolder, { recursive: true });
  const child = await Child.start(build, { compileOnly });
  const kill = () => child.kill();
  process.once('exit', kill);
  child.hold(false);
  setPriority(child.pid, constants.priority.PRIORITY_LOW);
  // It ends when it is told no more.
  child.tasks.destroy();
  await child.gone;
  process.off('exit', kill);
}

const root = new URL('../../../', import.meta.url);
/** Where a lane's code may lie. */
const folders = ['activities', 'workflows/contract'];

/** Of what a module is compiled from: when each source was written and how long it is, the packages, and the Node that finds it under this user. */
async function digestOfSources(main: URL): Promise<string> {
  const lists = folders.map(async (folder) => {
    const names = await readdir(new URL(folder, root), { recursive: true });
    return names
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => join(fileURLToPath(root), folder, name));
  });
  const sources = (await Promise.all(lists)).flat().sort();
  const files = [fileURLToPath(main), fileURLToPath(new URL('package-lock.json', root)), ...sources];
  const states = await Promise.all(files.map((file) => stat(file)));
  const hash = createHash('sha256').update(`${process.version} ${process.arch} ${process.getuid?.()}`);
  for (const [at, { mtimeMs, size }] of states.entries()) hash.update(`\n${files[at]} ${mtimeMs} ${size}`);
  return hash.digest('hex').slice(0, 16);
}

/** Takes away the name by which a lane that had a user of its own found the code, when the lane is no more. */
export async function forgetUser({ codeFolder }: Coded, pid: number): Promise<void> {
  if (codeFolder === undefined) return;
  const names = await readdir(codeFolder).catch((): string[] => []);
  for (const name of names)
    if (name.endsWith(`-${userOf(pid)}`)) await unlink(join(codeFolder, name)).catch(() => {});
}
