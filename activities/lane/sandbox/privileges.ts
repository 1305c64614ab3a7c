/** What the launcher gives up before it becomes the lane. */
import { statSync } from 'node:fs';
import { cString, type Kernel } from './kernel.ts';

/** Above the watched limit by this much the system itself refuses memory, bytes: what V8 sets aside without using it is in it (0.6 GB). */
const HARD_MARGIN_BYTES = 1536 * 2 ** 20;
const OPEN_FILES = 64;
const THREADS = 256;

// asm-generic/resource.h, linux/prctl.h, linux/sched.h, linux/capability.h.
const RLIMIT = { FSIZE: 1, DATA: 2, CORE: 4, NPROC: 6, NOFILE: 7, MSGQUEUE: 12 } as const;
const PR = {
  SET_PDEATHSIG: 1,
  CAPBSET_DROP: 24,
  SET_SECUREBITS: 28,
  SET_NO_NEW_PRIVS: 38,
  CAP_AMBIENT: 47,
} as const;
const CAP_AMBIENT_CLEAR_ALL = 4;
const CAPABILITY_VERSION_3 = 0x20080522;
const CAPABILITIES = 64;
/** No rights by being root, nor by changing from root or to it; locked. */
const SECURE_BITS = 0x2f;
const CLONE_NEWNET = 0x40000000;
const CLONE_NEWIPC = 0x08000000;
const SIGKILL = 9;
const SAME = -1;
const AT_FDCWD = -100;
const READ = 4;
const ENTER = 1;

/** Ids that no system gives to people or services, so many that lanes of one time have different ones. */
const FIRST_USER = 0x70000000;
const USERS = 0x10000;

/** Bounds of the system itself; the process may lower, not raise them. */
export function limitResources(kernel: Kernel, memoryBytes: number): boolean {
  const limits: readonly [number, number][] = [
    [RLIMIT.CORE, 0],
    [RLIMIT.FSIZE, 0],
    [RLIMIT.MSGQUEUE, 0],
    [RLIMIT.NOFILE, OPEN_FILES],
    [RLIMIT.DATA, memoryBytes + HARD_MARGIN_BYTES],
  ];
  return limits.map(([which, most]) => setLimit(kernel, which, most)).every(Boolean);
}

function setLimit(kernel: Kernel, which: number, most: number): boolean {
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(BigInt(most), 0);
  limit.writeBigUInt64LE(BigInt(most), 8);
  return kernel.call('prlimit64', 0, which, limit, 0) === 0;
}

/** A network without devices, not even loopback; for root alone, others get theirs before they start. */
export const leaveNetwork = (kernel: Kernel): boolean =>
  kernel.call('unshare', CLONE_NEWNET | CLONE_NEWIPC) === 0;

/** Ends with its parent, even one that was killed. A change of user takes it back: it comes after that. */
export function dieWithParent(kernel: Kernel, parent: number): void {
  kernel.call('prctl', PR.SET_PDEATHSIG, SIGKILL);
  if (process.ppid !== parent) process.exit(0);
}

/**
 * Why this cannot become a user that nobody else is, if so: it is not root, or some of `paths` would not be readable any more. To be asked
 * before `closeCapabilities`: with its bits the system answers for root, whoever the user is.
 */
export function keepsUser(kernel: Kernel, paths: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'a user of its own (only root gives it one)';
  const user = userOf(process.pid);
  kernel.call('setgroups', 0, 0);
  // Whether a file may be read is asked for the real user.
  kernel.call('setresgid', user, SAME, SAME);
  if (kernel.call('setresuid', user, SAME, SAME) < 0)
    return 'a user of its own (this root may not change its user)';
  const closed = paths.find((path) => kernel.call('faccessat', AT_FDCWD, cString(path), wanted(path)) < 0);
  kernel.call('setresuid', 0, SAME, SAME);
  kernel.call('setresgid', 0, SAME, SAME);
  return closed === undefined ? undefined : `a user of its own (${closed} is not readable to others)`;
}

/** The user that the lane in process `pid` becomes. */
export const userOf = (pid: number): number => FIRST_USER + (pid % USERS);

/** Becomes a user that nobody else is, where nothing keeps it from that. */
export function becomeNobody(kernel: Kernel): void {
  const user = userOf(process.pid);
  const changed =
    kernel.call('setresgid', user, user, user) === 0 && kernel.call('setresuid', user, user, user) === 0;
  if (!changed) throw new Error('The change of user went half way.');
  setLimit(kernel, RLIMIT.NPROC, THREADS);
}

const wanted = (path: string): number => (statSync(path).isDirectory() ? READ | ENTER : READ);

/** Before the change of user, which takes the right to do this along. */
export function closeCapabilities(kernel: Kernel): void {
  kernel.call('prctl', PR.SET_SECUREBITS, SECURE_BITS);
  for (let capability = 0; capability < CAPABILITIES; capability++)
    kernel.call('prctl', PR.CAPBSET_DROP, capability);
}

/** Whether the process has no capability left, nor a way to one. */
export function dropCapabilities(kernel: Kernel): boolean {
  kernel.call('prctl', PR.CAP_AMBIENT, CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION_3, 0);
  const none = Buffer.alloc(24);
  const dropped = kernel.call('capset', header, none) === 0;
  return kernel.call('prctl', PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0) === 0 && dropped;
}
