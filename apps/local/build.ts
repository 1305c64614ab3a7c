import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { requireRoom } from './layout.ts';
import { lock } from './lock.ts';
import { SetupError, type Terminal } from './terminal.ts';

export interface ModuleBuild {
  readonly tool: string;
  readonly package: string;
  /** The folder of the go.mod that pins the module. */
  readonly folder: string;
  /** Where the program goes. */
  readonly target: string;
  /** The go program. */
  readonly go: string;
}

const buildBytes = 2 * 1024 * 1024 * 1024;

/**
 * Builds a Go program once: under a temporary name, then renamed, one build of a target at a time on this machine.
 * @throws SetupError with the last lines of the compiler when it fails.
 */
export async function buildModule(build: ModuleBuild, terminal: Terminal): Promise<void> {
  const folder = dirname(build.target);
  await mkdir(folder, { recursive: true });
  await using _held = await lock(build.target, (holder) =>
    terminal.say(
      `${build.tool} is being built by another process${holder ? ` (pid ${holder})` : ''}; waiting for it.`,
    ),
  );
  if (existsSync(build.target)) return;
  await requireRoom(folder, buildBytes);
  const temporary = `${build.target}.building-${process.pid}`;
  const progress = terminal.progress(`Building ${build.tool} with Go, once (a minute or three):`);
  const started = Date.now();
  try {
    await compile(build, temporary, (line) => progress.update(line));
    await rename(temporary, build.target);
    progress.done(`Built ${build.tool} in ${Math.round((Date.now() - started) / 1000)} s.`);
  } catch (error) {
    progress.done();
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

function compile(build: ModuleBuild, output: string, show: (line: string) => void): Promise<void> {
  const args = ['build', '-v', '-ldflags', '-s -w', '-o', output, build.package];
  const child = spawn(build.go, args, { cwd: build.folder, stdio: ['ignore', 'ignore', 'pipe'] });
  // Ctrl-C in a terminal reaches go by itself; a SIGTERM to this process alone must be passed on.
  const end = () => child.kill('SIGTERM');
  process.once('SIGTERM', end);
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > 20) lines.shift();
    show(line.slice(0, 70));
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => {
      process.off('SIGTERM', end);
      if (code === 0) return done();
      const tail = lines.filter((line) => !/^[\w./-]+$/.test(line)).join('\n');
      fail(
        new SetupError(
          `${tail}\nBuilding ${build.tool} failed (${signal ?? `exit ${code}`}): go build in ${build.folder}.`,
        ),
      );
    });
  });
}
