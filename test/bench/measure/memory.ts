/** Memory of processes over time, from Linux' /proc; elsewhere nothing is known. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { withChildren } from './cpu.ts';

const everyMs = 250;

/** Peaks of what was watched, bytes; NaN where nothing was seen. */
export interface MemoryPeak {
  /** Of all processes together: what several share counts once. */
  readonly together: number;
  /** Processes there were at that moment. */
  readonly processes: number;
  readonly samples: number;
}

export interface MemoryWatch {
  stop(): Promise<MemoryPeak>;
}

/** Watches `pids` and what they start, until it is stopped. */
export function watchMemory(pids: readonly number[]): MemoryWatch {
  const stop = new AbortController();
  let peak: MemoryPeak = { together: Number.NaN, processes: 0, samples: 0 };
  const watching = (async () => {
    let samples = 0;
    while (!stop.signal.aborted) {
      const all = await withChildren(pids);
      const each = (await Promise.all(all.map(proportional))).filter((bytes) => bytes !== undefined);
      const together = each.reduce((sum, bytes) => sum + bytes, 0);
      if (each.length > 0 && !(together <= peak.together))
        peak = { together, processes: each.length, samples: 0 };
      samples++;
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => {});
    }
    return { ...peak, samples };
  })();
  return {
    stop() {
      stop.abort();
      return watching;
    },
  };
}

/** What a process has resident, with its share of what others have too; undefined when it is gone. */
async function proportional(pid: number): Promise<number | undefined> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
