/** The ledger of items, read. */
import type { GroupPages, ManifestFile, StageCounts } from '@darkroom/contract';
import { and, asc, eq, gte, inArray, isNotNull, lt, lte, type SQL, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { read } from '../postgres/unavailable.ts';
import type { ItemRow } from '../rows.ts';
import { type ItemPlace, jobItems, jobStages } from '../schema.ts';

/** Items of a stage with `from <= ordinal < to`, in order. */
export const readPage = read(
  async (db: Db, jobId: string, stage: string, from: number, to: number): Promise<ItemRow[]> =>
    db
      .select()
      .from(jobItems)
      .where(
        and(
          eq(jobItems.jobId, jobId),
          eq(jobItems.stage, stage),
          gte(jobItems.ordinal, from),
          lt(jobItems.ordinal, to),
        ),
      )
      .orderBy(asc(jobItems.ordinal)),
);

/** Ordinals that are looked at for groups at a time. */
const groupsLookAhead = 50_000;
/** Groups told of at a time. */
const groupsAtOnce = 1000;

/**
 * The groups of a stage's items from an ordinal on, in order, each with the span of ordinals it fills; items without a group that follow
 * one another are a span too. `next` is where to look for more, null behind the last item. A group that is very large comes in parts.
 */
export const readGroups = read(
  async (db: Db, jobId: string, stage: string, from: number): Promise<GroupPages> => {
    const { rows } = await db.execute<{
      name: string | null;
      from: number;
      to: number;
      beyond: number | null;
    }>(sql`
      with ahead as (
        select ordinal, group_name,
          ordinal - row_number() over (partition by group_name order by ordinal) as island
        from ${jobItems}
        where job_id = ${jobId} and stage = ${stage} and ordinal >= ${from} and ordinal < ${from + groupsLookAhead}
      )
      select group_name as name, min(ordinal) as "from", max(ordinal) + 1 as "to",
        (select min(ordinal) from ${jobItems}
         where job_id = ${jobId} and stage = ${stage} and ordinal >= ${from + groupsLookAhead}) as beyond
      from ahead group by group_name, island order by min(ordinal) limit ${groupsAtOnce + 1}`);
    const told = rows.slice(0, groupsAtOnce);
    return {
      pages: told.map(({ name, from, to }) => ({ from, to, ...(name !== null && { group: name }) })),
      next: rows[told.length]?.from ?? rows[0]?.beyond ?? null,
    };
  },
);

/** Items of a stage. */
export interface ItemCounts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Items that have not ended, of all stages of the job. */
  readonly unfinished: number;
}

/** How many items a stage has, and how many have ended. */
export const countItems = read(async (db: Db, jobId: string, stage: string): Promise<ItemCounts> => {
  const ofStage = eq(jobItems.stage, stage);
  const count = (which: SQL | undefined) => sql<number>`(count(*) filter (where ${which}))::int`;
  const [row] = await db
    .select({
      total: count(ofStage),
      succeeded: count(and(ofStage, eq(jobItems.state, 'succeeded'))),
      failed: count(and(ofStage, eq(jobItems.state, 'failed'))),
      unfinished: count(inArray(jobItems.state, ['pending', 'running'])),
    })
    .from(jobItems)
    .where(eq(jobItems.jobId, jobId));
  return row!;
});

export interface ItemFilter {
  readonly stage?: string | undefined;
  readonly state?: string | undefined;
  readonly limit: number;
  /** The last item of the page before. */
  readonly after?: ItemPlace | undefined;
}

/** The query: items of a job in order, those of several stages by their ordinals; none beyond the ordinal `last`. */
export const itemsInOrder = (
  db: Db,
  jobId: string,
  { stage, state, limit, after }: ItemFilter,
  last?: number,
) =>
  db
    .select()
    .from(jobItems)
    .where(
      and(
        eq(jobItems.jobId, jobId),
        stage === undefined ? undefined : eq(jobItems.stage, stage),
        state === undefined ? undefined : eq(jobItems.state, state),
        // Alone it would do, but not with the primary key, which has the stage before the ordinal.
        after && gte(jobItems.ordinal, after.ordinal),
        after && sql`(${jobItems.ordinal}, ${jobItems.stage}) > (${after.ordinal}::int, ${after.stage})`,
        last === undefined ? undefined : lte(jobItems.ordinal, last),
      ),
    )
    .orderBy(asc(jobItems.ordinal), asc(jobItems.stage))
    .limit(limit);

