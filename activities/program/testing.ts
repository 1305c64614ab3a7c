/** What tests of programs ask of the machine. */
import { readdir, readFile } from 'node:fs/promises';
import { marker, processAt } from './processes.ts';

/** Processes that carry a program's name in their environment: all that a program may have left. */
export async function markedBy(token: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environ = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      return environ.includes(`${marker}=${token}`) && processAt(pid) !== undefined ? [pid] : [];
    }),
  );
  return found.flat();
}
