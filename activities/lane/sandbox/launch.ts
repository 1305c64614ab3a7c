/**
 * Starts a lane's child: gives up all that it need not have, then becomes it. What is given up binds this thread and the program that it
 * becomes, so that all threads of that one are held. Nothing of anybody's has been read by then. Started by `parent/child.ts`.
 */
import { chmodSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { getPriority, setPriority } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SandboxReport } from '@darkroom/contract/sandbox.ts';
import { TALK, TASKS } from '../wire.ts';
import { type Kernel, openKernel } from './kernel.ts';
import { restrictFiles } from './landlock.ts';
import { loaderOf } from './loader.ts';
import { type LaunchPlan, readablePaths, real } from './plan.ts';
import {
  becomeNobody,
  closeCapabilities,
  dieWithParent,
  dropCapabilities,
  keepsUser,
  leaveNetwork,
  limitResources,
  userOf,
} from './privileges.ts';
import { filterCalls } from './seccomp.ts';

const F_SETFD = 2;
const plan: LaunchPlan = JSON.parse(process.argv[2] ?? '');
const { execve } = process;
const kernel = execve === undefined ? { reason: 'Node 22.15 or later is needed' } : openKernel();
const enter = new URL('enter.ts', import.meta.url);
if (plan.nice > 0) makeWay(plan.nice);
if (plan.compileOnly !== undefined) {
  await become(nothing('nothing is asked of it'));
  keepCode(plan.compileOnly);
  process.exit(0);
} else if (execve === undefined || 'reason' in kernel)
  await become(nothing('reason' in kernel ? kernel.reason : ''));
else {
  const report = giveUp(kernel);
  // Node closes what it was given when it becomes another program.
  for (const pipe of [TASKS, TALK]) kernel.call('fcntl', pipe, F_SETFD, 0);
  // All but the one call that is still to come, so that the next program never has what it would be refused later.
  if (report.seccomp) filterCalls(kernel, ['execve']);
  const args = [
    process.execPath,
    ...process.execArgv,
    fileURLToPath(enter),
    plan.main,
    JSON.stringify(report),
  ];
  execve(process.execPath, args, process.env);
}

/** Others go first. It is said here, as a priority is a thread's, and those that the child begins have that of the thread which becomes it. */
function makeWay(wanted: number): void {
  // Who has started it may make way further already, and nobody may come back from that without privileges.
  const nice = Math.max(wanted, getPriority());
  setPriority(nice);
  try {
    // Linux may share the processors among sessions before it does among their processes; a lane is a session.
    writeFileSync('/proc/self/autogroup', String(nice));
  } catch {
    // It does not, or this is no Linux.
  }
}

/** Becomes the child without being another program. */
async function become(report: SandboxReport): Promise<void> {
  process.argv.splice(2, Number.POSITIVE_INFINITY, plan.main, JSON.stringify(report));
  await import(enter.href);
}

function giveUp(kernel: Kernel): SandboxReport {
  const limits = limitResources(kernel, plan.memoryBytes);
  if (!plan.sandbox) {
    dieWithParent(kernel, plan.parent);
    return { ...nothing('SANDBOX=off'), limits };
  }
  const paths = readablePaths(plan);
  const network = plan.network || leaveNetwork(kernel);
  const sameUser = keepsUser(kernel, paths);
  const code = codeFolder(sameUser === undefined);
  closeCapabilities(kernel);
  if (sameUser === undefined) becomeNobody(kernel);
  const capabilities = dropCapabilities(kernel);
  dieWithParent(kernel, plan.parent);
  const execute = [process.execPath, ...real(loaderOf(process.execPath) ?? '')];
  const landlock = restrictFiles(kernel, { read: [...paths, ...code, ...real('/proc/self')], execute });
  return {
    landlock,
    seccomp: true,
    capabilities,
    user: sameUser === undefined,
    network,
    limits,
    missing: [
      ...(landlock === 0 ? ['Landlock (Linux 5.13 and later, where it is switched on)'] : []),
      ...(landlock > 0 && landlock < 6
        ? [`all of Landlock (version ${landlock}; 6 or later holds signals too)`]
        : []),
      ...(capabilities ? [] : ['the end of all capabilities']),
      ...(sameUser === undefined ? [] : [sameUser]),
      ...(network ? [] : ['a network namespace']),
      ...(limits ? [] : ['limits of the system']),
    ],
  };
}

/** Writes what was compiled, readable to lanes with a user of their own as well, and then the file that tells of it. */
function keepCode(mark: string): void {
  const kept = module.getCompileCacheDir?.();
  if (kept === undefined) return;
  module.flushCompileCache();
  for (const name of readdirSync(kept))
    try {
      chmodSync(join(kept, name), 0o644);
    } catch {
      // A draft of another that writes beside this one, under its own name by now: that one sees to it.
    }
  writeFileSync(mark, '');
}

/** Where compiled code lies, if it is kept. Node looks for it by user: one of its own gets a name for the same folder. */
function codeFolder(ownUser: boolean): string[] {
  const kept = module.getCompileCacheDir?.();
  if (kept === undefined) return [];
  if (ownUser)
    try {
      symlinkSync(basename(kept), kept.replace(/\d+$/, String(userOf(process.pid))));
    } catch {
      // It is there already, or the lane opens without.
    }
  return real(dirname(kept));
}

function nothing(why: string): SandboxReport {
  return {
    landlock: 0,
    seccomp: false,
    capabilities: false,
    user: false,
    network: false,
    limits: false,
    missing: [`anything (${why})`],
  };
}
