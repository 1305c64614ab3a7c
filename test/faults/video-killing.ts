/** What deaths in the middle of a split cost: from where it went on, by the job's own log, against where it was. */
import type { Platform } from './platform.ts';
import { readJournal } from './platform.ts';

/** A death of the decoder's process, or of the worker, while the split was at work. */
export interface SplitDeath {
  readonly point: string;
  /** Whether the child alone died. */
  readonly child: boolean;
  /** Seconds of the video that had been worked on, and from which it went on afterwards. */
  readonly at: number;
  readonly from: number;
}

const splitPoints = ['video.decode', 'video.scene', 'video.scene-written', 'video.scene-saved'];

/** Deaths in the split of a job, in order; `workers` are the pids of its workers. */
export async function splitDeaths(
  { records }: Platform,
  job: string,
  journal: string,
  workers: readonly number[],
): Promise<SplitDeath[]> {
  const acts = (await readJournal(journal)).filter(({ point }) => splitPoints.includes(point));
  const starts = await records.sql<{ at: Date; line: string }>`
    select at, line from job_logs where job_id = ${job} and line like 'split: from %' order by id`;
  const scenes = await records.sql<{ ordinal: number; end: number }>`
    select ordinal, (input #>> '{scene,end}')::float8 as end from job_items
    where job_id = ${job} and stage = 'recognise' order by ordinal`;
  return acts.flatMap(({ point, pid, at, detail }) => {
    const next = starts.find((start) => start.at > new Date(at));
    if (next === undefined) return [];
    const where =
      point === 'video.decode'
        ? Number(detail)
        : (scenes.find(({ ordinal }) => ordinal === Number(detail))?.end ?? Number.NaN);
    const from = Number(/from ([\d.]+) s/.exec(next.line)?.[1]);
    return [{ point, child: !workers.includes(pid), at: where, from }];
  });
}
