/** Looks after a working child: signs of life, memory, time of each task. */
import { readFile } from 'node:fs/promises';

const WATCH_MS = 100;

export interface Watched {
  readonly pid: number;
  readonly stallSeconds: number;
  readonly memoryBytes: number;
  stalled(): void;
  tookMemory(bytes: number): void;
  /** At each look while it waits for nobody. */
  looked(time: ChildTime): void;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

/** Time of a child since it was started or first looked at, seconds. */
export interface ChildTime {
  /** By the clock, without what it waited for its parent. */
  readonly worked: number;
  /** Of processors, in all. */
  readonly computed: number;
}

export class Watch {
  readonly #watched: Watched;
  #timer: NodeJS.Timeout | undefined;
  #aliveAt = 0;
  #paused = 0;
  /** Since when it waits; what it has waited in all before that, milliseconds. */
  #pausedAt = 0;
  #waited = 0;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** From now on the child has something to do. */
  begin(): void {
    this.alive();
    this.#timer ??= setInterval(() => void this.#look(), WATCH_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The child gave a sign of life. */
  alive(): void {
    this.#aliveAt = this.#watched.now();
  }

  /** Of `ChildTime`. */
  get worked(): number {
    const now = this.#paused > 0 ? this.#pausedAt : this.#watched.now();
    return (now - this.#waited) / 1000;
  }

  /** Waits for something that is not the child's to do. */
  async pausedFor<T>(work: Promise<T>): Promise<T> {
    if (this.#paused++ === 0) this.#pausedAt = this.#watched.now();
    try {
      return await work;
    } finally {
      if (--this.#paused === 0) this.#waited += this.#watched.now() - this.#pausedAt;
      this.alive();
    }
  }

  async #look(): Promise<void> {
    const { pid, stallSeconds, memoryBytes } = this.#watched;
    const silent = this.#watched.now() - this.#aliveAt;
    if (this.#paused === 0 && silent > stallSeconds * 1000) this.#watched.stalled();
    const [resident, computed] = await Promise.all([residentBytes(pid), computingSeconds(pid)]);
    if (this.#timer === undefined) return;
    if (resident > memoryBytes) this.#watched.tookMemory(resident);
    if (this.#paused === 0) this.#watched.looked({ worked: this.worked, computed });
  }
}

/** Resident memory of a process; 0 where the system does not tell. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Ticks a second of the times in /proc, on every Linux. */
const TICKS = 100;

/** Processor time a process has taken; 0 where the system does not tell. */
export async function computingSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // After the name, which may hold anything: state, …, user and system time as the 12th and 13th (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS;
}
