/**
 * The processes of a program, as /proc has them: all that its first one began, also those that left its group or lost their parent. Where
 * there is no /proc the group is all that is known.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Names a program in the environment of each of its processes. */
export const marker = 'DARKROOM_PROGRAM';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** Clock ticks between the machine's start and its own; with the pid it names a process, whose pid may be another's later. */
  readonly startedAt: number;
  /** Seconds of processor, of the children that it has waited for too. */
  readonly cpuSeconds: number;
}

/** What /proc counts in, on every Linux. */
const ticksPerSecond = 100;

/** Names a process, also after its pid has become another's. */
export type ProcessName = Pick<Process, 'pid' | 'startedAt'>;

/** A process; undefined when it is gone, or waits as a zombie for its parent to ask for it. */
export function processAt(pid: number): Process | undefined {
  const found = entryAt(pid);
  return found?.lives === true ? found : undefined;
}

/** When the process of that pid began, be it a zombie; 0 when there is none. */
export const startOf = (pid: number): number => entryAt(pid)?.startedAt ?? 0;

/** What /proc has under a pid, which no other process gets for as long as it has something. */
function entryAt(pid: number): (Process & { readonly lives: boolean }) | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // Behind the name, which may hold anything: state, parent, group, session, …
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (index: number): number => Number(fields[index] ?? 0);
  return {
    pid,
    lives: fields[0] !== 'Z' && fields[0] !== 'X',
    parent: field(1),
    group: field(2),
    startedAt: field(19),
    cpuSeconds: (field(11) + field(12) + field(13) + field(14)) / ticksPerSecond,
  };
}

/** Memory that a process has in use, bytes; what it shares with another counts for both. 0 when it is gone. */
export function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Whether the process of that pid is still the one that began then; where /proc is not there, whether there is one. */
export function isRunning({ pid, startedAt }: ProcessName): boolean {
  const found = processAt(pid);
  if (found !== undefined) return found.startedAt === startedAt;
  if (hasProc()) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const hasProc = (): boolean => processAt(process.pid) !== undefined;

/** This process, as others find it. */
export const self = (): ProcessName => ({ pid: process.pid, startedAt: startOf(process.pid) });

function allProcesses(): Process[] {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  return names.flatMap((name) => (/^\d+$/.test(name) ? (processAt(Number(name)) ?? []) : []));
}

function isMarked(pid: number, token: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${marker}=${token}`);
  } catch {
    return false;
  }
}

/**
 * The processes of one program, remembered: one that was seen as its child is its own also when its parent is gone. The group of the first
 * one is the program's while that one is there, or another that is known or marked as the program's: the kernel gives the number of a group
 * to nobody else before its last member is gone, and then it may be anybody's.
 */
export class ProcessTree {
  readonly #root: ProcessName | undefined;
  readonly #token: string;
  readonly #known = new Map<number, number>();
  /** Without /proc: whether the group was seen to be gone. */
  #groupGone = false;

  /** `root` leads a group of its own, where it could be started at all; `token` is in the environment of all. */
  constructor(root: ProcessName | undefined, token: string) {
    // 0 and -1 mean the caller's own group and everybody to the kernel, and 1 is the machine's.
    this.#root = root !== undefined && root.pid > 1 ? root : undefined;
    this.#token = token;
  }

  /** Those that live now. `thorough` looks into the environment of every process, which finds those that no one saw begin. */
  living(thorough = false): Process[] {
    const all = allProcesses().filter(({ pid }) => pid !== process.pid);
    const group = this.#root?.pid;
    let groupIsOurs = this.#rootIsThere();
    const marked = new Set(
      thorough ? all.map(({ pid }) => pid).filter((pid) => isMarked(pid, this.#token)) : [],
    );
    const found = new Set<number>();
    const isOurs = (one: Process): boolean =>
      (groupIsOurs && one.group === group) ||
      this.#known.get(one.pid) === one.startedAt ||
      found.has(one.parent) ||
      marked.has(one.pid);
    // Parents may come behind their children in the list.
    for (let before = -1; before !== found.size; ) {
      before = found.size;
      for (const one of all) {
        if (found.has(one.pid) || !isOurs(one)) continue;
        found.add(one.pid);
        groupIsOurs ||= one.group === group;
      }
    }
    const living = all.filter(({ pid }) => found.has(pid));
    this.#known.clear();
    for (const { pid, startedAt } of living) this.#known.set(pid, startedAt);
    return living;
  }

  /**
   * Ends all of them: they are asked to, and after `graceMs` made to. Resolves with whether none is left.
   */
  async end(graceMs: number): Promise<boolean> {
    this.#signal('SIGTERM', this.living(true));
    for (const until = performance.now() + graceMs; performance.now() < until; await sleep(50)) {
      if (this.living(true).length === 0 && !this.#groupLives()) return true;
    }
    // One may begin another between the list and the signal.
    for (let round = 0; round < 40; round++) {
      const living = this.living(true);
      if (living.length === 0 && !this.#groupLives()) return true;
      this.#signal('SIGKILL', living);
      await sleep(50);
    }
    return false;
  }

  #rootIsThere(): boolean {
    return this.#root !== undefined && startOf(this.#root.pid) === this.#root.startedAt;
  }

  /** Where there is no /proc, all that can be asked. */
  #groupLives(): boolean {
    if (hasProc() || this.#root === undefined || this.#groupGone) return false;
    try {
      process.kill(-this.#root.pid, 0);
      return true;
    } catch {
      this.#groupGone = true;
      return false;
    }
  }

  #signal(signal: NodeJS.Signals, living: readonly Process[]): void {
    const group = this.#root?.pid;
    const pids = living.map((one) => one.pid);
    // The whole group at once, before one of it begins another.
    if (group !== undefined && (this.#groupLives() || living.some((one) => one.group === group)))
      pids.unshift(-group);
    // One that is stopped hears no more than SIGKILL.
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
        if (signal === 'SIGTERM') process.kill(pid, 'SIGCONT');
      } catch {
        // It is gone.
      }
    }
  }
}
