import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Builds the program `name` of a Go package into `output`.
 * @param {{ go: string, package: string, folder: string, output: string, show: (line: string) => void }} build
 *   `folder` holds the go.mod that pins the module; `show` is told what is compiled
 * @returns {Promise<void>}
 * @throws {Error} with the last lines of the compiler when it fails
 */
export function goBuild(build) {
  // No C compiler is asked for, and no debug information made that the linker drops: a tenth of the time.
  const fast = ['-gcflags=all=-dwarf=false', '-ldflags=-s -w'];
  const args = ['build', '-v', ...fast, '-o', build.output, build.package];
  const child = spawn(build.go, args, {
    cwd: build.folder,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Ctrl-C in a terminal reaches go by itself; the end of this process alone must be passed on. At SIGINT go removes what it has built
  // so far from the folder for temporary files, at SIGTERM it does not.
  const end = () => child.kill('SIGINT');
  process.once('SIGTERM', end);
  process.once('exit', end);
  /** @type {string[]} */
  const lines = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > 20) lines.shift();
    build.show(line.slice(0, 70));
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => {
      process.off('SIGTERM', end);
      process.off('exit', end);
      if (code === 0) return done();
      const tail = lines.filter((line) => !/^[\w./-]+$/.test(line)).join('\n');
      fail(new Error(`go build in ${build.folder} failed (${signal ?? `exit ${code}`})\n${tail}`));
    });
  });
}
