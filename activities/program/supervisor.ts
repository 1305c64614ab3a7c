/**
 * Runs one program and outlives the worker that asked for it: takes its output, watches its signs of life and its limits, and ends all of its
 * processes as soon as no worker wants it any more. It talks to workers by the files of the program's folder alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type EndCause,
  get,
  type Lease,
  newestLease,
  now,
  paths,
  put,
  type Spec,
  type Status,
  spec as specSchema,
} from './folder.ts';
import { OutputWriter } from './output.ts';
import { marker, ProcessTree, residentBytes, self, startOf } from './processes.ts';

/** How often the leases are looked at. */
const lookMs = 100;
/** How often processes and files are, at most: where there are many of them, looking takes no more than this share of the time. */
const sampleMs = 250;
const sampleShare = 0.05;
/** Files that are looked at, at most, for size and changes. */
const mostFiles = 20_000;
/** What a program that only waits uses of a processor; more is a sign that it computes. */
const idleShare = 0.005;

/**
 * Supervises the program whose folder was made at `draft`, under the name `folder`, where there is none yet. Resolves when it has ended
 * and nobody wants its files any more, which are gone then.
 */
export async function supervise(draft: string, folder: string): Promise<void> {
  await put(paths.supervisor(draft), self());
  const spec = await get(paths.spec(draft), specSchema);
  if (spec === undefined) throw new Error(`${draft} has no program.`);
  try {
    await rename(draft, folder);
  } catch {
    // Another worker was first: its program is the one.
    await rm(draft, { recursive: true, force: true });
    return;
  }
  const run = new SupervisedProgram(folder, spec);
  try {
    await run.toItsEnd();
    await run.untilUnwanted();
  } finally {
    await run.end();
    await rm(folder, { recursive: true, force: true });
  }
}

class SupervisedProgram {
  readonly #folder: string;
  readonly #spec: Spec;
  readonly #output: OutputWriter;
  readonly #child: ChildProcess;
  readonly #tree: ProcessTree;
  readonly #begun = now();
  readonly #status: { -readonly [key in keyof Status]: Status[key] };
  #exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  #stillSince = now();
  /** What the last signs were measured against. */
  #seen = { cpuSeconds: 0, written: 0, files: '' };

