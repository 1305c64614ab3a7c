/** Stages without items: what each is made of, and what it came to, kept for later attempts and runs. */
import { and, eq, isNull, ne, not, or, type SQL, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { StageRow } from '../rows.ts';
import { jobCheckpoints, jobItems, jobStages } from '../schema.ts';
import { type Fence, fencedOff, fenceOf, lockFence } from './fence.ts';
import { announce } from './progress.ts';

const theStage = (jobId: string, name: string) => and(eq(jobStages.jobId, jobId), eq(jobStages.name, name));

/** A stage as its row has it; undefined when the job has none of that name. */
export const getStage = read(async (db: Db, jobId: string, name: string): Promise<StageRow | undefined> => {
  const [row] = await db.select().from(jobStages).where(theStage(jobId, name));
  return row;
});

/**
 * What a stage is made of; null when nothing was pinned at submit. Versions before had that as the only item of the stage, and so has a job
 * that runs one of theirs again: it becomes the stage's own. The item stays, as one that is done: a worker of those versions may look at it
 * beside this one. Throws {@link Fenced}.
 */
export async function takeStageInput(db: Db, fence: Fence, name: string): Promise<object | null> {
  const { input, isLeft } = await stageInput(db, fence.jobId, name);
  return isLeft ? await takeFromItem(db, fence, name) : input;
}

/** What a stage is made of; `isLeft` says that it may have to be taken from an item. */
const stageInput = read(
  async (db: Db, jobId: string, name: string): Promise<{ input: object | null; isLeft: boolean }> => {
    const [stage] = await db
      .select({
        input: jobStages.input,
        isLeft: sql<boolean>`${jobStages.input} is null and ${jobStages.itemsOf} is distinct from ${name}
          and (${jobStages.itemsOf} is null or ${jobItems.ordinal} is not null)`,
      })
      .from(jobStages)
      .leftJoin(jobItems, theItem(jobId, name))
      .where(theStage(jobId, name));
    return stage ?? { input: null, isLeft: false };
  },
);

/** The first item of a stage: its only one, where it stands for what the stage is made of. */
const theItem = (jobId: string, stage: string) =>
  and(eq(jobItems.jobId, jobId), eq(jobItems.stage, stage), eq(jobItems.ordinal, 1));

const takeFromItem = write(
  async (db: Db, fence: Fence, name: string): Promise<object | null> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const { jobId } = fence;
      const [item] = await tx
        .update(jobItems)
        .set({ state: 'succeeded' })
        .where(theItem(jobId, name))
        .returning({ input: jobItems.input });
      const input = item?.input ?? null;
      await tx
        .update(jobStages)
        .set({ input, itemsOf: '' })
        .where(and(theStage(jobId, name), isNull(jobStages.input)));
      return input;
    }),
);

/**
 * Begins a stage that is a function of what `digest` stands for: what it came to of something else is forgotten, and its counts begin
 * anew; `anew` has it forget in any case. `done` says whether it has come to its `result` already, `cursor` what an earlier attempt left
 * to go on from; null without one. Throws {@link Fenced}.
 */
export const openStage = write(
  async (
    db: Db,
    fence: Fence,
    name: string,
    digest: string,
    { anew = false }: { readonly anew?: boolean } = {},
  ): Promise<Pick<StageRow, 'result'> & { done: boolean; cursor: object | null }> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const ofAnother = or(isNull(jobStages.digest), ne(jobStages.digest, digest));
      await tx
        .update(jobStages)
        .set({
          result: null,
          objects: null,
          digest,
          done: 0,
          failed: 0,
          resumedFrom: 0,
          state: 'running',
          finishedAt: null,
        })
        .where(and(theStage(fence.jobId, name), anew ? undefined : ofAnother));
      const [row] = await tx
        .select({
          result: jobStages.result,
          // A result may be JSON's null.
          done: sql<boolean>`${jobStages.result} is not null`,
          cursor: jobCheckpoints.cursor,
        })
        .from(jobStages)
        .leftJoin(
          jobCheckpoints,
          and(
            eq(jobCheckpoints.jobId, jobStages.jobId),
            eq(jobCheckpoints.stage, jobStages.name),
            eq(jobCheckpoints.digest, digest),
          ),
        )
        .where(theStage(fence.jobId, name));
      if (row === undefined) throw new TypeError(`Job ${fence.jobId} has no stage ${name}.`);
      return row;
    }),
);

