/** What the system holds a worker's child processes by. */
import { z } from 'zod';

export const sandboxReport = z.object({
  /** Version of Landlock that holds them; 0 where none does. Signals and abstract sockets are held from 6 on, TCP from 4 on, all files from 1 on. */
  landlock: z.int().nonnegative(),
  /** Whether their calls to the kernel are filtered. */
  seccomp: z.boolean(),
  /** Whether they have given up all capabilities, and the way to others. */
  capabilities: z.boolean(),
  /** Whether they run as a user of their own; those of a worker that is not root cannot. */
  user: z.boolean(),
  /** Whether they have a network namespace of their own. */
  network: z.boolean(),
  /** Whether the system itself bounds their memory, files and threads. */
  limits: z.boolean(),
  /** What could not be had, in words. */
  missing: z.array(z.string()),
});
export type SandboxReport = z.infer<typeof sandboxReport>;

/** What of that must be had where the sandbox is required, and is not: the rest is a second lock on the same doors. */
export function sandboxLacks({ landlock, seccomp, capabilities }: SandboxReport): string[] {
  return [
    ...(landlock === 0 ? ['Landlock'] : []),
    ...(seccomp ? [] : ['seccomp']),
    ...(capabilities ? [] : ['the end of all capabilities']),
  ];
}
