/** What a job that is run again takes over from the first one, and what keeps the first one's uploads alive. */
import { and, asc, eq, inArray, isNull } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { jobItems, jobStages, jobs } from './schema.ts';
import { tasks } from './schema-analysis.ts';
import { read } from './unavailable.ts';

export interface ItemsToRepeat {
  /** The stage whose activity works on the items. */
  readonly stage: string;
  readonly items: { key: string; input: Record<string, unknown> }[];
  /** Writes the rows of the analysis for the new job; for the transaction of `commitSubmission`. */
  record(tx: Db, newJobId: string, input: Record<string, unknown>): Promise<void>;
}

/**
 * The items of a job as they were submitted, for another job over the same sources. Those that a stage of the job has found belong
 * to a later stage, and are left to be found again.
 */
export const copyItems = read(async (db: Db, jobId: string): Promise<ItemsToRepeat> => {
  const rows = await db
    .select({ stage: jobItems.stage, key: jobItems.key, input: jobItems.input })
    .from(jobItems)
    .innerJoin(jobStages, and(eq(jobStages.jobId, jobItems.jobId), eq(jobStages.name, jobItems.stage)))
    .where(eq(jobItems.jobId, jobId))
    .orderBy(asc(jobStages.ordinal), asc(jobItems.ordinal));
  const stage = rows[0]?.stage ?? '';
  return {
    stage,
    items: rows.filter((row) => row.stage === stage).map(({ key, input }) => ({ key, input: { ...input } })),
    record: (tx, newJobId, input) => copyTask(tx, jobId, newJobId, input),
  };
});

async function copyTask(
  tx: Db,
  jobId: string,
  newJobId: string,
  input: Record<string, unknown>,
): Promise<void> {
  const [task] = await tx.select().from(tasks).where(eq(tasks.jobId, jobId));
  if (!task) return;
  const { media, segments } = task;
  const scoreThreshold =
    typeof input.scoreThreshold === 'number' ? input.scoreThreshold : task.scoreThreshold;
  // The segments of a video are counted when they have been found.
  const known = media === 'video' ? 0 : segments;
  await tx
    .insert(tasks)
    .values({ jobId: newJobId, media, segments: known, scoreThreshold })
    .onConflictDoNothing();
}

/** Jobs, not to be deleted, that read the uploads of this one. */
export const liveDependents = read(
  async (db: Db, id: string): Promise<number> =>
    db.$count(jobs, and(eq(jobs.sourceJobId, id), isNull(jobs.deleteRequestedAt))),
);

/** Which of these ids are jobs whose removal is not proven. */
export const liveJobIds = read(async (db: Db, ids: readonly string[]): Promise<Set<string>> => {
  if (ids.length === 0) return new Set();
  const rows = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(inArray(jobs.id, [...ids]), isNull(jobs.deletedAt)));
  return new Set(rows.map((row) => row.id));
});
