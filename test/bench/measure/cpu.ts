/** Processor time and memory of processes, from Linux' /proc; elsewhere nothing is known. */
import { readdir, readFile } from 'node:fs/promises';

/** USER_HZ, in which /proc counts: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

interface Process {
  readonly parent: number;
  readonly seconds: number;
}

/** Processor seconds that each of `pids`, with the processes it started and that still run, has used so far. */
export async function cpuSeconds<Name extends string>(
  pids: Readonly<Record<Name, number>>,
): Promise<Record<Name, number>> {
  const processes = await readProcesses();
  const used = (pid: number): number => {
    const own = processes.get(pid)?.seconds ?? 0;
    const children = [...processes].filter(([, { parent }]) => parent === pid);
    return children.reduce((sum, [child]) => sum + used(child), own);
  };
  const entries = Object.entries<number>(pids).map(([name, pid]) => [name, used(pid)] as const);
  return Object.fromEntries(entries) as Record<Name, number>;
}

/** `pids`, and all processes that these have started and that still run. */
export async function withChildren(pids: readonly number[]): Promise<number[]> {
  const processes = await readProcesses();
  const found = new Set(pids);
  for (const pid of found) for (const [child, { parent }] of processes) if (parent === pid) found.add(child);
  return [...found];
}

/** The most memory a process has had resident so far, in bytes. */
export async function peakMemory(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

async function readProcesses(): Promise<Map<number, Process>> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid): Promise<[number, Process] | undefined> => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
      if (stat === undefined) return undefined;
      // proc(5): the name, in brackets, may hold anything; state, ppid, … utime and stime are fields 14 and 15.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const seconds = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
      return [Number(pid), { parent: Number(fields[1]), seconds }];
    }),
  );
  return new Map(found.filter((each) => each !== undefined));
}
