/** Results past their retention: the row tells first that they are gone, then their objects go. */
import { and, eq, isNotNull, isNull, lt, or, sql } from 'drizzle-orm';
import { Fenced } from '../attempts/fence.ts';
import { bump } from '../feed/events.ts';
import { beforeAll } from '../items/items.ts';
import { rowsAtOnce } from '../jobs/begin-again.ts';
import { getJobRow } from '../jobs/jobs.ts';
import { lockJob } from '../jobs/lifecycle.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { JobRow } from '../rows.ts';
import { type ItemPlace, inOrder, isAfter, jobFiles, jobItems, jobs } from '../schema.ts';

/** Ended jobs whose results are past their retention, or whose removal was begun and not ended. */
export const expiredJobs = read(
  async (db: Db, now: Date, after: string, limit: number): Promise<JobRow[]> =>
    expiredPage(db, now, after, limit),
);

/** The query: by the indexes that hold what expires and what is being removed, and nothing that was deleted. */
export const expiredPage = (db: Db, now: Date, after: string, limit: number) =>
  db
    .select()
    .from(jobs)
    .where(
      and(
        or(
          and(
            isNotNull(jobs.resultsExpireAt),
            lt(jobs.resultsExpireAt, now),
            isNull(jobs.resultsRemovedAt),
            isNotNull(jobs.finishedAt),
          ),
          and(isNotNull(jobs.resultsRemovedAt), isNull(jobs.resultsPurgedAt)),
        ),
        isNull(jobs.deleteRequestedAt),
        isAfter(jobs.id, after),
      ),
    )
    .orderBy(inOrder(jobs.id))
    .limit(limit);

/**
 * Takes the results of an ended job that expired before `now` away: nobody reads them from now on, and the job is not resumed any more.
 * Its objects go after this, then what the ledger knows of them; until {@link markResultsPurged} a repetition returns the job again.
 * Undefined when it was resumed or is to be deleted: the row lock decides.
 */
export const takeExpired = write(
  async (db: Db, id: string, now: Date): Promise<JobRow | undefined> =>
    db.transaction(async (tx) => {
      const job = await lockJob(tx, id);
      if (job === undefined || !mayPurge(job)) return undefined;
      if (job.resultsRemovedAt !== null) return job;
      if (job.resultsExpireAt === null || job.resultsExpireAt >= now) return undefined;
      await tx.update(jobs).set({ resultsRemovedAt: sql`now()` }).where(eq(jobs.id, id));
      await bump(tx, id, 'state', { state: job.state, run: job.run, resultsRemoved: true });
      return job;
    }),
);

const mayPurge = (job: JobRow): boolean =>
  job.finishedAt !== null && job.resultsPurgedAt === null && job.deleteRequestedAt === null;

/** Throws {@link Fenced} unless the results were taken away and are still to be removed: asked before each batch of deletes. */
export const assertExpired = read(async (db: Db, id: string): Promise<void> => {
  const job = await getJobRow(db, id);
  if (job !== undefined && mayPurge(job) && job.resultsRemovedAt !== null) return;
  throw new Fenced(`The results of job ${id} are not the sweep's to remove.`);
});

/**
 * Clears the URIs and files that the ledger has of a job whose results were taken away, some thousand items at a time: none of the
 * statements is long, however many items there are.
 */
export async function forgetFiles(db: Db, id: string): Promise<void> {
  for (let after: ItemPlace | undefined = beforeAll; after; ) after = await forgetFilesAfter(db, id, after);
}

/** Undefined after the last item. */
const forgetFilesAfter = write(
  async (db: Db, id: string, { stage, ordinal }: ItemPlace): Promise<ItemPlace | undefined> =>
    db.transaction(async (tx) => {
      const job = await lockJob(tx, id);
      if (job === undefined || !mayPurge(job) || job.resultsRemovedAt === null) return undefined;
      const { rows } = await tx.execute<{ stage: string; ordinal: number }>(sql`
        with page as (
          select stage, ordinal from ${jobItems}
          where job_id = ${id} and (stage, ordinal) > (${stage}, ${ordinal}::int)
          order by stage, ordinal limit ${rowsAtOnce}
        ), cleared as (
          update ${jobItems} as item set result_uri = null, files = null, updated_at = now()
          from page
          where item.job_id = ${id} and item.stage = page.stage and item.ordinal = page.ordinal
            and (item.result_uri is not null or item.files is not null)
        )
        select stage, ordinal from page order by stage desc, ordinal desc limit 1`);
      if (rows[0] === undefined) await tx.delete(jobFiles).where(eq(jobFiles.jobId, id));
      return rows[0];
    }),
);

/** Notes that the objects of the results are gone. */
export const markResultsPurged = write(async (db: Db, id: string): Promise<void> => {
  await db
    .update(jobs)
    .set({ resultsPurgedAt: sql`now()` })
    .where(and(eq(jobs.id, id), isNotNull(jobs.resultsRemovedAt), isNull(jobs.resultsPurgedAt)));
});
