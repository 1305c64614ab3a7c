/** The worker's side of a program: starts it or takes it over, follows it, and lets go of it or ends it. Knows nothing of Temporal. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  get,
  makeFolder,
  newestLease,
  now,
  type ProgramLimits,
  paths,
  put,
  putLease,
  type Spec,
  type Status,
  spec as specSchema,
  statusOf,
  supervisorOf,
} from './folder.ts';
import { OutputReader } from './output.ts';
import { isRunning, ProcessTree } from './processes.ts';

export interface Program {
  /** Names the program on this machine: the same name is the same work. Letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  /** All that it gets besides PATH, HOME and TMPDIR; no variable of the worker's. */
  readonly env?: Readonly<Record<string, string>>;
  readonly limits: ProgramLimits;
  /** Output that is kept where no worker reads it, bytes. */
  readonly outputBytes?: number;
  /** Lays the inputs into the folder that the program will run in. Not called where the program runs already. */
  prepare?(work: string): Promise<void>;
}

/** What becomes of the program when whoever follows it is told to stop. */
export type Parting =
  /** It and all that it began are ended, and the folder goes. */
  | 'end'
  /** It goes on for a while, for another worker to take it over. */
  | 'leave'
  /** Another worker has the right to it: if that one does not take it over at once, it ends. */
  | 'lost';

export interface Follower {
  /** Folder of the programs of this machine. */
  readonly root: string;
  /** Orders those who want the program: a newer claim takes it over from an older one. */
  readonly claim: number;
  readonly signal: AbortSignal;
  /** Seconds that the program may go on without anybody who follows it. */
  readonly orphanSeconds: number;
  /** Asked when it could not be followed to its end or not be read: `signal` has aborted, or `error` was thrown. */
  part(error: unknown): Parting;
  /** A process id, once it is known; `takenOver`: another worker has started it. */
  started?(pid: number, takenOver: boolean): void;
  line?(line: string): void;
  /** Names of the files in the program's folder, about once a second while they change. */
  files?(names: readonly string[]): void;
  /** It has used the processor, written a line or changed a file. */
  moved?(): void;
}

export interface ProgramEnd extends Omit<Status, 'state' | 'signs' | 'stillSeconds' | 'program'> {
  /** The last lines of its output. */
  readonly tail: readonly string[];
}

/** A program that has ended and was read. Its files stay, and stay this worker's, until it is released. */
export interface Finished<R> {
  readonly result: R;
  /**
   * Lets go of it: with `end` when what was read has been kept and nobody needs the program's files any more. Of one that a newer claim
   * has taken over nothing is touched. Never throws.
   */
  release(parting: Parting): Promise<void>;
}

/** A newer claim has taken the program over. */
export class TakenOver extends Error {
  override readonly name = 'TakenOver';
}

/** Its supervisor is gone, and with it the program: somebody ended it, or the machine did for want of memory. */
export class SupervisorDied extends Error {
  override readonly name = 'SupervisorDied';
}

const lookMs = 100;
/** Between asking a program to end and making it. */
const graceMs = 2000;
/** A supervisor says that it is there within this time, also on a busy machine. */
const startSeconds = 30;
/** What a supervisor gets, besides the program's own grace, to end it and remove the folder; longer, and it is ended itself. */
const endSeconds = 10;
/** What is left of the right to a program after the fence is lost. */
const lostSeconds = 3;

/**
 * Runs a program to its end, or follows to its end the one that runs under that name already, and has `collect` read what it left in its
 * folder. The folder is there until it is released: whoever dies with what it has read leaves it to the next one. Several workers of a machine may call it at once: the newest claim has it.
 * Throws the signal's reason when that aborts, {@link TakenOver}, {@link SupervisorDied}, and what `prepare` and `collect` throw.
 */
