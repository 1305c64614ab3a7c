import { execFile } from 'node:child_process';
import { mkdir, open, readFile, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The holder touches its file this often, so that another machine on the same disk sees that it lives. */
const touchMilliseconds = 5_000;
/** A file of another machine that was not touched for this long belongs to nobody. */
const silentMilliseconds = 60_000;
/** Between making a file and writing the holder into it lies a moment; a file that stays empty longer is of a process that died in it. */
const writingMilliseconds = 5_000;

/**
 * A lock that ends with its holder, however that dies.
 * @typedef {AsyncDisposable & { release(): Promise<void> }} Lock
 */

/**
 * Who holds a lock. `started` tells a process from a later one with the same pid.
 * @typedef {{ readonly pid: number, readonly started: string, readonly host: string }} Holder
 */

/**
 * Takes the lock on `path` if nobody holds it: makes the file `path`.lock, which names this process, and its folder. A file whose
 * process is gone is nobody's and is taken over; no kernel frees it, but this works on every system and file system.
 * @param {string} path
 * @returns {Promise<Lock | undefined>}
 */
export async function tryLock(path) {
  const file = `${path}.lock`;
  await mkdir(dirname(file), { recursive: true });
  const me = { pid: process.pid, started: await startOf(process.pid), host: hostname() };
  for (;;) {
    if (await make(file, JSON.stringify(me))) return hold(file, me);
    const found = await inspect(file);
    if (found === 'held') return undefined;
    if (found === 'stale') await removeStale(file);
  }
}

/**
 * Waits until the lock on `path` is had; `waiting` is called once if another process holds it.
 * @param {string} path
 * @param {(holder: number | undefined) => void} waiting
 * @returns {Promise<Lock>}
 */
export async function lock(path, waiting) {
  for (let told = false; ; told = true) {
    const held = await tryLock(path);
    if (held) return held;
    if (!told) waiting(await lockHolder(path));
    await sleep(300);
  }
}

/**
 * The pid that holds the lock on `path`, if one does.
 * @param {string} path
 * @returns {Promise<number | undefined>}
 */
export async function lockHolder(path) {
  const file = `${path}.lock`;
  return (await inspect(file)) === 'held' ? readHolder(await readText(file))?.pid : undefined;
}

/**
 * @param {string} file
 * @param {Holder} me
 * @returns {Lock}
 */
function hold(file, me) {
  const touch = () => {
    const now = new Date();
    utimes(file, now, now).catch(() => {});
  };
  const timer = setInterval(touch, touchMilliseconds);
  timer.unref();
  let released = false;
  const release = async () => {
    if (released) return;
    released = true;
    clearInterval(timer);
    const holder = readHolder(await readText(file));
    if (holder?.pid === me.pid && holder.host === me.host) await rm(file, { force: true });
  };
  return { release, [Symbol.asyncDispose]: release };
}

/**
 * Makes the file with its content; false when it is there already.
 * @param {string} file
 * @param {string} text
 */
async function make(file, text) {
  const handle = await open(file, 'wx', 0o644).catch((/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (!handle) return false;
  try {
    await handle.writeFile(text);
  } catch (error) {
    // A full disk: an empty file would look like a holder that is about to write.
    await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return true;
}

/**
 * @param {string} file
 * @returns {Promise<'held' | 'stale' | 'gone'>}
 */
async function inspect(file) {
  const found = await stat(file).catch(() => undefined);
  if (!found) return 'gone';
  const silent = Date.now() - found.mtimeMs;
  const holder = readHolder(await readText(file));
  if (!holder) return silent > writingMilliseconds ? 'stale' : 'held';
  if (holder.host !== hostname()) return silent > silentMilliseconds ? 'stale' : 'held';
  return isAlive(holder.pid) && (await startOf(holder.pid)) === holder.started ? 'held' : 'stale';
}

/**
 * Removes a file that is nobody's. Of several that found it so one acts, under a folder made for it, and looks again: otherwise the slower
 * one would remove the file that the faster one had made meanwhile.
 * @param {string} file
 */
async function removeStale(file) {
  const guard = `${file}.removing`;
  const mine = await mkdir(guard).then(
    () => true,
    (/** @type {NodeJS.ErrnoException} */ error) => {
      // Anything else (a full disk, a folder that may not be written) does not pass by waiting.
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
  if (mine) {
    try {
      if ((await inspect(file)) === 'stale') await rm(file, { force: true });
    } finally {
      await rmdir(guard).catch(() => {});
    }
    return;
  }
  const made = await stat(guard).catch(() => undefined);
  // Its maker died within those few lines.
  if (made && Date.now() - made.mtimeMs > silentMilliseconds) await rmdir(guard).catch(() => {});
  await sleep(50);
}

/** @param {string} file */
const readText = (file) => readFile(file, 'utf8').catch(() => '');

/**
 * @param {string} text
 * @returns {Holder | undefined}
 */
function readHolder(text) {
  try {
    const { pid, started, host } = JSON.parse(text);
    return Number.isInteger(pid) ? { pid, started: String(started), host: String(host) } : undefined;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, and another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * When a process of this machine started, in words that no other process with its pid shares; '' where it is gone or nobody tells.
 * @param {number} pid
 */
async function startOf(pid) {
  if (process.platform === 'linux') {
    const [line, boot] = await Promise.all([
      readText(`/proc/${pid}/stat`),
      readText('/proc/sys/kernel/random/boot_id'),
    ]);
    // Behind the program's name, which may hold spaces and brackets: field 22, clock ticks since the boot (proc_pid_stat(5)).
    const ticks = line
      .slice(line.lastIndexOf(')') + 2)
      .split(' ')
      .at(19);
    return ticks === undefined ? '' : `${boot.trim()} ${ticks}`;
  }
  if (process.platform === 'win32') return '';
  const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim();
}