  constructor(folder: string, spec: Spec) {
    this.#folder = folder;
    this.#spec = spec;
    this.#output = new OutputWriter(paths.output(folder), spec.outputBytes);
    this.#child = start(spec, paths.work(folder));
    const pid = this.#child.pid ?? 0;
    const program = { pid, startedAt: startOf(pid) };
    this.#tree = new ProcessTree(program, spec.token);
    this.#status = {
      program,
      state: 'running',
      seconds: 0,
      stillSeconds: 0,
      signs: 0,
      peakBytes: 0,
      cpuSeconds: 0,
    };
    const take = (chunk: Buffer): void => this.#output.write(chunk);
    this.#child.stdout?.on('data', take);
    this.#child.stderr?.on('data', take);
    this.#child.once('error', (error) => {
      take(Buffer.from(`${error.message}\n`));
      this.#exit ??= { code: null, signal: null };
    });
    // Not `close`: a child of the program may hold its output open for ever.
    this.#child.once('exit', (code, signal) => {
      this.#exit ??= { code, signal };
    });
  }

  /** Watches the program until it has ended, by itself or because it had to; all of its processes are gone then. */
  async toItsEnd(): Promise<void> {
    await this.#tell();
    let sampleAt = 0;
    let cause: EndCause | undefined;
    while (cause === undefined) {
      await sleep(lookMs);
      if (this.#exit !== undefined) cause = 'exit';
      else if (!(await this.#isWanted())) cause = 'unwanted';
      else if (performance.now() >= sampleAt) {
        const began = performance.now();
        cause = await this.#sample();
        await this.#tell();
        sampleAt = performance.now() + Math.max(sampleMs, (performance.now() - began) / sampleShare);
      }
    }
    await this.end();
    Object.assign(this.#status, {
      state: 'ended',
      cause,
      seconds: now() - this.#begun,
      exitCode: this.#exit?.code ?? null,
      signal: this.#exit?.signal ?? null,
    });
    await this.#tell();
  }

  /** Waits for as long as a worker reads what the program left. */
  async untilUnwanted(): Promise<void> {
    while (await this.#isWanted()) await sleep(lookMs);
  }

  /** Ends what is left of the program's processes. */
  async end(): Promise<void> {
    const gone = await this.#tree.end(this.#spec.graceMs);
    if (!gone) console.error('Processes of the program cannot be ended.');
    // What was written last is in the pipe still.
    await sleep(20);
  }

  async #isWanted(): Promise<boolean> {
    let lease: Lease | undefined;
    try {
      lease = await newestLease(this.#folder);
    } catch (error) {
      // The folder is gone: whoever read it was done.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
    return lease !== undefined && lease.until > now();
  }

  async #tell(): Promise<void> {
    try {
      await put(paths.status(this.#folder), this.#status);
    } catch (error) {
      if (existsSync(this.#folder)) throw error;
    }
  }

  /** Looks at processes, output and files; the limit that is exceeded, if one is. */
  async #sample(): Promise<EndCause | undefined> {
    const { limits } = this.#spec;
    const at = now();
    const living = this.#tree.living();
    const cpuSeconds = sum(living.map((one) => one.cpuSeconds));
    const resident = sum(living.map(({ pid }) => residentBytes(pid)));
    const files = await measure(paths.work(this.#folder));
    const status = this.#status;
    status.peakBytes = Math.max(status.peakBytes, resident);
    status.cpuSeconds = Math.max(status.cpuSeconds, cpuSeconds);
    status.seconds = at - this.#begun;
    const written = this.#output.written;
    const still = at - this.#stillSince;
    const seen = this.#seen;
    // One that ended takes its time with it until its parent has asked for it: less than before is a sign, too.
    const computes =
      cpuSeconds < seen.cpuSeconds || cpuSeconds - seen.cpuSeconds > Math.max(0.03, idleShare * still);
    if (computes || written !== seen.written || files.print !== seen.files) {
      this.#seen = { cpuSeconds, written, files: files.print };
      this.#stillSince = at;
      status.signs++;
    }
    status.stillSeconds = at - this.#stillSince;
    if (resident > limits.memoryBytes) return 'memory';
    if (files.bytes > limits.diskBytes) return 'disk';
    if (status.seconds > limits.seconds) return 'time';
    return status.stillSeconds > limits.stallSeconds ? 'stalled' : undefined;
  }
}

/** Becomes the program: the first that the machine ends when its memory is short, without a dump of what it held. */
const prelude = '{ echo 500 > /proc/self/oom_score_adj; ulimit -c 0; } 2>/dev/null; exec "$@"';
const setpriv = '/usr/bin/setpriv';

function start({ command, args, env, token }: Spec, work: string): ChildProcess {
  // Where it can be had: a supervisor that is killed takes the program with it.
  const bound = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', '--'] : [];
  return spawn('/bin/sh', ['-c', prelude, 'program', ...bound, command, ...args], {
    cwd: work,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: work,
      TMPDIR: work,
      LANG: 'C.UTF-8',
      ...env,
      [marker]: token,
    },
  });
}

/** How much lies under a folder, and a print that changes whenever a file of it does. */
async function measure(folder: string): Promise<{ bytes: number; print: string }> {
  let bytes = 0;
  let changed = 0;
  let files = 0;
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of names.slice(0, mostFiles)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found === undefined) continue;
    files++;
    bytes += found.size;
    changed = Math.max(changed, found.mtimeMs);
  }
  return { bytes, print: `${files} ${bytes} ${changed}` };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
