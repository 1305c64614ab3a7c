/** Events of a job: what a follower has missed, and what wakes it. */
import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { EventRow } from '../rows.ts';
import { jobEvents, jobs } from '../schema.ts';

/** NOTIFY channel; the payload is the job's id. */
export const jobsChannel = 'darkroom_jobs';
/** Events kept of a job; an older `Last-Event-ID` gets a snapshot instead. */
export const eventsLimit = 1000;

export type EventType = 'state' | 'progress';

/**
 * Raises the job's version, stores the event under it and wakes the followers when the transaction commits.
 * Versions are without gaps and commit in order, because the job's row stays locked until then.
 * Returns the version; 0 when the job is gone.
 */
export const bump = write(
  async (tx: Db, jobId: string, type: EventType, data: Record<string, unknown>): Promise<number> => {
    const { rows } = await tx.execute<{ version: string }>(sql`
      with job as (
        update ${jobs} set version = version + 1, updated_at = now()
        where id = ${jobId} and deleted_at is null returning id, version
      ), ${eventOf('job', jobId, type, data)}
      select version, ${wake} from job`);
    return Number(rows[0]?.version ?? 0);
  },
);

/** CTEs that store an event where `source`, the name of one before them, has the job's id and the version it was raised to. */
export const eventOf = (
  source: string,
  jobId: string,
  type: EventType,
  data: Record<string, unknown>,
): SQL => sql`
  event as (
    insert into ${jobEvents} (job_id, id, type, data)
    select id, version, ${type}, ${JSON.stringify(data)}::jsonb from ${sql.raw(source)}
  ), old as (
    delete from ${jobEvents} where job_id = ${jobId}
      and id <= (select version from ${sql.raw(source)}) - ${eventsLimit}::bigint
  )`;

/** Selected from what {@link eventOf} names, wakes the followers. */
export const wake = sql`pg_notify(${jobsChannel}, id)`;

/** Events after `id`, oldest first. */
export const eventsAfter = read(
  async (db: Db, jobId: string, id: number, limit: number): Promise<EventRow[]> =>
    db
      .select()
      .from(jobEvents)
      .where(and(eq(jobEvents.jobId, jobId), gt(jobEvents.id, id)))
      .orderBy(asc(jobEvents.id))
      .limit(limit),
);
