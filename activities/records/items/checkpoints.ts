/** Checkpoints of a stage that finds items, and the items as they are found; both are written together, under the fence. */
import type { JobEstimate, ProblemRecord, Size } from '@darkroom/contract';
import { and, asc, eq, gt, inArray, isNotNull, isNull, ne, or, sql } from 'drizzle-orm';
import { type Fence, lockFence } from '../attempts/fence.ts';
import { announce, countedAsFailed, counting, countsItemsOf, setTotal } from '../attempts/progress.ts';
import { sizeOf, sizeTogether } from '../jobs/size.ts';
import type { Kind } from '../kind.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { CheckpointRow } from '../rows.ts';
import { jobCheckpoints, jobItems, jobStages, jobs } from '../schema.ts';

export const getCheckpoint = read(
  async (db: Db, jobId: string, stage: string): Promise<CheckpointRow | undefined> => {
    const [row] = await db
      .select()
      .from(jobCheckpoints)
      .where(and(eq(jobCheckpoints.jobId, jobId), eq(jobCheckpoints.stage, stage)));
    return row;
  },
);

/**
 * Opens the checkpoint of a stage: the one that is there if it was made of the same `digest` and still `holds`, else a new one, and what
 * the old one had found goes: items of `itemStage`, and what the kind has of them in tables of its own. Throws {@link Fenced}.
 */
export const openCheckpoint = write(
  async (
    db: Db,
    fence: Fence,
    { stage, itemStage, digest }: { stage: string; itemStage: string; digest: string },
    kind: Kind,
    holds: (known: CheckpointRow) => boolean = () => true,
  ): Promise<CheckpointRow> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const { jobId } = fence;
      const known = await getCheckpoint(tx, jobId, stage);
      if (known?.digest === digest && holds(known)) return known;
      if (known !== undefined) {
        await forget(tx, jobId, itemStage, kind);
        await tx
          .update(jobStages)
          .set({ done: 0, resumedFrom: 0 })
          .where(and(eq(jobStages.jobId, jobId), eq(jobStages.name, stage)));
      }
      const fresh = { itemStage, digest, cursor: null, found: 0, done: false };
      const [row] = await tx
        .insert(jobCheckpoints)
        .values({ jobId, stage, ...fresh })
        .onConflictDoUpdate({
          target: [jobCheckpoints.jobId, jobCheckpoints.stage],
          set: { ...fresh, updatedAt: sql`now()` },
        })
        .returning();
      return row!;
    }),
);

/**
 * Has the stages begin anew that found items made of objects, because those are gone: their checkpoints go, and the items with what the
 * kind has of them in tables of its own. Other stages keep theirs: items found in a list stay, and so does what tells whether they are of
 * that list. Throws {@link Fenced}.
 */
export const forgetFound = write(
  async (db: Db, fence: Fence, kind: Kind): Promise<void> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const { jobId } = fence;
      const found = await tx
        .selectDistinct({ stage: jobItems.stage })
        .from(jobItems)
        .where(and(eq(jobItems.jobId, jobId), isNotNull(jobItems.needs)));
      const gone = found.map(({ stage }) => stage);
      for (const stage of gone) await forget(tx, jobId, stage, kind);
      const ofUnknown = and(isNull(jobCheckpoints.itemStage), gt(jobCheckpoints.found, 0));
      await tx
        .delete(jobCheckpoints)
        .where(and(eq(jobCheckpoints.jobId, jobId), or(inArray(jobCheckpoints.itemStage, gone), ofUnknown)));
    }),
);

async function forget(tx: Db, jobId: string, itemStage: string, { records }: Kind): Promise<void> {
  await records?.forget?.(tx, { jobId, itemStage });
  await tx.delete(jobItems).where(and(eq(jobItems.jobId, jobId), eq(jobItems.stage, itemStage)));
  await tx
    .update(jobStages)
    .set({ done: 0, failed: 0, total: null })
    .where(and(eq(jobStages.jobId, jobId), countsItemsOf(jobId, itemStage)));
  await setSize(tx, jobId, itemStage, null);
}

const setSize = async (tx: Db, jobId: string, stage: string, size: Size | null): Promise<void> => {
  await tx
    .update(jobStages)
    .set({ size })
    .where(and(eq(jobStages.jobId, jobId), eq(jobStages.name, stage)));
};

export interface FoundItem {
  readonly ordinal: number;
  readonly key: string;
  readonly input: object;
  /** Items of a group follow one another. */
  readonly group?: string | null;
  /** URIs of objects that the item is made of; see the column. */
  readonly needs?: readonly string[];
  /** What makes it impossible to work on: the item fails of it. */
  readonly problem?: ProblemRecord;
}

/**
 * Moves the checkpoint on to `cursor`, with the items found up to there, some thousands at most. When `done`, the totals of the stages that count these items are
 * known, and the job is estimated by its size unless it has been by what it is. What an attempt has written that was cut off is written again, the same. Returns the size of the job so far where items
 * add to it. Throws {@link Fenced}.
 */
