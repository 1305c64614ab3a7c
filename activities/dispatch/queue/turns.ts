/**
 * In which order jobs begin, as the engine hands their work out. Pure.
 *
 * The model: of jobs that wait for the same workers those of a higher priority (a lower number) come first. Within a priority the owners take turns,
 * in the order in which their oldest waiting jobs came; at each turn an owner's oldest waiting job begins. So of 101 owners' jobs the one of whoever
 * has no other is among the first 101, however many the others have. A turn is no more than a page of the job's items: a job that has begun goes on
 * with its next page behind what its owner has waiting, and takes turns with the other owners like a job that waits. Where work is not cut into
 * pages a turn is the whole of a job, and what has begun is done before anything else begins, whatever its priority.
 *
 * It leaves out what nobody knows beforehand: what comes in meanwhile, pages in hand that a job of a higher priority waits for, since nothing is
 * taken away from a worker, and workers that come and go.
 */

/** Jobs of one owner and priority that wait for, or have, the same workers. */
export interface Line {
  readonly owner: string;
  /** 1 (first) to 5. */
  readonly priority: number;
  /** Jobs that have not begun. */
  readonly waiting: number;
  /** Seconds of work of these, on the whole and of the first turn of each. */
  readonly waitingSeconds: number;
  readonly turnSeconds: number;
  /** The oldest of these; null where there are none. Ids sort by when they were made. */
  readonly oldest: string | null;
  /** Jobs that have begun. */
  readonly running: number;
  /** Seconds of work that these have left. */
  readonly runningSeconds: number;
}

/** A job that waits. */
export interface WaitingJob {
  readonly owner: string;
  readonly priority: number;
  /** Which of its owner's waiting jobs of the same priority it is, from 1. */
  readonly turn: number;
  /** The oldest of these. */
  readonly oldest: string;
}

/** What comes before a job begins. */
export interface Ahead {
  /** Jobs that begin before it. */
  readonly waiting: number;
  /** Jobs that have begun and that it takes turns with, or that go first. */
  readonly running: number;
  /** Seconds of work of all these that come before it begins, one after the other. */
  readonly seconds: number;
}

/**
 * What comes before a job among the jobs of `lines`, where a turn of one that has begun takes so many seconds at most; infinitely many where a turn
 * is the whole of a job.
 */
export function aheadOf(job: WaitingJob, lines: readonly Line[], longestTurn: number): Ahead {
  const ahead = { waiting: 0, running: 0, seconds: 0 };
  const own = lines.find(({ owner, priority }) => owner === job.owner && priority === job.priority);
  // Of an own line that is older than the job, the job's turn knows better.
  const inPages = Number.isFinite(longestTurn);
  const known = own && own.waiting > 0 ? [own] : inPages ? [] : lines;
  const ownTurn = meanOf(known) ?? (inPages ? longestTurn : 0);
  ahead.waiting += job.turn - 1;
  ahead.seconds += (job.turn - 1) * ownTurn;
  for (const line of lines) {
    if (line.priority <= job.priority || !inPages) ahead.running += line.running;
    if (!inPages) ahead.seconds += line.runningSeconds;
    if (line.priority > job.priority) continue;
    if (line.priority < job.priority) {
      ahead.waiting += line.waiting;
      ahead.seconds += line.waitingSeconds + (inPages ? line.runningSeconds : 0);
    } else if (line === own) {
      // The page that its jobs which have begun had asked for before.
      if (inPages) ahead.seconds += Math.min(line.runningSeconds, longestTurn);
    } else {
      const rounds = line.oldest === null || line.oldest < job.oldest ? job.turn : job.turn - 1;
      const begin = Math.min(line.waiting, rounds);
      ahead.waiting += begin;
      if (begin > 0) ahead.seconds += (line.turnSeconds * begin) / line.waiting;
      if (inPages) ahead.seconds += Math.min(line.runningSeconds, (rounds - begin) * longestTurn);
    }
  }
  return ahead;
}

/** Seconds of a waiting job's first turn, on average; undefined where none waits. */
function meanOf(lines: readonly Line[]): number | undefined {
  let [jobs, seconds] = [0, 0];
  for (const { waiting, turnSeconds } of lines) {
    jobs += waiting;
    seconds += turnSeconds;
  }
  return jobs === 0 ? undefined : seconds / jobs;
}
