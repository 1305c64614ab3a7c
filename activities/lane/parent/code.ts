/**
 * Compiled code of what lanes load (Node's compile cache): most of a lane's start is the reading, stripping and compiling of its sources. It is
 * written by a process of its own that loads a child's module and ends, having been given nothing; lanes themselves read it and cannot write.
 */
import { readdir, unlink } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { userOf } from '../sandbox/privileges.ts';
import type { LaneBuild, LaneShape } from '../shape.ts';
import { Child } from './child.ts';

type Coded = Pick<LaneBuild<LaneShape>, 'codeFolder'>;

/** By folder and module. */
const compiled = new Map<string, Promise<void>>();

/** Brings the code of a build up to date, once in this process, beside what it does; does nothing where the build keeps none. Never fails: without it, lanes open more slowly. */
export function compileCode(build: LaneBuild<LaneShape>): Promise<void> {
  if (build.codeFolder === undefined) return Promise.resolve();
  const key = `${build.codeFolder}\n${build.main}`;
  const known = compiled.get(key) ?? compile(build).catch(() => {});
  compiled.set(key, known);
  return known;
}

async function compile(build: LaneBuild<LaneShape>): Promise<void> {
  const child = await Child.start(build, { compileOnly: true });
  const kill = () => child.kill();
  process.once('exit', kill);
  child.hold(false);
  setPriority(child.pid, constants.priority.PRIORITY_LOW);
  // It ends when it is told no more.
  child.tasks.destroy();
  await child.gone;
  process.off('exit', kill);
}

/** Takes away the name by which a lane that had a user of its own found the code, when the lane is no more. */
export async function forgetUser({ codeFolder }: Coded, pid: number): Promise<void> {
  if (codeFolder === undefined) return;
  const names = await readdir(codeFolder).catch((): string[] => []);
  for (const name of names)
    if (name.endsWith(`-${userOf(pid)}`)) await unlink(join(codeFolder, name)).catch(() => {});
}
