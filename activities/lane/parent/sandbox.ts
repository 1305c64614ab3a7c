/** What a decoder's process may do, as far as this system can hold it to that: no network, no file written, no core, little memory. */
import { spawn } from 'node:child_process';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/** Above the watched limit by this much the system itself refuses memory, bytes: what V8 sets aside without using it is in it (0.6 GB). */
const HARD_MARGIN_BYTES = 1536 * 2 ** 20;
const OPEN_FILES = 64;

/** The wrappers, outermost first; each starts the rest of its arguments in its own place, so that the process id stays. */
const wrappers = {
  limits: (memoryBytes: number) => [
    'prlimit',
    '--core=0',
    '--fsize=0',
    `--nofile=${OPEN_FILES}`,
    `--data=${memoryBytes + HARD_MARGIN_BYTES}`,
  ],
  /** A user and a network namespace of its own: not even loopback is up. */
  noNetwork: () => ['unshare', '--map-root-user', '--net'],
  /** Ends with its parent, even one that was killed. Innermost, as a change of user takes it back. */
  dieWithParent: () => ['setpriv', '--pdeathsig', 'KILL'],
} as const;
type Wrapper = keyof typeof wrappers;

let working: Promise<readonly Wrapper[]> | undefined;

/** The wrappers that work on this system; found out once. */
export function sandboxes(): Promise<readonly Wrapper[]> {
  working ??= Promise.all(
    (Object.keys(wrappers) as Wrapper[]).map(async (name) => ((await works(name)) ? [name] : [])),
  ).then((found) => found.flat());
  return working;
}

/** `command`, held to what it may do. */
export async function sandboxed(command: Command, memoryBytes: number): Promise<Command> {
  const words = [
    ...(await sandboxes()).flatMap((name) => wrappers[name](memoryBytes)),
    command.file,
    ...command.args,
  ];
  const [file = command.file, ...args] = words;
  return { file, args };
}

function works(name: Wrapper): Promise<boolean> {
  const [file = '', ...args] = wrappers[name](0);
  return new Promise((resolve) => {
    const trial = spawn(file, [...args, 'true'], { stdio: 'ignore' });
    trial.once('error', () => resolve(false));
    trial.once('close', (code) => resolve(code === 0));
  });
}
