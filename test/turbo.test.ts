import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readImports } from './arrows.ts';

/** What of `turbo run test --dry=json` is read here. */
interface DryRun {
  globalCacheInputs: { files: Record<string, string> };
  tasks: {
    taskId: string;
    package: string;
    task: string;
    directory: string;
    inputs: Record<string, string>;
    dependencies: string[];
  }[];
}

const root = fileURLToPath(new URL('..', import.meta.url));
const turbo = join(root, 'node_modules', '.bin', 'turbo');
const dry: DryRun = JSON.parse(
  execFileSync(turbo, ['run', 'test', '--dry=json'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
  }),
);
const tasks = new Map(dry.tasks.map((task) => [task.taskId, task]));
const folders = new Map(dry.tasks.map((task) => [task.package, task.directory]));

/** The files, from the root, whose change changes the hash of a task. */
function hashedBy(id: string, seen = new Set<string>()): Set<string> {
  const files = new Set<string>();
  const task = tasks.get(id);
  if (!task || seen.has(id)) return files;
  seen.add(id);
  for (const file of Object.keys(task.inputs)) files.add(join(task.directory, file));
  for (const dependency of task.dependencies) for (const file of hashedBy(dependency, seen)) files.add(file);
  return files;
}

/** The sources and data that a source names: imports, and literals of relative paths that exist. */
function reaches(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8');
  const imported = readImports(source).map(({ specifier }) => specifier);
  const literals = [...source.matchAll(/['"`](\.\.\/[^'"`$\n]+)/g)].map((match) => match[1] ?? '');
  return [...imported, ...literals].flatMap((specifier) => {
    const found = resolved(file, specifier);
    return found !== undefined && existsSync(join(root, found)) ? [found] : [];
  });
}

/** From the root; undefined for what is no file of this repository. */
function resolved(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    const path = relative(root, resolve(root, dirname(from), specifier));
    return path.startsWith('..') ? undefined : path;
  }
  const own = /^(@darkroom\/[\w-]+)(?:\/(.+))?$/.exec(specifier);
  const folder = own?.[1] && folders.get(own[1]);
  return folder ? join(folder, own[2] ?? 'index.ts') : undefined;
}

/** Every file that the sources of a package reach. What is installed is told by the lock file, which is in every hash. */
function closure(folder: string): Set<string> {
  const seen = new Set<string>();
  const left = filesOf(folder).filter(isSource);
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    if (isSource(file)) left.push(...reaches(file).filter(isOurs).flatMap(filesAt));
  }
  return seen;
}

/** Neither installed nor made by a test from what is ours. */
const isOurs = (path: string) => !/(^|\/)(node_modules|generated)(\/|$)/.test(path);
const isSource = (file: string) => /\.(ts|mjs)$/.test(file);

/** A file, or those of a folder inside a package. The folder of a package, or one above, is where a path starts: it tells nothing. */
function filesAt(path: string): string[] {
  if (statSync(join(root, path)).isFile()) return [path];
  return [...folders.values()].some((folder) => path.startsWith(`${folder}/`)) ? filesOf(path) : [];
}

function filesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => isOurs(file) && !/(^|\/)(dist|\.turbo|\.darkroom)\//.test(file));
}

describe('a test is run again when something changed that it stands on', () => {
  const tested = dry.tasks.filter(({ task, directory }) => task === 'test' && directory !== '');
  it.each(tested)('$taskId', ({ taskId, directory }) => {
    const hashed = hashedBy(taskId);
    const missed = [...closure(directory)].filter(
      (file) => !hashed.has(file) && !(file in dry.globalCacheInputs.files),
    );
    expect(missed).toEqual([]);
  });
});
