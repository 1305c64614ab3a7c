/** Progress, written by attempts about once a second: counts follow the ledger by its changes. */
import type { StageState } from '@darkroom/contract';
import { asc, eq, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { bump } from './events.ts';
import { type Fence, lockFence } from './fence.ts';
import type { StageRow } from './rows.ts';
import { jobItems, jobStages } from './schema.ts';
import { write } from './unavailable.ts';

export interface ProgressReport {
  /** The stage whose ledger the items are in. */
  readonly itemStage: string;
  /** How far items have come since the last report: ordinal of the last stage each has been through. */
  readonly reached: readonly { readonly ordinal: number; readonly reached: number }[];
  /** States the caller knows better than the counts do. */
  readonly stageStates?: Readonly<Record<string, StageState>> | undefined;
}

/**
 * Takes items forward and recounts the stages that count them; `done` and `reached` never fall.
 * Returns the job's stages as they stand. Throws {@link Fenced}.
 */
export const recordProgress = write(
  async (db: Db, fence: Fence, report: ProgressReport): Promise<StageRow[]> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      if (report.reached.length > 0) await advanceItems(tx, fence, report);
      await recount(tx, fence.jobId, report.itemStage, report.stageStates);
      return await announce(tx, fence);
    }),
);

async function advanceItems(tx: Db, fence: Fence, { itemStage, reached }: ProgressReport): Promise<void> {
  await tx.execute(sql`
    update ${jobItems} as item
    set reached = report.reached, updated_at = now()
    from jsonb_to_recordset(${JSON.stringify(reached)}::jsonb) as report (ordinal int, reached smallint)
    where item.job_id = ${fence.jobId} and item.stage = ${itemStage} and item.ordinal = report.ordinal
      and item.run = ${fence.run} and item.claim = ${fence.claim} and item.reached < report.reached`);
}

/** What `counted` is of a failed item, which counts as done in every stage. */
const countedAsFailed = sql.raw('32767');
const countable = sql`case when job_items.state = 'failed' then ${countedAsFailed} else job_items.reached end`;

/**
 * Brings the counts of the stages up to the ledger: done(stage k) = items that reached k, and those that failed.
 * Reads only the items that changed since the last time, by an index of those; the job's row is locked, so that each
 * change is counted once. They are named by an array: of a join the planner expects many rows, and reads the whole ledger.
 */
export async function recount(
  tx: Db,
  jobId: string,
  itemStage: string,
  stageStates: Readonly<Record<string, StageState>> = {},
): Promise<void> {
  await tx.execute(sql`
    with changed as materialized (
      select ordinal, counted as before, ${countable} as after
      from ${jobItems} where job_id = ${jobId} and stage = ${itemStage} and counted < ${countable}
      for update
    ), marked as (
      update ${jobItems} set counted = ${countable}
      where job_id = ${jobId} and stage = ${itemStage}
        and ordinal = any(array(select ordinal from changed))
    ), fresh as (
      select s.name, s.total,
             s.done + (count(*) filter (where before < s.ordinal and after >= s.ordinal))::int as done,
             s.failed + (count(*) filter (where after = ${countedAsFailed}))::int as failed
      from ${jobStages} s left join changed on true
      where s.job_id = ${jobId}
        and s.unit = (select unit from ${jobStages} where job_id = ${jobId} and name = ${itemStage})
      group by s.name, s.total, s.done, s.failed
    ), known as (
      select fresh.*, coalesce(
        ${JSON.stringify(stageStates)}::jsonb ->> fresh.name,
        case when fresh.done >= fresh.total then 'succeeded' when fresh.done > 0 then 'running' end) as next
      from fresh
    )
    update ${jobStages} as stage
    set done = known.done, failed = known.failed, ${stateAs(sql`coalesce(known.next, stage.state)`)}
    from known where stage.job_id = ${jobId} and stage.name = known.name`);
}

/** Counts what attempts have left uncounted when they ended: for the end of the job. */
export async function recountAll(tx: Db, jobId: string): Promise<void> {
  const { rows } = await tx.execute<{ stage: string }>(sql`
    select distinct stage from ${jobItems} where job_id = ${jobId} and counted < ${countable}`);
  for (const { stage } of rows) await recount(tx, jobId, stage);
}

/** Sets a stage's state with the times that belong to it. */
const stateAs = (next: ReturnType<typeof sql>) => sql`
  state = ${next},
  started_at = case when ${next} = 'pending' then stage.started_at else coalesce(stage.started_at, now()) end,
  finished_at = case when ${next} in ('pending', 'running') then null else coalesce(stage.finished_at, now()) end`;

/** Counts of a stage; a total that was known stays so. */
export interface StageCount {
  readonly done: number;
  readonly total: number | null;
}

/** Sets the counts of a stage that has no items; `done` never falls. Returns the job's stages. Throws {@link Fenced}. */
export const setStage = write(
  async (db: Db, fence: Fence, stage: string, { done, total }: StageCount): Promise<StageRow[]> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      const newTotal = sql`coalesce(${total}::int, stage.total)`;
      const newDone = sql`greatest(stage.done, ${done}::int)`;
      await tx.execute(sql`
        update ${jobStages} as stage
        set done = ${newDone}, total = ${newTotal},
            ${stateAs(sql`case when ${newDone} >= ${newTotal} then 'succeeded' else 'running' end`)}
        where stage.job_id = ${fence.jobId} and stage.name = ${stage}`);
      return await announce(tx, fence);
    }),
);

/** Tells the followers how the stages stand; returns them. For a transaction that holds the fence. */
export async function announce(tx: Db, fence: Fence): Promise<StageRow[]> {
  const stages = await tx
    .select()
    .from(jobStages)
    .where(eq(jobStages.jobId, fence.jobId))
    .orderBy(asc(jobStages.ordinal));
  const counts = stages.map(({ name, state, done, failed, total }) => ({ name, state, done, failed, total }));
  await bump(tx, fence.jobId, 'progress', { run: fence.run, stages: counts });
  return stages;
}
