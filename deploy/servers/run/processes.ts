import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { copyFile, open, rename, rm, stat, truncate } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from '../setup-error.mjs';

/** How to run one process of the stack. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
  /** Set when we are root and the program refuses that. */
  readonly uid?: number;
  readonly gid?: number;
  /** Resolves when the process serves; throws while it does not yet. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** The signal that asks it to end by itself, and how long it may take until SIGKILL. */
  readonly stop: { readonly signal: NodeJS.Signals; readonly graceMilliseconds: number };
  /** The signal of an impatient stop: SIGKILL, except where a program has something better. */
  readonly hardSignal?: NodeJS.Signals;
}

export interface ProcessEvents {
  /** The process has another pid now, or none. */
  changed(name: string, pid: number | undefined): void;
  say(line: string): void;
}

const readyMilliseconds = 60_000;
const probeMilliseconds = 3_000;
const firstBackoffMilliseconds = 500;
const longestBackoffMilliseconds = 30_000;
/** A process that ran this long starts again with the shortest back-off. */
const settledMilliseconds = 60_000;
const largestLogBytes = 20 * 1024 * 1024;
const logCheckMilliseconds = 30_000;

/** The pause before restart number `failures` (from 1) of a process that keeps dying, in milliseconds. */
export function backoffMilliseconds(failures: number): number {
  return Math.min(longestBackoffMilliseconds, firstBackoffMilliseconds * 2 ** (failures - 1));
}

/**
 * One process that is kept running: started, probed until it serves, started again with back-off when it dies,
 * stopped on demand. Its output goes straight to its log file, so that it outlives this process unharmed.
 */
export class SupervisedProcess {
  readonly spec: ProcessSpec;
  readonly #events: ProcessEvents;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #failures = 0;
  #served = false;
  #logCheck: NodeJS.Timeout | undefined;

  constructor(spec: ProcessSpec, events: ProcessEvents) {
    this.spec = spec;
    this.#events = events;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Starts the process and waits until it serves.
   * @throws SetupError with the end of its log when it dies or does not serve within a minute.
   */
  async start(): Promise<void> {
    await rotate(this.spec.logFile);
    this.#stopping.signal.throwIfAborted();
    this.#launch();
    const deadline = Date.now() + readyMilliseconds;
    let last: unknown;
    for (;;) {
      this.#stopping.signal.throwIfAborted();
      if (this.#child === undefined) throw await this.#failure('ended before it served');
      try {
        await this.spec.probe(AbortSignal.timeout(probeMilliseconds));
        if (this.#child !== undefined) break;
      } catch (error) {
        last = error;
      }
      if (Date.now() > deadline) {
        const reason = last instanceof Error ? `: ${last.message}` : '';
        throw await this.#failure(`did not serve within ${readyMilliseconds / 1000} s${reason}`);
      }
      await sleep(100);
    }
    this.#served = true;
    this.#logCheck = setInterval(() => void rotateOpen(this.spec.logFile), logCheckMilliseconds);
    this.#logCheck.unref();
  }

  /** Ends the process (politely, or at once when `hard`) and all that it started. Never throws. */
  async stop(hard = false): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#logCheck);
    const child = this.#child;
    if (!child?.pid) return;
    if (hard) signalGroup(child.pid, this.spec.hardSignal ?? 'SIGKILL');
    else signalProcess(child.pid, this.spec.stop.signal);
    const kill = setTimeout(() => {
      this.#events.say(
        `${this.spec.name} did not end within ${this.spec.stop.graceMilliseconds / 1000} s; killing it.`,
      );
      if (child.pid) signalGroup(child.pid, 'SIGKILL');
    }, this.spec.stop.graceMilliseconds);
    await this.#exited;
    clearTimeout(kill);
  }

  #launch(): void {
    const { spec } = this;
    const log = openSync(spec.logFile, 'a');
    // A group of its own: Ctrl-C in the terminal must reach the supervisor alone, which stops all in order.
    const child = spawn(spec.command, [...spec.args], {
      cwd: spec.cwd,
      env: { ...spec.env },
      stdio: ['ignore', log, log],
      detached: true,
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    });
    closeSync(log);
    const started = Date.now();
    this.#child = child;
    this.#exited = new Promise((done) => {
      const ended = (how: string) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        // What a dead leader left behind would hold on to its files and ports.
        if (child.pid) signalGroup(child.pid, 'SIGKILL');
        this.#events.changed(spec.name, undefined);
        done();
        if (this.#served) void this.#restart(how, Date.now() - started);
      };
      child.on('error', (error) => ended(error.message));
      child.on('exit', (code, signal) => ended(signal ?? `exit ${code}`));
    });
    this.#events.changed(spec.name, child.pid);
  }

  async #restart(how: string, ranMilliseconds: number): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#failures = ranMilliseconds > settledMilliseconds ? 1 : this.#failures + 1;
    const pause = backoffMilliseconds(this.#failures);
    this.#events.say(
      `${this.spec.name} ended (${how}); starting it again in ${pause / 1000} s. Log: ${this.spec.logFile}`,
    );
    await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => {});
    if (this.#stopping.signal.aborted) return;
    try {
      this.#launch();
    } catch (error) {
      // A log that cannot be opened, or no memory for a process: as if it had ended at once, or nobody would try again.
      void this.#restart(error instanceof Error ? error.message : String(error), 0);
    }
  }

  async #failure(what: string): Promise<SetupError> {
    const tail = await logTail(this.spec.logFile);
    return new SetupError(`${tail}\n${this.spec.name} ${what}. Its log: ${this.spec.logFile}`);
  }
}

/** The last lines of a log. */
export async function logTail(path: string, bytes = 2000): Promise<string> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(bytes),
      position: Math.max(0, size - bytes),
    });
    return buffer.toString('utf8', 0, bytesRead).split('\n').slice(-12).join('\n').trim();
  } catch {
    return '';
  }
}

/** Keeps one older log beside a log that has grown large, before its process starts. */
async function rotate(path: string): Promise<void> {
  if ((await sizeOf(path)) > largestLogBytes) await rename(path, `${path}.1`);
}

/**
 * The same while a process writes: it appends by a descriptor of its own, so the log is copied and cut short. What it writes between the
 * two is lost. Where there is no room for the copy, the older log goes too: a full disk stops more than a log.
 */
export async function rotateOpen(path: string, largestBytes = largestLogBytes): Promise<void> {
  if ((await sizeOf(path)) <= largestBytes) return;
  try {
    await copyFile(path, `${path}.1`);
  } catch {
    await rm(`${path}.1`, { force: true }).catch(() => {});
  }
  await truncate(path).catch(() => {});
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

/** Sends a signal to one process; false when it is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Sends a signal to the process group that a detached child leads. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  signalProcess(-pid, signal);
}
