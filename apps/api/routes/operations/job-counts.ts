/** How many jobs there are of each kind and state, for the measures. */
import type { Records } from '@darkroom/records';

/** Scrapes may come from several places; the table is counted once in this time. */
const keptMs = 15_000;

interface JobCount {
  readonly kind: string;
  readonly state: string;
  readonly count: number;
}

/** A function that counts; what it answers is up to 15 s old. */
export function jobCounts({ sql }: Pick<Records, 'sql'>): () => Promise<readonly JobCount[]> {
  let last: Promise<readonly JobCount[]> | undefined;
  let until = 0;
  return () => {
    if (last === undefined || until < Date.now()) {
      until = Date.now() + keptMs;
      last = sql<JobCount>`
        select kind, state, count(*)::int as count from jobs where delete_requested_at is null group by kind, state`;
    }
    return last;
  };
}
