/** Checkpoints of a stage that finds items, and the items as they are found; both are written together, under the fence. */
import { and, eq, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { type Fence, lockFence } from './fence.ts';
import { sameUnit } from './jobs.ts';
import { announce } from './progress.ts';
import type { CheckpointRow } from './rows.ts';
import { jobCheckpoints, jobItems, jobStages } from './schema.ts';
import { recognitionResults, taskSegments, tasks } from './schema-analysis.ts';
import { read, write } from './unavailable.ts';

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
 * Opens the checkpoint of a stage: the one that is there if it was made of the same `digest`, else a new one, and what the old one
 * had found goes: items of `itemStage` and their segments. Throws {@link Fenced}.
 */
export const openCheckpoint = write(
  async (
    db: Db,
    fence: Fence,
    { stage, itemStage, digest }: { stage: string; itemStage: string; digest: string },
  ): Promise<CheckpointRow> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const { jobId } = fence;
      const known = await getCheckpoint(tx, jobId, stage);
      if (known?.digest === digest) return known;
      if (known !== undefined) await forget(tx, jobId, itemStage);
      const fresh = { digest, cursor: null, found: 0, done: false };
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

async function forget(tx: Db, jobId: string, itemStage: string): Promise<void> {
  await tx.delete(recognitionResults).where(eq(recognitionResults.jobId, jobId));
  await tx.delete(taskSegments).where(eq(taskSegments.jobId, jobId));
  await tx.delete(jobItems).where(and(eq(jobItems.jobId, jobId), eq(jobItems.stage, itemStage)));
  await tx
    .update(jobStages)
    .set({ done: 0, failed: 0, total: null })
    .where(and(eq(jobStages.jobId, jobId), sameUnit(jobId, itemStage)));
}

export interface FoundItem {
  readonly ordinal: number;
  readonly key: string;
  readonly input: object;
  /** URIs of objects that the item is made of; see the column. */
  readonly needs: readonly string[];
}

/**
 * Moves the checkpoint on to `cursor`, with the items found up to there. When `done`, the totals of the stages that count these items are
 * known. What an attempt has written that was cut off is written again, the same. Throws {@link Fenced}.
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
      readonly done: boolean;
    },
  ): Promise<void> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const { jobId } = fence;
      const { stage, itemStage, cursor, items, done } = checkpoint;
      if (items.length > 0) {
        await tx
          .insert(jobItems)
          .values(items.map((item) => ({ jobId, stage: itemStage, ...item, needs: [...item.needs] })))
          .onConflictDoNothing();
      }
      const found = items.at(-1)?.ordinal ?? 0;
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
      if (!done) return;
      await tx
        .update(jobStages)
        .set({ total: row.found })
        .where(and(eq(jobStages.jobId, jobId), sameUnit(jobId, itemStage)));
      await tx.update(tasks).set({ segments: row.found }).where(eq(tasks.jobId, jobId));
      await announce(tx, fence);
    }),
);

/** URIs that items which have not succeeded are made of. */
export const neededObjects = read(async (db: Db, jobId: string): Promise<string[]> => {
  const { rows } = await db.execute<{ uri: string }>(sql`
    select jsonb_array_elements_text(needs) as uri from ${jobItems}
    where job_id = ${jobId} and state <> 'succeeded' and needs is not null`);
  return rows.map(({ uri }) => uri);
});