export async function runProgram<R>(
  program: Program,
  follower: Follower,
  collect: (end: ProgramEnd, work: string) => Promise<R>,
): Promise<Finished<R>> {
  if (!/^[\w.-]{1,200}$/.test(program.name)) throw new TypeError(`${program.name} is no name of a program.`);
  const folder = join(follower.root, program.name);
  const { claim, signal, orphanSeconds } = follower;
  signal.throwIfAborted();
  await mkdir(follower.root, { recursive: true });
  const takenOver = await isThere(folder, claim, signal);
  if (!takenOver) await begin(program, follower, folder);
  const before = await newestLease(folder);
  const reader = new OutputReader(paths.output(folder), before?.read ?? 0);
  const want = (seconds: number) => putLease(folder, { claim, until: now() + seconds, read: reader.place });
  const taken = new AbortController();
  const renew = async (): Promise<void> => {
    const newest = await newestLease(folder);
    if (newest !== undefined && newest.claim > claim)
      taken.abort(new TakenOver('A newer attempt has the program.'));
    else await want(orphanSeconds);
  };
  let pulse: NodeJS.Timeout | undefined;
  let beat = Promise.resolve();
  const release = async (parting: Parting): Promise<void> => {
    clearInterval(pulse);
    // One that was under way would say that the program is still wanted.
    await beat;
    const seconds = { end: -1, lost: lostSeconds, leave: orphanSeconds }[parting];
    // Where the folder is gone, the program is, too.
    await want(seconds).catch(() => {});
    if (parting === 'end') await untilGone(folder, claim).catch(() => {});
  };
  try {
    await renew();
    // Also while its files are read, however long that takes. A folder that is gone is noticed by who reads it.
    pulse = setInterval(
      () => {
        beat = renew().catch(() => {});
      },
      Math.min(1000, orphanSeconds * 250),
    );
    const signals = AbortSignal.any([signal, taken.signal]);
    const end = await follow(folder, { ...follower, signal: signals }, reader, takenOver);
    const result = await Promise.race([collect(end, paths.work(folder)), rejection(taken.signal)]);
    await renew();
    taken.signal.throwIfAborted();
    return { result, release };
  } catch (error) {
    await release(error instanceof TakenOver ? 'lost' : follower.part(error));
    throw error;
  }
}