export const saveCheckpoint = write(
  async (
    db: Db,
    fence: Fence,
    checkpoint: {
      readonly stage: string;
      readonly itemStage: string;
      readonly cursor: object;
      readonly items: readonly FoundItem[];
      /** Items found so far; left out, the last one's ordinal. */
      readonly found?: number;
      readonly done: boolean;
    },
    kind: Kind,
    estimateOf?: (size: Size) => JobEstimate | undefined,
  ): Promise<Size> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const { jobId } = fence;
      const { stage, itemStage, cursor, items, done } = checkpoint;
      const size = await insertFound(tx, fence, itemStage, items, kind);
      const found = checkpoint.found ?? items.at(-1)?.ordinal ?? 0;
      const [row] = await tx
        .update(jobCheckpoints)
        .set({
          cursor,
          done,
          found: sql`greatest(${jobCheckpoints.found}, ${found}::int)`,
          updatedAt: sql`now()`,
        })
        .where(and(eq(jobCheckpoints.jobId, jobId), eq(jobCheckpoints.stage, stage)))
        .returning({ found: jobCheckpoints.found });
      if (row === undefined) throw new Error(`Stage ${stage} of job ${jobId} has no open checkpoint.`);
      if (!done) return size;
      await setTotal(tx, jobId, itemStage, row.found);
      await kind.records?.found?.(tx, { jobId, itemStage, count: row.found });
      if (estimateOf !== undefined) await setEstimate(tx, jobId, estimateOf);
      await announce(tx, fence);
      return size;
    }),
);

/** An estimate that the job has by its size stays: how far off it was shows at the end. */
async function setEstimate(
  tx: Db,
  jobId: string,
  estimateOf: (size: Size) => JobEstimate | undefined,
): Promise<void> {
  const stages = await tx.select({ size: jobStages.size }).from(jobStages).where(eq(jobStages.jobId, jobId));
  const estimate = estimateOf(sizeTogether(stages.map(({ size }) => size)));
  if (estimate === undefined) return;
  await tx
    .update(jobs)
    .set({ estimate })
    .where(and(eq(jobs.id, jobId), or(isNull(jobs.estimate), sql`${jobs.estimate} ? 'expected'`)));
}

/** Holds, beside what is known of an item, why it cannot be worked on. */
const unusable = 'foundUnusable';

/** Returns the size of the job with them, nothing where its kind measures none; an item that was there already is not counted again. */
async function insertFound(
  tx: Db,
  { jobId, run }: Fence,
  itemStage: string,
  items: readonly FoundItem[],
  kind: Kind,
): Promise<Size> {
  if (items.length === 0) return {};
  const given = items.map(({ group, ...item }) => ({ ...item, group_name: group }));
  const { rows } = await tx.execute<{ ordinal: number }>(sql`
    with changed as (
      insert into ${jobItems} (job_id, stage, ordinal, key, group_name, input, needs, state, problem, run, counted)
      select ${jobId}, ${itemStage}, ordinal, key, group_name,
        case when problem is null then input else input || jsonb_build_object(${unusable}::text, problem) end, needs,
        case when problem is null then 'pending' else 'failed' end, problem,
        case when problem is null then 0 else ${run}::int end,
        case when problem is null then -1 else ${countedAsFailed} end
      from jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        as given (ordinal int, key text, group_name text, input jsonb, needs jsonb, problem jsonb)
      on conflict (job_id, stage, ordinal) do nothing
      returning ordinal, -1 as before, counted as after
    ), ${counting(jobId, itemStage)}
    select ordinal from changed`);
  const inserted = new Set(rows.map(({ ordinal }) => ordinal));
  const added = sizeOf(
    kind,
    itemStage,
    items.filter(({ ordinal }) => inserted.has(ordinal)),
  );
  if (added === undefined) return {};
  const stages = await tx
    .select({ name: jobStages.name, size: jobStages.size })
    .from(jobStages)
    .where(eq(jobStages.jobId, jobId));
  const before = stages.find(({ name }) => name === itemStage)?.size ?? null;
  await setSize(tx, jobId, itemStage, sizeTogether([before, added]));
  return sizeTogether([...stages.map(({ size }) => size), added]);
}

/**
 * Fails the items of `itemStage` again that the stage which found them had failed, and that a new run has made pending: what they are made
 * of is the same. Throws {@link Fenced}.
 */
export const failFoundAgain = write(
  async (db: Db, fence: Fence, itemStage: string): Promise<void> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      await tx.execute(sql`
        with changed as (
          update ${jobItems}
          set state = 'failed', problem = input -> ${unusable}, run = ${fence.run}, counted = ${countedAsFailed}, updated_at = now()
          where job_id = ${fence.jobId} and stage = ${itemStage} and state = 'pending' and input ? ${unusable}
          returning reached as before, counted as after
        ), ${counting(fence.jobId, itemStage)}
        select count(*) from changed`);
    }),
);

const needsPage = read(async (db: Db, jobId: string, after: { stage: string; ordinal: number }) =>
  db
    .select({ stage: jobItems.stage, ordinal: jobItems.ordinal, needs: jobItems.needs })
    .from(jobItems)
    .where(
      and(
        eq(jobItems.jobId, jobId),
        ne(jobItems.state, 'succeeded'),
        isNotNull(jobItems.needs),
        sql`(${jobItems.stage}, ${jobItems.ordinal}) > (${after.stage}, ${after.ordinal}::int)`,
      ),
    )
    .orderBy(asc(jobItems.stage), asc(jobItems.ordinal))
    .limit(500),
);

/** URIs of what the items are made of that have not succeeded; holds a page of them in memory. */
export async function* allNeeded(db: Db, jobId: string): AsyncGenerator<string> {
  for (let after: { stage: string; ordinal: number } | undefined = { stage: '', ordinal: 0 }; after; ) {
    const page: Awaited<ReturnType<typeof needsPage>> = await needsPage(db, jobId, after);
    for (const { needs } of page) yield* needs ?? [];
    after = page.at(-1);
  }
}
