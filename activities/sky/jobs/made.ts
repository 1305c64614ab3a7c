/** What is on record of the cutouts of a job that were made. */
import { cutoutsKind } from '@darkroom/contract';
import { type Db, type KindRecords, read, write } from '@darkroom/records';
import { jobItems } from '@darkroom/records/schema.ts';
import { and, eq, sql } from 'drizzle-orm';
import { cutoutTiles, jobCutouts } from '../schema.ts';

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

/** What has become of the item `key`; undefined where it has not succeeded. */
export const madeBefore = read(async (db: Db, jobId: string, key: string) => {
  const [row] = await db
    .select({ inputDigest: jobItems.inputDigest, files: jobItems.files, facts: jobCutouts.facts })
    .from(jobItems)
    .innerJoin(
      jobCutouts,
      and(eq(jobCutouts.jobId, jobItems.jobId), eq(jobCutouts.ordinal, jobItems.ordinal)),
    )
    .where(
      and(
        eq(jobItems.jobId, jobId),
        eq(jobItems.key, key),
        eq(jobItems.stage, itemStage),
        eq(jobItems.state, 'succeeded'),
      ),
    );
  return row;
});
