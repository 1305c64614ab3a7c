/** What runs and waits, of everybody: counted by owner and priority, and where a job stands among its owner's. */
import { and, eq, isNull, type SQL, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { read } from '../postgres/unavailable.ts';
import { documents, type JobRow, type JobWithStages, withStages } from '../rows.ts';
import { jobAttempts, jobs } from '../schema.ts';

/** Jobs of a kind, owner and priority that wait or run. */
export interface OpenJobs {
  readonly kind: string;
  readonly owner: string;
  readonly priority: number;
  readonly state: 'queued' | 'running';
  readonly jobs: number;
  /** Of those that are estimated, the seconds (p50) of all of them, and no more than `longestTurn` of each. */
  readonly seconds: number;
  readonly turnSeconds: number;
  /** How many are not estimated. */
  readonly unestimated: number;
  readonly oldest: string;
}

/**
 * The statement behind {@link openJobs}, to be explained: it reads the rows of the jobs that are open, and no others. `offset 0` keeps the planner from
 * reading the estimate anew wherever `p50` stands.
 */
export const countOfOpenJobs = (longestTurn: Readonly<Record<string, number>>): SQL => sql`
  select job.kind, owner, priority::int as priority, state, count(*)::int as jobs,
    coalesce(sum(p50), 0)::float8 as seconds,
    coalesce(sum(case when p50 > longest then longest else p50 end), 0)::float8 as "turnSeconds",
    (count(*) - count(p50))::int as unestimated, min(id collate "C") as oldest
  from (
    select kind, owner, priority, state, id, (estimate -> 'seconds' ->> 'p50')::float8 as p50 from ${jobs}
    where state in ('queued', 'running') and delete_requested_at is null offset 0
  ) as job
  left join (
    select key as kind, value::float8 as longest from jsonb_each_text(${JSON.stringify(longestTurn)}::jsonb)
  ) as turn on turn.kind = job.kind
  group by job.kind, owner, priority, state`;

/** All that is open, counted. `longestTurn`: by kind, the seconds that a job's first turn takes at most. */
export const openJobs = read(
  async (db: Db, longestTurn: Readonly<Record<string, number>>): Promise<OpenJobs[]> => {
    const { rows } = await db.execute<{ [Name in keyof OpenJobs]: OpenJobs[Name] }>(
      countOfOpenJobs(longestTurn),
    );
    return rows;
  },
);

/** The oldest jobs in a state, with their stages; of an owner, or of all. */
export const oldestJobs = read(
  async (
    db: Db,
    {
      owner,
      state,
      limit,
    }: { readonly owner?: string; readonly state: 'queued' | 'running'; readonly limit: number },
  ): Promise<JobWithStages[]> => {
    const found = await db
      .select(documents)
      .from(jobs)
      .where(
        and(
          isNull(jobs.deleteRequestedAt),
          eq(jobs.state, state),
          owner === undefined ? undefined : eq(jobs.owner, owner),
        ),
      )
      .orderBy(sql`${jobs.id} collate "C"`)
      .limit(limit);
    return found.map(withStages);
  },
);

/** By kind, the attempts that workers have in hand of jobs that run. */
export const attemptsInHand = read(async (db: Db): Promise<Record<string, number>> => {
  const { rows } = await db.execute<{ kind: string; attempts: number }>(sql`
    select job.kind, count(*)::int as attempts
    from ${jobAttempts} as attempt join ${jobs} as job on job.id = attempt.job_id and job.run = attempt.run
    where attempt.finished_at is null and job.state = 'running' and job.delete_requested_at is null
    group by job.kind`);
  return Object.fromEntries(rows.map(({ kind, attempts }) => [kind, attempts]));
});

/** Which of its owner's waiting jobs of these kinds and its priority a job is, from 1; and the oldest of them. */
export const turnOf = read(
  async (
    db: Db,
    { id, owner, priority }: Pick<JobRow, 'id' | 'owner' | 'priority'>,
    kinds: readonly string[],
  ): Promise<{ turn: number; oldest: string }> => {
    const { rows } = await db.execute<{ before: number; oldest: string | null }>(sql`
      select count(*)::int as before, min(id collate "C") as oldest from ${jobs}
      where owner = ${owner} and state = 'queued' and delete_requested_at is null and id collate "C" < ${id}
        and priority = ${priority}::smallint and kind = any(${sql.param(kinds)}::text[])`);
    return { turn: (rows[0]?.before ?? 0) + 1, oldest: rows[0]?.oldest ?? id };
  },
);
