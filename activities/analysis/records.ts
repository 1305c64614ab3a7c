/** What becomes of the rows of an analysis when its job is run again, finds its segments anew, or is deleted. */
import type { KindRecords } from '@darkroom/records';
import { eq } from 'drizzle-orm';
import { recognitionResults, taskSegments, tasks } from './schema.ts';

export const analysisRecords: KindRecords = {
  tables: [recognitionResults, taskSegments, tasks],
  copy: async (tx, { from, to, input }) => {
    const [task] = await tx.select().from(tasks).where(eq(tasks.jobId, from));
    if (!task) return;
    const { media, segments } = task;
    const scoreThreshold =
      typeof input.scoreThreshold === 'number' ? input.scoreThreshold : task.scoreThreshold;
    // The segments of a video are counted when they have been found.
    const known = media === 'video' ? 0 : segments;
    await tx
      .insert(tasks)
      .values({ jobId: to, media, segments: known, scoreThreshold: Math.fround(scoreThreshold) })
      .onConflictDoNothing();
  },
  forget: async (tx, { jobId }) => {
    await tx.delete(recognitionResults).where(eq(recognitionResults.jobId, jobId));
    await tx.delete(taskSegments).where(eq(taskSegments.jobId, jobId));
  },
  found: async (tx, { jobId, count }) => {
    await tx.update(tasks).set({ segments: count }).where(eq(tasks.jobId, jobId));
  },
};
