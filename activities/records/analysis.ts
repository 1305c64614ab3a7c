/** What analysis found: the task, its segments, the detections in them. */
import { type Detection, type ModelIdentity, modelIdentity } from '@darkroom/contract';
import { and, eq, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { type Fence, lockFence } from './fence.ts';
import type { TaskRow } from './rows.ts';
import { jobs } from './schema.ts';
import { recognitionResults, taskSegments, tasks } from './schema-analysis.ts';
import { read, write } from './unavailable.ts';

export interface NewTask {
  readonly jobId: string;
  readonly media: 'photo' | 'video';
  readonly segments: number;
  readonly scoreThreshold: number;
}

/** Writes the task of a job; a repetition changes nothing. */
export const createTask = write(async (tx: Db, task: NewTask): Promise<void> => {
  await tx.insert(tasks).values(task).onConflictDoNothing();
});

export const getTask = read(async (db: Db, jobId: string): Promise<TaskRow | undefined> => {
  const [row] = await db.select().from(tasks).where(eq(tasks.jobId, jobId));
  return row;
});

/**
 * Pins the model of a job: the first attempt's stays, and is what every later call returns. Whoever gets another
 * one back than it has must not go on with its own. Throws {@link Fenced}.
 */
export const pinModel = write(
  async (db: Db, fence: Fence, model: ModelIdentity): Promise<ModelIdentity> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const { jobId } = fence;
      const [job] = await tx.select({ pinned: jobs.pinned }).from(jobs).where(eq(jobs.id, jobId));
      if (job?.pinned?.model !== undefined) return modelIdentity.parse(job.pinned.model);
      await tx
        .update(jobs)
        .set({ pinned: { ...job?.pinned, model } })
        .where(eq(jobs.id, jobId));
      await tx
        .update(tasks)
        .set({ modelName: model.name, modelVersion: model.version, modelDigest: model.digest })
        .where(eq(tasks.jobId, jobId));
      return model;
    }),
);

export interface NewSegment {
  readonly jobId: string;
  /** Ordinal of the segment's item. */
  readonly segmentId: number;
  readonly filename: string;
  readonly sourceUri: string;
  /** Pixels, EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  readonly imageUri?: string | null | undefined;
  readonly annotatedUri?: string | null | undefined;
  readonly resultUri: string;
  readonly detections: readonly Detection[];
}

/** Writes a segment with its detections; a repetition replaces them. For the transaction of `publishItem`. */
export const insertSegment = write(async (tx: Db, segment: NewSegment): Promise<void> => {
  const { detections, ...fields } = segment;
  const [job] = await tx.select({ owner: jobs.owner }).from(jobs).where(eq(jobs.id, segment.jobId));
  if (!job) throw new Error(`There is no job ${segment.jobId} that a segment could belong to.`);
  const row = {
    ...fields,
    owner: job.owner,
    imageUri: fields.imageUri ?? null,
    annotatedUri: fields.annotatedUri ?? null,
  };
  await tx
    .insert(taskSegments)
    .values(row)
    .onConflictDoUpdate({ target: [taskSegments.jobId, taskSegments.segmentId], set: row });
  await tx
    .delete(recognitionResults)
    .where(
      and(eq(recognitionResults.jobId, segment.jobId), eq(recognitionResults.segmentId, segment.segmentId)),
    );
  if (detections.length === 0) return;
  await tx.execute(sql`
    insert into ${recognitionResults} (job_id, segment_id, ordinal, owner, label, score, x, y, width, height)
    select ${segment.jobId}, ${segment.segmentId}::int, found.ordinality, ${job.owner}, value ->> 'label',
           (value ->> 'score')::real, (value #>> '{box,x}')::real, (value #>> '{box,y}')::real,
           (value #>> '{box,width}')::real, (value #>> '{box,height}')::real
    from jsonb_array_elements(${JSON.stringify(detections)}::jsonb) with ordinality as found`);
});
