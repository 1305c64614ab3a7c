/** What of the sandbox a lane has here, and what it lacks. */
import { z } from 'zod';

/** How much of a sandbox there must be. */
export type SandboxMode = 'auto' | 'required' | 'off';

export const sandboxReport = z.object({
  /** Version of Landlock that holds it; 0 where none does. Signals and abstract sockets are held from 6 on, TCP from 4 on, all files from 1 on. */
  landlock: z.int().nonnegative(),
  /** Whether its calls to the kernel are filtered. */
  seccomp: z.boolean(),
  /** Whether it has given up all capabilities, and the way to others. */
  capabilities: z.boolean(),
  /** Whether it runs as a user of its own; a worker's that is not root cannot. */
  user: z.boolean(),
  /** Whether it has a network namespace of its own. */
  network: z.boolean(),
  /** Whether the system itself bounds its memory, files and threads. */
  limits: z.boolean(),
  /** What could not be had, in words. */
  missing: z.array(z.string()),
});
export type SandboxReport = z.infer<typeof sandboxReport>;

/** What must be had where the sandbox is required: the rest is a second lock on the same doors. */
export function lacking({ landlock, seccomp, capabilities }: SandboxReport): string[] {
  return [
    ...(landlock === 0 ? ['Landlock'] : []),
    ...(seccomp ? [] : ['seccomp']),
    ...(capabilities ? [] : ['the end of all capabilities']),
  ];
}

/** The sandbox is required, and this system does not give it. */
export class SandboxLacking extends Error {
  override readonly name = 'SandboxLacking';

  constructor(report: SandboxReport) {
    super(
      `The sandbox is required (SANDBOX), and this system lacks ${lacking(report).join(', ')}: ${report.missing.join('; ')}. ` +
        'Linux 5.13 or later with Landlock and seccomp gives it; SANDBOX=auto goes without what is lacking.',
    );
  }
}