/** Leaves what a later attempt or run of an open stage goes on from, instead of what was left before. Throws {@link Fenced}. */
export const saveStageCheckpoint = write(
  async (
    db: Db,
    fence: Fence,
    {
      name,
      digest,
      cursor,
      objects = [],
    }: { name: string; digest: string; cursor: object; objects?: readonly string[] | undefined },
  ): Promise<void> => {
    const { rows } = await db.execute(sql`
      with ${fenceOf(fence, 'share')}
      insert into ${jobCheckpoints} (job_id, stage, digest, cursor, objects)
      select job_id, ${name}, ${digest}, ${JSON.stringify(cursor)}::jsonb, ${listOf(objects)} from fence
      on conflict (job_id, stage) do update
        set digest = excluded.digest, cursor = excluded.cursor, objects = excluded.objects, item_stage = null, found = 0,
            done = false, updated_at = now()
      returning stage`);
    if (rows.length === 0) throw fencedOff(fence);
  },
);

/**
 * Keeps what an open stage came to, which is then done; a stage whose total nobody told counts as one. What `inSameTransaction` writes
 * stands or falls with it. Throws {@link Fenced}.
 */
export const keepStageResult = write(
  async (
    db: Db,
    fence: Fence,
    {
      name,
      digest,
      result,
      objects = [],
    }: { name: string; digest: string; result: unknown; objects?: readonly string[] | undefined },
    inSameTransaction?: (tx: Db) => Promise<void>,
  ): Promise<void> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      // That of a stage which has found items stays, done as it is: by its digest they are known to be of something else later.
      const goneOnFrom = await tx
        .delete(jobCheckpoints)
        .where(
          and(
            eq(jobCheckpoints.jobId, fence.jobId),
            eq(jobCheckpoints.stage, name),
            not(jobCheckpoints.done),
          ),
        )
        .returning({ objects: jobCheckpoints.objects });
      // Named by nothing any more, those of the checkpoint would outlive a job that succeeds.
      const named = new Set([...objects, ...goneOnFrom.flatMap((checkpoint) => checkpoint.objects ?? [])]);
      const total = sql`coalesce(${jobStages.total}, 1)`;
      const kept = await tx
        .update(jobStages)
        .set({
          result: sql`${JSON.stringify(result ?? null)}::jsonb`,
          objects: listOf([...named]),
          total,
          done: sql`greatest(${jobStages.done}, ${total})`,
          state: 'succeeded',
          finishedAt: sql`coalesce(${jobStages.finishedAt}, now())`,
          movedAt: sql`now()`,
        })
        .where(and(theStage(fence.jobId, name), eq(jobStages.digest, digest)))
        .returning({ name: jobStages.name });
      if (kept.length === 0) throw new TypeError(`Stage ${name} of job ${fence.jobId} is not open.`);
      await inSameTransaction?.(tx);
      await announce(tx, fence);
    }),
);

/** URIs as a column of them has them: null where there are none. */
const listOf = (uris: readonly string[]): SQL =>
  sql`${uris.length === 0 ? null : JSON.stringify(uris)}::jsonb`;

/** URIs of the objects that results and checkpoints of a job's stages name, as long as these stand. */
export const stageObjects = read(async (db: Db, jobId: string): Promise<string[]> => {
  const { rows } = await db.execute<{ uri: string }>(sql`
    select jsonb_array_elements_text(objects) as uri from (
      select objects from ${jobStages} where job_id = ${jobId} and result is not null
      union all
      select objects from ${jobCheckpoints} where job_id = ${jobId}
    ) as named where objects is not null`);
  return rows.map(({ uri }) => uri);
});
