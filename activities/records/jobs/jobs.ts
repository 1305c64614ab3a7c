/** Jobs: how they are found. */
import { and, desc, eq, gte, isNull, lt, lte, type Placeholder, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { writtenOnce } from '../postgres/prepared.ts';
import { read } from '../postgres/unavailable.ts';
import { documents, type JobRow, type JobWithStages, withStages } from '../rows.ts';
import { byId, jobStages, jobs } from '../schema.ts';

/** The row of a job, a deleted one's tombstone included. */
export const getJobRow = read(async (db: Db, id: string): Promise<JobRow | undefined> => {
  const [row] = await db.select().from(jobs).where(eq(jobs.id, id));
  return row;
});

const jobById = writtenOnce((db) =>
  db
    .select(documents)
    .from(jobs)
    .where(and(eq(jobs.id, sql.placeholder('id')), isNull(jobs.deleteRequestedAt)))
    .prepare('job_by_id'),
);

/** A job with its stages; undefined also from the moment its deletion was asked for. */
export const getJob = read(async (db: Db, id: string): Promise<JobWithStages | undefined> => {
  const [found] = await jobById(db).execute({ id });
  return found && withStages(found);
});

export interface JobFilter {
  /** Absent: jobs of all owners, for operators. */
  readonly owner?: string | undefined;
  readonly kind?: string | undefined;
  readonly state?: string | undefined;
  /** Created at or after. */
  readonly from?: Date | undefined;
  /** Created at or before. */
  readonly to?: Date | undefined;
  readonly limit: number;
  /** Id of the last job of the page before. */
  readonly before?: string | undefined;
}

/** A job in a list, and what differs after each change of its row or its stages' rows. */
export interface MarkedJob {
  readonly id: string;
  readonly mark: string;
}

/**
 * `xmin` is the transaction that wrote a row as it is seen. It has 32 bits and is made 2 by a VACUUM FULL of what is old: beside it
 * stands the version.
 */
const mark = sql<string>`concat(${jobs}.xmin, '/', ${jobs}.version, '/', (
  select string_agg(xmin::text, ',' order by ordinal) from ${jobStages} where job_id = ${jobs}.id))`;

/** Jobs, newest first, a page by id: its cost does not depend on how many there are. {@link getJobs} has the rest of them. */
export const listJobs = read(async (db: Db, filter: JobFilter): Promise<MarkedJob[]> => {
  const bounds = Object.fromEntries(
    Object.entries(boundsOf(filter)).filter(([, bound]) => bound !== undefined),
  );
  const names = Object.keys(bounds);
  const written = pages(db);
  const name = `jobs_${names.join('_')}`;
  const page =
    written.get(name) ??
    pageWithin(
      db,
      Object.fromEntries(names.map((each) => [each, sql.placeholder(each)])) as unknown as Bounds,
    ).prepare(name);
  written.set(name, page);
  return await page.execute(bounds);
});

/** Queries of pages, by the bounds they have: a handful. */
const pages = writtenOnce(() => new Map<string, ReturnType<ReturnType<typeof pageWithin>['prepare']>>());

const jobsById = writtenOnce((db) =>
  db
    .select({ ...documents, mark })
    .from(jobs)
    .where(and(sql`${jobs.id} = any(${sql.placeholder('ids')})`, isNull(jobs.deleteRequestedAt)))
    .prepare('jobs_by_id'),
);

/** Those of the jobs that are there and not to be deleted, in no order, each with its mark at the time. */
export const getJobs = read(
  async (db: Db, ids: readonly string[]): Promise<(JobWithStages & { readonly mark: string })[]> =>
    (await jobsById(db).execute({ ids })).map((found) => ({ ...withStages(found), mark: found.mark })),
);

/** The query behind {@link listJobs}, to be explained. */
export const jobsPage = (db: Db, filter: JobFilter) => pageWithin(db, boundsOf(filter));

/** What a filter says of the columns; of a time, also what it says of the ids. */
const boundsOf = ({ from, to, ...filter }: JobFilter) => ({
  ...filter,
  from,
  fromId: from && idAt(from.getTime() - clockSkewMs),
  to,
  toId: to && idAt(to.getTime() + clockSkewMs),
});
type Bounds = Partial<{
  [Name in keyof ReturnType<typeof boundsOf>]: ReturnType<typeof boundsOf>[Name] | Placeholder;
}>;

function pageWithin(db: Db, { owner, kind, state, from, fromId, to, toId, before, limit }: Bounds) {
  const filtered = owner !== undefined || kind !== undefined || state !== undefined;
  const id = filtered ? sql`${jobs.id} collate "C"` : sql`${jobs.id}`;
  return db
    .select({ id: jobs.id, mark })
    .from(jobs)
    .where(
      and(
        isNull(jobs.deleteRequestedAt),
        owner === undefined ? undefined : eq(jobs.owner, owner),
        kind === undefined ? undefined : eq(jobs.kind, kind),
        state === undefined ? undefined : eq(jobs.state, state),
        from && gte(jobs.createdAt, from),
        fromId === undefined ? undefined : gte(id, fromId),
        to && lte(jobs.createdAt, to),
        toId === undefined ? undefined : lt(id, toId),
        before === undefined ? undefined : lt(id, before),
      ),
    )
    .orderBy(filtered ? byId(jobs.id) : desc(jobs.id))
    .limit(limit ?? 0);
}

/** An id carries the clock of the api that made it, `created_at` that of Postgres. */
export const clockSkewMs = 60_000;

/** Where a UUIDv7 of that moment sorts (RFC 9562, section 5.7: 48 bits of milliseconds come first). */
export function idAt(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}
