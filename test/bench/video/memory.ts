/** Memory of a process and its children together, watched while they work. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Watch {
  /** The most they had resident together so far, bytes; a page that several share counts once, in parts (PSS of proc(5)). */
  readonly peak: number;
  /** The most that children had. */
  readonly childPeak: number;
  stop(): Promise<void>;
}

/** Looks at `/proc` four times a second. */
export function watchMemory(pid: number): Watch {
  let peak = 0;
  let childPeak = 0;
  let on = true;
  const watching = (async () => {
    while (on) {
      const own = await resident(pid);
      const children = await Promise.all((await childrenOf(pid)).map(resident));
      const theirs = children.reduce((sum, bytes) => sum + bytes, 0);
      childPeak = Math.max(childPeak, theirs);
      peak = Math.max(peak, own + theirs);
      await sleep(250);
    }
  })();
  return {
    get peak() {
      return peak;
    },
    get childPeak() {
      return childPeak;
    },
    async stop() {
      on = false;
      await watching;
    },
  };
}

async function resident(pid: number): Promise<number> {
  const memory = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(memory)?.[1] ?? 0) * 1024;
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}
