/** The ledger of items, read. */
import type { ManifestFile, StageCounts } from '@darkroom/contract';
import { and, asc, eq, gte, isNotNull, lt, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import type { ItemRow } from './rows.ts';
import { jobItems, jobStages } from './schema.ts';
import { read } from './unavailable.ts';

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

export interface ItemCounts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
}

/** How many items a stage has, and how many have ended. */
export const countItems = read(async (db: Db, jobId: string, stage: string): Promise<ItemCounts> => {
  const count = (condition?: string) =>
    condition === undefined
      ? sql<number>`count(*)::int`
      : sql<number>`(count(*) filter (where ${jobItems.state} = ${condition}))::int`;
  const [row] = await db
    .select({ total: count(), succeeded: count('succeeded'), failed: count('failed') })
    .from(jobItems)
    .where(and(eq(jobItems.jobId, jobId), eq(jobItems.stage, stage)));
  return row!;
});

export interface ItemFilter {
  readonly stage?: string | undefined;
  readonly state?: string | undefined;
  readonly limit: number;
  /** The last item of the page before. */
  readonly after?: Pick<ItemRow, 'ordinal' | 'stage'> | undefined;
}

/** Items of a job in order, a page at a time; those of several stages by their ordinals. */
export const listItems = read(
  async (db: Db, jobId: string, { stage, state, limit, after }: ItemFilter): Promise<ItemRow[]> =>
    db
      .select()
      .from(jobItems)
      .where(
        and(
          eq(jobItems.jobId, jobId),
          stage === undefined ? undefined : eq(jobItems.stage, stage),
          state === undefined ? undefined : eq(jobItems.state, state),
          after && sql`(${jobItems.ordinal}, ${jobItems.stage}) > (${after.ordinal}::int, ${after.stage})`,
        ),
      )
      .orderBy(asc(jobItems.ordinal), asc(jobItems.stage))
      .limit(limit),
);

const filesPage = read(async (db: Db, jobId: string, after: { stage: string; ordinal: number }) =>
  db
    .select({ stage: jobItems.stage, ordinal: jobItems.ordinal, key: jobItems.key, files: jobItems.files })
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
    .limit(500),
);

/** Files of all items that succeeded, in the items' order; holds a page of them in memory. */
export async function* allFiles(db: Db, jobId: string): AsyncGenerator<ManifestFile> {
  let after = { stage: '', ordinal: 0 };
  while (true) {
    const page = await filesPage(db, jobId, after);
    for (const { key, files } of page) {
      for (const file of files ?? []) yield { ...file, item: key };
    }
    const last = page.at(-1);
    if (last === undefined) return;
    after = last;
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
