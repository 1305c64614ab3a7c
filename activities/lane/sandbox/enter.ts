/** What a lane's child does first: it has its calls to the kernel filtered. Then its own module is loaded. Started by `launch.ts`. */

import type { SandboxReport } from '@darkroom/contract/sandbox.ts';
import { held } from './held.ts';
import { ENOSYS, openKernel } from './kernel.ts';
import { filterCalls } from './seccomp.ts';

const [, , main = '', told = ''] = process.argv;
const report: SandboxReport = JSON.parse(told);
const errno = report.seccomp ? filterAll() : 0;
held.report =
  errno === 0
    ? report
    : { ...report, seccomp: false, missing: [...report.missing, `seccomp (errno ${errno})`] };
await import(main);

function filterAll(): number {
  const kernel = openKernel();
  return 'reason' in kernel ? ENOSYS : filterCalls(kernel);
}