async function rejection(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

/** Waits until the supervisor has ended the program and removed the folder; does so itself where the supervisor is gone or hangs. */
async function untilGone(folder: string, claim: number): Promise<void> {
  const patience = await patienceWith(folder);
  for (; existsSync(folder); await sleep(50)) {
    const lease = await newestLease(folder).catch(() => undefined);
    if (lease !== undefined && lease.claim > claim) return;
    if (!(await isSupervised(folder)) || patience.isOver()) await clear(folder);
  }
}

async function isSupervised(folder: string): Promise<boolean> {
  const supervisor = await supervisorOf(folder);
  return supervisor !== undefined && isRunning(supervisor);
}

/** How long the supervisor of a program that is to end may take, from now on. */
async function patienceWith(folder: string): Promise<{ isOver(): boolean }> {
  const spec = await get(paths.spec(folder), specSchema).catch(() => undefined);
  const until = now() + (spec?.graceMs ?? graceMs) / 1000 + endSeconds;
  return { isOver: () => now() > until };
}

/** Ends what a supervisor that is gone has left behind; one that hangs first. */
async function clear(folder: string): Promise<void> {
  const supervisor = await supervisorOf(folder).catch(() => undefined);
  if (supervisor !== undefined && supervisor.pid !== process.pid && isRunning(supervisor)) {
    try {
      process.kill(supervisor.pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  }
  const [spec, status] = await Promise.all([
    get(paths.spec(folder), specSchema).catch(() => undefined),
    statusOf(folder).catch(() => undefined),
  ]);
  if (spec !== undefined) await new ProcessTree(status?.program, spec.token).end(spec.graceMs);
  await rm(folder, { recursive: true, force: true });
}

/** Whether a program of that name runs, or has ended and waits to be read. What cannot be gone on with is cleared. */
async function isThere(folder: string, claim: number, signal: AbortSignal): Promise<boolean> {
  const patience = await patienceWith(folder);
  while (existsSync(folder)) {
    signal.throwIfAborted();
    const status = await statusOf(folder);
    // Without a folder there is none either.
    const lease = await newestLease(folder).catch(() => undefined);
    if (lease !== undefined && lease.claim > claim) throw new TakenOver('A newer attempt has the program.');
    const unwanted = lease === undefined || lease.until <= now() || status?.cause === 'unwanted';
    if (!(await isSupervised(folder)) || (unwanted && patience.isOver())) {
      await clear(folder);
      return false;
    }
    if (!unwanted) return true;
    // It is being ended.
    await sleep(lookMs, undefined, { signal }).catch(() => {});
  }
  return false;
}

/** Makes the folder, lays the inputs into it, and has a supervisor start the program. */
async function begin(program: Program, { root, claim, signal, orphanSeconds }: Follower, folder: string) {
  const draft = join(root, `.${program.name}.${claim}`);
  await makeFolder(draft);
  const spec: Spec = {
    command: program.command,
    args: [...(program.args ?? [])],
    env: { ...program.env },
    limits: program.limits,
    token: randomBytes(12).toString('hex'),
    outputBytes: program.outputBytes ?? 16 * 1024 * 1024,
    graceMs,
  };
  try {
    await program.prepare?.(paths.work(draft));
    signal.throwIfAborted();
    await put(paths.spec(draft), spec);
    await putLease(draft, { claim, until: now() + orphanSeconds, read: 0 });
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  const log = await open(paths.supervisorLog(draft), 'a');
  try {
    const main = fileURLToPath(new URL('supervisor-main.ts', import.meta.url));
    const child = spawn(process.execPath, ['--max-old-space-size=64', main, draft, folder], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: process.env.PATH },
    });
    child.unref();
    let failure: unknown;
    child.once('error', (error) => {
      failure = error;
    });
    child.once('exit', (code) => {
      if (code !== 0) failure ??= new Error(`The supervisor of a program ended with ${code}.`);
    });
    for (const until = now() + startSeconds; !existsSync(paths.status(folder)); await sleep(20)) {
      if (failure !== undefined) throw await withLog(failure, draft);
      if (now() > until) throw new Error('The supervisor of a program does not start.');
    }
  } finally {
    await log.close();
  }
}

async function withLog(error: unknown, draft: string): Promise<Error> {
  const log = await readFile(paths.supervisorLog(draft), 'utf8').catch(() => '');
  await rm(draft, { recursive: true, force: true });
  return new Error(`${(error as Error).message} ${log.trim().slice(-500)}`.trim());
}

/** Follows the program until it has ended and all of its output was read. */
async function follow(
  folder: string,
  follower: Follower,
  reader: OutputReader,
  takenOver: boolean,
): Promise<ProgramEnd> {
  const { signal } = follower;
  const supervisor = await supervisorOf(folder);
  let filesAt = 0;
  let signs = -1;
  for (; ; await sleep(lookMs, undefined, { signal }).catch(() => {})) {
    signal.throwIfAborted();
    const lives = supervisor !== undefined && isRunning(supervisor);
    const status = await statusOf(folder);
    if (status?.cause === 'unwanted' || (status?.state !== 'ended' && !lives)) throw await lossOf(folder);
    if (status === undefined) continue;
    if (signs === -1) follower.started?.(status.program.pid, takenOver);
    for (const line of await reader.read(status.state === 'ended')) follower.line?.(line);
    if (signs !== -1 && status.signs !== signs) follower.moved?.();
    const files = follower.files !== undefined && (status.signs !== signs || status.state === 'ended');
    signs = status.signs;
    if (files && (now() - filesAt >= 1 || status.state === 'ended')) {
      filesAt = now();
      follower.files?.(await readdir(paths.work(folder), { recursive: true }));
    }
    if (status.state !== 'ended') continue;
    const { state: _, signs: _signs, stillSeconds: _still, program: _program, ...end } = status;
    return { ...end, tail: reader.tail };
  }
}

async function lossOf(folder: string): Promise<Error> {
  const log = await readFile(paths.supervisorLog(folder), 'utf8').catch(() => '');
  return new SupervisorDied(`The supervisor of the program is gone. ${log.trim().slice(-500)}`.trim());
}

/**
 * Clears programs of this machine that nobody looks after any more, with what is left of their processes; for the start of a worker. Those
 * whose supervisors live end by themselves, unless somebody takes them over.
 */
export async function clearPrograms(root: string): Promise<void> {
  const names = await readdir(root).catch(() => []);
  for (const name of names) {
    const folder = join(root, name);
    const responsible = await supervisorOf(folder).catch(() => undefined);
    const made = (await stat(folder).catch(() => undefined))?.mtimeMs ?? 0;
    // One that is just being made has nobody yet.
    const forgotten = responsible === undefined ? Date.now() - made > 60_000 : !isRunning(responsible);
    if (forgotten) await clear(folder);
  }
}
