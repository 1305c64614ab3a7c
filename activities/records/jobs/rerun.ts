/** What a job that is run again takes over from the first one, and what keeps the first one's uploads alive. */
import { and, eq, inArray, isNull, ne, or, sql } from 'drizzle-orm';
import { Fenced } from '../attempts/fence.ts';
import { readPage } from '../items/items.ts';
import type { Db } from '../postgres/connection.ts';
import { read } from '../postgres/unavailable.ts';
import type { ItemRow } from '../rows.ts';
import { jobItems, jobStages, jobs } from '../schema.ts';

/** The items of a job as they were submitted, for another job over the same sources; they are copied where they lie. */
export interface CopiedItems {
  /** The job. */
  readonly copyOf: string;
  /** The stage whose activity works on the items. */
  readonly stage: string;
  /** How many there are, numbered from 1. */
  readonly length: number;
  /** What the stage is made of, where it was submitted without items. */
  readonly stageInput?: object;
}

/**
 * Which items of a job were submitted with it. Those that a stage of the job has found belong to a later stage, and are left to be found
 * again.
 */
export const submittedItems = read(async (db: Db, jobId: string): Promise<CopiedItems> => {
  const { rows } = await db.execute<{ stage: string; length: number; input: object | null }>(sql`
    select name as stage, input, (select count(*)::int from ${jobItems} where job_id = ${jobId} and stage = name) as length
    from ${jobStages}
    where job_id = ${jobId} and (input is not null
      or exists (select 1 from ${jobItems} where job_id = ${jobId} and stage = name))
    order by ordinal limit 1`);
  const [first] = rows;
  return {
    copyOf: jobId,
    stage: first?.stage ?? '',
    // What became the stage's own is not an item of it any more.
    length: first?.input ? 0 : (first?.length ?? 0),
    ...(first?.input && { stageInput: first.input }),
  };
});

const itemsPerPage = 1000;

/** The submitted items, with what each is made of, a page at a time; what a stage without items is made of stands for one. */
export async function* pagesOfItems(db: Db, items: CopiedItems): AsyncGenerator<Pick<ItemRow, 'input'>[]> {
  if (items.stageInput !== undefined) yield [{ input: items.stageInput }];
  for (let from = 1; from <= items.length; from += itemsPerPage)
    yield await readPage(db, items.copyOf, items.stage, from, from + itemsPerPage);
}

/** Which of these ids are jobs of that owner whose inputs another job may read: received whole, and not to be deleted. */
export const jobsToReadFrom = read(
  async (db: Db, owner: string, ids: readonly string[]): Promise<string[]> => {
    if (ids.length === 0) return [];
    const rows = await db
      .select({ id: jobs.id })
      .from(jobs)
      .where(
        and(
          inArray(jobs.id, [...ids]),
          eq(jobs.owner, owner),
          ne(jobs.state, 'receiving'),
          isNull(jobs.deleteRequestedAt),
        ),
      );
    return rows.map(({ id }) => id);
  },
);

/**
 * Whether the uploads of this job are still somebody's: its own, or those of a job that repeats it, and that is not to be deleted. Once
 * false it stays so, as only a job that is not to be deleted can be repeated.
 */
export const isNeeded = read(
  async (db: Db, id: string): Promise<boolean> =>
    (await db.$count(
      jobs,
      and(or(eq(jobs.id, id), eq(jobs.sourceJobId, id)), isNull(jobs.deleteRequestedAt)),
    )) > 0,
);

/** Throws {@link Fenced} while the uploads of this job are needed: asked before each batch of deletes. */
export async function assertUnneeded(db: Db, id: string): Promise<void> {
  if (await isNeeded(db, id)) throw new Fenced(`The objects of job ${id} are still needed.`);
}

/** Which of these ids are jobs whose removal is not proven. */
export const liveJobIds = read(async (db: Db, ids: readonly string[]): Promise<Set<string>> => {
  if (ids.length === 0) return new Set();
  const rows = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(inArray(jobs.id, [...ids]), isNull(jobs.deletedAt)));
  return new Set(rows.map((row) => row.id));
});
