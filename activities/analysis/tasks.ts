/** The task of a job, and what its first attempt pins. */
import {
  type ModelIdentity,
  modelIdentity,
  type OpenedModel,
  type VideoInfo,
  videoInfo,
} from '@darkroom/contract';
import { modelVersions } from '@darkroom/models/schema.ts';
import { type Db, type Fence, fencedOff, fenceOf, lockFence, read, write } from '@darkroom/records';
import { jobs } from '@darkroom/records/schema.ts';
import { and, eq, sql } from 'drizzle-orm';
import { tasks } from './schema.ts';

export type TaskRow = typeof tasks.$inferSelect;

export interface NewTask {
  readonly jobId: string;
  readonly media: 'photo' | 'video';
  readonly segments: number;
  readonly scoreThreshold: number;
}

/** Writes the task of a job; a repetition changes nothing. */
export const createTask = write(async (tx: Db, task: NewTask): Promise<void> => {
  // A number that is nearly 0 is none of 4 bytes: Postgres would refuse it.
  const scoreThreshold = Math.fround(task.scoreThreshold);
  await tx
    .insert(tasks)
    .values({ ...task, scoreThreshold })
    .onConflictDoNothing();
});

export const getTask = read(async (db: Db, jobId: string): Promise<TaskRow | undefined> => {
  const [row] = await db.select().from(tasks).where(eq(tasks.jobId, jobId));
  return row;
});

/**
 * Pins the model of a job: the first attempt's stays, and is what every later call returns. Whoever gets another
 * one back than it has must not go on with its own. Throws {@link Fenced}.
 */
export const pinModel = write(async (db: Db, fence: Fence, model: ModelIdentity): Promise<ModelIdentity> => {
  const { rows } = await db.execute<{ model: unknown }>(sql`
    with ${fenceOf(fence, 'no key update')}, job as (
      update ${jobs} set pinned = jsonb_build_object('model', ${JSON.stringify(model)}::jsonb) || coalesce(pinned, '{}')
      from fence where id = fence.job_id
      returning id, pinned -> 'model' as model
    ), task as (
      update ${tasks} set model_name = model ->> 'name', model_version = model ->> 'version', model_digest = model ->> 'digest'
      from job where job_id = job.id
    )
    select model from job`);
  if (rows.length === 0) throw fencedOff(fence);
  return modelIdentity.parse(rows[0]?.model);
});

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

/** The labels of the model that a task was analysed with; undefined where no worker has told them. */
export const labelsOfTask = read(
  async (db: Db, jobId: string): Promise<OpenedModel['labels'] | undefined> => {
    const [row] = await db
      .select({ labels: modelVersions.labels })
      .from(tasks)
      .innerJoin(
        modelVersions,
        and(
          eq(modelVersions.name, tasks.modelName),
          eq(modelVersions.version, tasks.modelVersion),
          eq(modelVersions.digest, tasks.modelDigest),
        ),
      )
      .where(eq(tasks.jobId, jobId));
    return row?.labels;
  },
);
