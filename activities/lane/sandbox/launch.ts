/**
 * Starts a lane's child: gives up all that it need not have, then becomes it. What is given up binds this thread and the program that it
 * becomes, so that all threads of that one are held. Nothing of anybody's has been read by then. Started by `parent/child.ts`.
 */
import { fileURLToPath } from 'node:url';
import type { SandboxReport } from '@darkroom/contract/sandbox.ts';
import { TALK, TASKS } from '../wire.ts';
import { held } from './held.ts';
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
} from './privileges.ts';
import { filterCalls } from './seccomp.ts';

const F_SETFD = 2;
const plan: LaunchPlan = JSON.parse(process.argv[2] ?? '');
const { execve } = process;
const kernel = execve === undefined ? { reason: 'Node 22.15 or later is needed' } : openKernel();
if (execve === undefined || 'reason' in kernel) {
  held.report = nothing('reason' in kernel ? kernel.reason : '');
  await import(plan.main);
} else {
  const report = giveUp(kernel);
  // Node closes what it was given when it becomes another program.
  for (const pipe of [TASKS, TALK]) kernel.call('fcntl', pipe, F_SETFD, 0);
  const enter = fileURLToPath(new URL('enter.ts', import.meta.url));
  // All but the one call that is still to come, so that the next program never has what it would be refused later.
  if (report.seccomp) filterCalls(kernel, ['execve']);
  const args = [process.execPath, ...process.execArgv, enter, plan.main, JSON.stringify(report)];
  execve(process.execPath, args, process.env);
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
  closeCapabilities(kernel);
  if (sameUser === undefined) becomeNobody(kernel);
  const capabilities = dropCapabilities(kernel);
  dieWithParent(kernel, plan.parent);
  const execute = [process.execPath, ...real(loaderOf(process.execPath) ?? '')];
  const landlock = restrictFiles(kernel, { read: [...paths, ...real('/proc/self')], execute });
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
