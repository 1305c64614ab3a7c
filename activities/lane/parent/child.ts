/** The child as a process: started within its sandbox, ended with all it began. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LaneDied, LaneEnded } from '../errors.ts';
import type { LaunchPlan } from '../sandbox/plan.ts';
import type { LaneBuild, LaneShape } from '../shape.ts';
import { TALK, TASKS } from '../wire.ts';
import { networkWrapper } from './network.ts';

const STDERR_KEPT = 8 << 10;
/**
 * What a lane keeps is pictures, beside the heap of JavaScript. Each that passes leaves small objects behind: with 2 MB for young ones a pass over a
 * video took 8 % longer than with 8, with the 16 that are V8's own 4 % less, for up to 48 MB.
 */
const flags = [
  '--max-old-space-size=256',
  '--max-semi-space-size=8',
  '--disable-sigusr1',
  '--disable-warning=ExperimentalWarning',
];
const launcher = fileURLToPath(new URL('../sandbox/launch.ts', import.meta.url));

export class Child {
  readonly pid: number;
  /** Settles when the process is no more. */
  readonly gone: Promise<void>;
  readonly tasks: Duplex;
  readonly talk: Duplex;
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #closed: Promise<void>;
  #stderr = '';

  private constructor(name: string, child: ChildProcess, pid: number) {
    this.pid = pid;
    this.#name = name;
    this.#process = child;
    this.gone = new Promise((resolve) => child.once('exit', () => resolve()));
    this.#closed = new Promise((resolve) => child.once('close', () => resolve()));
    this.tasks = pipeOf(child, TASKS);
    this.talk = pipeOf(child, TALK);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
  }

  /** Throws LaneEnded where the system starts no process. */
  static async start(
    build: LaneBuild<LaneShape>,
    { compileOnly }: Partial<Pick<LaunchPlan, 'compileOnly'>> = {},
  ): Promise<Child> {
    const { main, reads = [], memoryBytes, sandbox = 'auto', nice = 0, environment, codeFolder } = build;
    const wrapper = sandbox === 'off' ? [] : await networkWrapper();
    const plan: LaunchPlan = {
      main: fileURLToPath(main),
      reads,
      memoryBytes,
      sandbox: sandbox !== 'off',
      parent: process.pid,
      nice,
      network: wrapper.length > 0,
      ...(compileOnly !== undefined && { compileOnly }),
    };
    const [file = process.execPath, ...args] = [
      ...wrapper,
      process.execPath,
      ...flags,
      launcher,
      JSON.stringify(plan),
    ];
    const child = spawn(file, args, {
      cwd: '/',
      detached: true,
      env: { ...environment, ...(codeFolder !== undefined && { NODE_COMPILE_CACHE: codeFolder }) },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    });
    if (child.pid === undefined) {
      const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new LaneEnded(`The ${build.name} process could not be started: ${cause.message}`, { cause });
    }
    return new Child(build.name, child, child.pid);
  }

  /** Whether it keeps this process from ending: while it works. */
  hold(on: boolean): void {
    const what = on ? 'ref' : 'unref';
    this.#process[what]();
    for (const stream of [this.tasks, this.talk, this.#process.stderr]) if (canBeHeld(stream)) stream[what]();
  }

  /** How it ended, once it did. */
  async death(): Promise<LaneDied> {
    await this.#closed;
    const { signalCode: signal, exitCode } = this.#process;
    return new LaneDied(this.#name, { signal, exitCode, stderr: this.#stderr });
  }

  /** Ends it, and all it began: it was made the leader of a group. */
  kill(): void {
    const { exitCode, signalCode } = this.#process;
    // Whoever waits for its end shall see it.
    this.#process.ref();
    if (exitCode === null && signalCode === null) {
      try {
        process.kill(-this.pid, 'SIGKILL');
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    }
    this.tasks.destroy();
    this.talk.destroy();
    this.#process.stderr?.destroy();
  }
}

function pipeOf({ stdio }: ChildProcess, descriptor: number): Duplex {
  const pipe = stdio[descriptor];
  if (!(pipe instanceof Duplex)) throw new TypeError(`Descriptor ${descriptor} is no pipe.`);
  // A write that fails means the child is gone, which the end of what it says tells as well.
  return pipe.on('error', () => {});
}

interface Held {
  ref(): void;
  unref(): void;
}
const canBeHeld = (stream: object | null): stream is Held =>
  stream !== null && 'ref' in stream && 'unref' in stream;

/** What comes through a pipe. One that breaks has ended: its other end is gone. */
export async function* untilBroken(pipe: Duplex): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pipe as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error !== pipe.errored && !pipe.destroyed) throw error;
  }
}