/** Items of a job in order; reads on until there are so many. */
export const listItems = read(
  async (db: Db, jobId: string, filter: ItemFilter): Promise<ItemRow[]> => itemsInOrder(db, jobId, filter),
);

/** Ordinals among which a page looks for items of one state: no index has what changes, or updates would not be HOT. */
export const lookedThrough = 10_000;

export interface ItemPage {
  readonly items: ItemRow[];
  /** What the next page comes after; null where there is none. */
  readonly next: ItemPlace | null;
}

/**
 * Items of a job in order, a page at a time. One of a single state reads a bounded number of rows, however few are in it: it may have fewer
 * than `limit`, or none, and a next one all the same.
 */
export const pageOfItems = read(async (db: Db, jobId: string, filter: ItemFilter): Promise<ItemPage> => {
  const { stage, state, limit, after } = filter;
  const last = state === undefined ? undefined : (after?.ordinal ?? 0) + lookedThrough;
  const rows = await itemsInOrder(db, jobId, { ...filter, limit: limit + 1 }, last);
  const items = rows.slice(0, limit);
  if (rows.length > limit) return { items, next: items.at(-1) ?? null };
  if (last === undefined) return { items, next: null };
  const [beyond] = await itemsInOrder(db, jobId, {
    stage,
    limit: 1,
    after: { ordinal: last + 1, stage: '' },
  });
  return { items, next: beyond === undefined ? null : { ordinal: beyond.ordinal, stage: '' } };
});

const filesPage = read(async (db: Db, jobId: string, after: { stage: string; ordinal: number }) =>
  db
    .select({
      stage: jobItems.stage,
      ordinal: jobItems.ordinal,
      key: jobItems.key,
      needs: jobItems.needs,
      files: jobItems.files,
    })
    .from(jobItems)
    .where(
      and(
        eq(jobItems.jobId, jobId),
        eq(jobItems.state, 'succeeded'),
        isNotNull(jobItems.files),
        sql`(${jobItems.stage}, ${jobItems.ordinal}) > (${after.stage}, ${after.ordinal}::int)`,
      ),
    )
    .orderBy(asc(jobItems.stage), asc(jobItems.ordinal))
    .limit(filesPerPage),
);

const filesPerPage = 500;

export const beforeAll: ItemPlace = { stage: '', ordinal: 0 };

/** An item that has succeeded, with what it is made of and its files. */
export type PublishedItem = Pick<ItemRow, 'stage' | 'ordinal' | 'key' | 'needs' | 'files'>;

/** All items that succeeded and have files, or those behind `from`, in order, a page at a time. */
export async function* publishedItems(
  db: Db,
  jobId: string,
  from: ItemPlace = beforeAll,
): AsyncGenerator<PublishedItem[]> {
  for (let after: ItemPlace | undefined = from; after; ) {
    const page: PublishedItem[] = await filesPage(db, jobId, after);
    if (page.length > 0) yield page;
    after = page.length < filesPerPage ? undefined : page.at(-1);
  }
}

/** Files of all items that succeeded, in the items' order; holds a page of them in memory. */
export async function* allFiles(db: Db, jobId: string): AsyncGenerator<ManifestFile> {
  for await (const page of publishedItems(db, jobId)) {
    for (const { key, files } of page) {
      for (const file of files ?? []) yield { ...file, item: key };
    }
  }
}

/** Counts of a job's stages, in their order. */
export const getStages = read(
  async (db: Db, jobId: string): Promise<StageCounts[]> =>
    db
      .select({
        name: jobStages.name,
        done: jobStages.done,
        failed: jobStages.failed,
        total: jobStages.total,
      })
      .from(jobStages)
      .where(eq(jobStages.jobId, jobId))
      .orderBy(asc(jobStages.ordinal)),
);
