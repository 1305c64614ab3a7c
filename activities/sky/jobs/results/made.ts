/** What is on record of the cutouts of a job that were made. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cutoutsKind } from '@darkroom/contract';
import { type Db, type Fence, type KindRecords, read, write } from '@darkroom/records';
import { jobItems } from '@darkroom/records/schema.ts';
import { and, eq, sql } from 'drizzle-orm';
import { cutoutTiles, jobCutouts } from '../../schema.ts';

/** The stage whose items are cutouts. */
export const [, { name: itemStage }] = cutoutsKind.stages;

export type MadeCutout = typeof jobCutouts.$inferSelect;

/** A job that runs another one again is planned anew, so there is nothing to copy. */
export const cutoutRecords: KindRecords = {
  tables: [jobCutouts, cutoutTiles],
  forget: async (tx, { jobId }) => {
    await tx.delete(jobCutouts).where(eq(jobCutouts.jobId, jobId));
    await tx.delete(cutoutTiles).where(eq(cutoutTiles.jobId, jobId));
  },
};

/** Writes rows of cutouts that are published together, in place of what an earlier run wrote. */
export const recordMade = write(async (tx: Db, rows: readonly MadeCutout[]): Promise<void> => {
  await tx
    .insert(jobCutouts)
    .values([...rows])
    .onConflictDoUpdate({
      target: [jobCutouts.jobId, jobCutouts.ordinal],
      set: { facts: sql`excluded.facts`, seconds: sql`excluded.seconds` },
    });
});

/** What has become of the item `key`: `facts` are null of one that was never made. Undefined where there is none. */
export const cutoutBefore = read(async (db: Db, jobId: string, key: string) => {
  const { state, run, claim, inputDigest, files } = jobItems;
  const [row] = await db
    .select({ state, run, claim, inputDigest, files, facts: jobCutouts.facts })
    .from(jobItems)
    .leftJoin(jobCutouts, and(eq(jobCutouts.jobId, jobItems.jobId), eq(jobCutouts.ordinal, jobItems.ordinal)))
    .where(and(eq(jobItems.jobId, jobId), eq(jobItems.key, key), eq(jobItems.stage, itemStage)));
  return row;
});

/** How often it is looked whether a cutout has been made, at first and later on. */
const [leastWaitMs, mostWaitMs] = [10, 500];
/** How long a cutout of the same attempt is waited for: one that this attempt has given up stays in hand for as long as its page. */
const longestWaitMs = 30_000;

/**
 * The cutout `key` where it has succeeded, which is waited for while the same attempt has it in hand: it comes before whoever asks, and is made once
 * for all. Undefined where it has not; then who asks makes it for itself. Throws the signal's reason.
 */
export async function madeBefore(db: Db, fence: Fence, key: string, signal: AbortSignal) {
  const until = Date.now() + longestWaitMs;
  for (let waitMs = leastWaitMs; ; waitMs = Math.min(2 * waitMs, mostWaitMs)) {
    const before = await cutoutBefore(db, fence.jobId, key);
    if (before?.state === 'succeeded') return before;
    const isInHand = before?.state === 'running' && before.run === fence.run && before.claim === fence.claim;
    if (!isInHand || Date.now() > until) return undefined;
    await sleep(waitMs, undefined, { signal });
  }
}
