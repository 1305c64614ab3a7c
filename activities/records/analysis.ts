/** What analysis found: the task, its segments, the detections in them. */
import {
  type Detection,
  type ModelIdentity,
  modelIdentity,
  type Scene,
  type VideoInfo,
  videoInfo,
} from '@darkroom/contract';
import { eq, sql } from 'drizzle-orm';
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
      const pinned = modelIdentity.parse(await pinOnce(tx, fence, 'model', model));
      const { name: modelName, version: modelVersion, digest: modelDigest } = pinned;
      await tx
        .update(tasks)
        .set({ modelName, modelVersion, modelDigest })
        .where(eq(tasks.jobId, fence.jobId));
      return pinned;
    }),
);

/** Pins what is known of a job's video, in the same way. */
export const pinVideo = write(
  async (db: Db, fence: Fence, video: VideoInfo): Promise<VideoInfo> =>
    db.transaction(async (tx) => videoInfo.parse(await pinOnce(tx, fence, 'video', video))),
);

/** What is pinned under `name`, which is `value` if nothing was. */
async function pinOnce(tx: Db, fence: Fence, name: string, value: object): Promise<unknown> {
  await lockFence(tx, fence);
  const [job] = await tx.select({ pinned: jobs.pinned }).from(jobs).where(eq(jobs.id, fence.jobId));
  const known = job?.pinned?.[name];
  if (known !== undefined) return known;
  await tx
    .update(jobs)
    .set({ pinned: { ...job?.pinned, [name]: value } })
    .where(eq(jobs.id, fence.jobId));
  return value;
}

export interface NewSegment {
  readonly jobId: string;
  /** Ordinal of the segment's item. */
  readonly segmentId: number;
  readonly filename: string;
  readonly sourceUri: string;
  /** Pixels, EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  /** Of a video. */
  readonly scene?: Scene | undefined;
  readonly imageUri?: string | null | undefined;
  readonly annotatedUri?: string | null | undefined;
  readonly resultUri: string;
  readonly detections: readonly Detection[];
}

/**
 * Writes a segment with its detections in one statement; a repetition replaces them. For the transaction of `publishItem`.
 */
export const insertSegment = write(async (tx: Db, segment: NewSegment): Promise<void> => {
  const { jobId, segmentId, detections } = segment;
  const { rows } = await tx.execute(sql`
    with job as (
      select id, owner from ${jobs} where id = ${jobId}
    ), written as (
      insert into ${taskSegments} (job_id, segment_id, owner, filename, source_uri, width, height, scene, image_uri, annotated_uri, result_uri)
      select id, ${segmentId}::int, owner, ${segment.filename}, ${segment.sourceUri}, ${segment.width}::int, ${segment.height}::int,
             ${segment.scene === undefined ? null : JSON.stringify(segment.scene)}::jsonb, ${segment.imageUri ?? null}::text, ${segment.annotatedUri ?? null}::text, ${segment.resultUri}
      from job
      on conflict (job_id, segment_id) do update
        set owner = excluded.owner, filename = excluded.filename, source_uri = excluded.source_uri,
            width = excluded.width, height = excluded.height, scene = excluded.scene, image_uri = excluded.image_uri,
            annotated_uri = excluded.annotated_uri, result_uri = excluded.result_uri
    ), surplus as (
      delete from ${recognitionResults}
      where job_id = ${jobId} and segment_id = ${segmentId}::int and ordinal > ${detections.length}::int
    ), found as (
      insert into ${recognitionResults} (job_id, segment_id, ordinal, owner, label, score, x, y, width, height)
      select id, ${segmentId}::int, ordinality, owner, value ->> 'label', (value ->> 'score')::real,
             (value #>> '{box,x}')::real, (value #>> '{box,y}')::real,
             (value #>> '{box,width}')::real, (value #>> '{box,height}')::real
      from job, jsonb_array_elements(${JSON.stringify(detections)}::jsonb) with ordinality
      on conflict (job_id, segment_id, ordinal) do update
        set owner = excluded.owner, label = excluded.label, score = excluded.score,
            x = excluded.x, y = excluded.y, width = excluded.width, height = excluded.height
    )
    select id from job`);
  if (rows.length === 0) throw new Error(`There is no job ${jobId} that a segment could belong to.`);
});
