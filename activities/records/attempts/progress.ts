/** Progress: counts of the stages move with the items they count, and those who follow are told about once a second. */
import { asc, eq, type SQL, sql } from 'drizzle-orm';
import { bump } from '../feed/events.ts';
import { beforeAll } from '../items/items.ts';
import type { Db } from '../postgres/connection.ts';
import { write } from '../postgres/unavailable.ts';
import { columnsOfStage, type StageOfJob } from '../rows.ts';
import { type ItemPlace, jobItems, jobStages } from '../schema.ts';
import { type Fence, lockFence } from './fence.ts';

export interface ProgressUpdate {
  /** The stage whose ledger the items are in. */
  readonly itemStage: string;
  /** How far items in hand have come since the last report: ordinal of the last stage each has been through. */
  readonly reached: readonly { readonly ordinal: number; readonly reached: number }[];
}

/**
 * Takes items forward, and the counts of the stages with them; `done` and `reached` never fall. Tells the followers how the stages stand,
 * and returns it. Throws {@link Fenced}.
 */
export const recordProgress = write(
  async (db: Db, fence: Fence, { itemStage, reached }: ProgressUpdate): Promise<StageOfJob[]> =>
    db.transaction(async (tx) => {
      await lockFence(tx, fence);
      if (reached.length > 0) {
        const which = within(reached.map(({ ordinal }) => ordinal));
        await tx.execute(sql`
          with held as materialized (
            select item.ordinal, item.counted as before, report.reached as after
            from ${jobItems} as item, jsonb_to_recordset(${JSON.stringify(reached)}::jsonb) as report (ordinal int, reached smallint)
            where item.job_id = ${fence.jobId} and item.stage = ${itemStage} and ${which} and item.ordinal = report.ordinal
              and item.run = ${fence.run} and item.claim = ${fence.claim} and item.state = 'running'
              and item.reached < report.reached
            order by item.ordinal for no key update of item
          ), changed as (
            update ${jobItems} as item set reached = held.after, counted = held.after, updated_at = now()
            from held where item.job_id = ${fence.jobId} and item.stage = ${itemStage} and ${which} and item.ordinal = held.ordinal
            returning held.before, held.after
          ), ${counting(fence.jobId, itemStage)}
          select count(*) from changed`);
      }
      return await announce(tx, fence);
    }),
);

/** Which stages count the items of `itemStage`. `stage` is an alias of the stages, or their table. */
export const countsItemsOf = (jobId: string, itemStage: string, stage = 'job_stages'): SQL => {
  const of = sql.raw(stage);
  return sql`(${of}.items_of = ${itemStage} or ${of}.items_of is null and ${of}.unit =
    (select u.unit from job_stages u where u.job_id = ${jobId} and u.name = ${itemStage}))`;
};

/**
 * Between which ordinals the rows called `item` lie that are joined to these. Without it the planner, who takes a job for a few rows,
 * reads the whole ledger for a join; with an array of them as well, since each is a search of its own to it.
 */
export const within = (ordinals: readonly number[]): SQL =>
  sql`item.ordinal between ${Math.min(...ordinals)}::int and ${Math.max(...ordinals)}::int`;

/** What `counted` is of a failed item, which counts as done in every stage. */
export const countedAsFailed = sql.raw('32767');

/** What the stages are to hold of an item in this state that has reached this far. */
export const countable = (state: SQL, reached: SQL): SQL =>
  sql`case when ${state} = 'failed' then ${countedAsFailed} else ${reached} end`;

/**
 * CTEs after one called `changed`, whose rows say what the counts held of an item and what they are to hold (`before`, `after`): the
 * stages that count the items of `itemStage` get the difference, in the statement that changes the items. So nobody has to look for what
 * has changed, no index has to know it, and the items' updates stay within their pages (HOT). The stages are locked in their order, since
 * attempts of a job count side by side; done(stage k) = items that reached k, and those that failed.
 */
export const counting = (jobId: string, itemStage: string): SQL => {
  const done = sql`(stage.done + difference.done)`;
  return sql`
    locked as materialized (
      select s.name, s.ordinal from ${jobStages} as s
      where s.job_id = ${jobId} and ${countsItemsOf(jobId, itemStage, 's')} and exists (select 1 from changed)
      order by s.ordinal for no key update
    ), difference as (
      select locked.name,
        (count(*) filter (where before < locked.ordinal and after >= locked.ordinal))::int as done,
        (count(*) filter (where before < ${countedAsFailed} and after = ${countedAsFailed}))::int as failed
      from locked, changed group by locked.name
    ), counted as (
      update ${jobStages} as stage
      set done = ${done}, failed = stage.failed + difference.failed,
          ${stateAs(sql`case when ${done} >= stage.total then 'succeeded' when ${done} > 0 then 'running' else stage.state end`)}
      from difference
      where stage.job_id = ${jobId} and stage.name = difference.name and (difference.done > 0 or difference.failed > 0)
    )`;
};

/** Items that are counted by a statement: it joins them, and a planner without statistics compares each with each. */
const countedAtOnce = 500;

/** Counts what versions that counted later have left uncounted: for the end of the job, whose row is locked. */
export async function recountAll(tx: Db, jobId: string): Promise<void> {
  for (let after = beforeAll; ; ) {
    const first = await firstUncounted(tx, jobId, after);
    if (first === undefined) return;
    after = { ...first, ordinal: first.ordinal + countedAtOnce - 1 };
    const which = sql`item.job_id = ${jobId} and item.stage = ${first.stage} and ${within([first.ordinal, after.ordinal])}`;
    await tx.execute(sql`
      with held as materialized (
        select ordinal, counted as before from ${jobItems} as item
        where ${which} and counted < ${countableItem}
        order by ordinal for no key update
      ), changed as (
        update ${jobItems} as item set counted = ${countableItem} from held
        where ${which} and item.ordinal = held.ordinal
        returning held.before, item.counted as after
      ), ${counting(jobId, first.stage)}
      select count(*) from changed`);
  }
}

async function firstUncounted(
  tx: Db,
  jobId: string,
  { stage, ordinal }: ItemPlace,
): Promise<ItemPlace | undefined> {
  const { rows } = await tx.execute<{ stage: string; ordinal: number }>(sql`
    select stage, ordinal from ${jobItems} as item
    where job_id = ${jobId} and (stage, ordinal) > (${stage}, ${ordinal}::int) and counted < ${countableItem}
    order by stage, ordinal limit 1`);
  return rows[0];
}

const countableItem = countable(sql`item.state`, sql`item.reached`);

/** Sets the total of the stages that count the items of `itemStage`; those whose items are done already are so too. */
export async function setTotal(tx: Db, jobId: string, itemStage: string, total: number): Promise<void> {
  await tx.execute(sql`
    update ${jobStages} as stage
    set total = ${total}::int,
        ${stateAs(sql`case when stage.done > 0 and stage.done >= ${total}::int then 'succeeded' else stage.state end`)}
    where stage.job_id = ${jobId} and ${countsItemsOf(jobId, itemStage, 'stage')}`);
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
  async (db: Db, fence: Fence, stage: string, { done, total }: StageCount): Promise<StageOfJob[]> =>
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
export async function announce(tx: Db, fence: Fence): Promise<StageOfJob[]> {
  const stages = await tx
    .select(columnsOfStage)
    .from(jobStages)
    .where(eq(jobStages.jobId, fence.jobId))
    .orderBy(asc(jobStages.ordinal));
  const counts = stages.map(({ name, state, done, failed, total }) => ({ name, state, done, failed, total }));
  await bump(tx, fence.jobId, 'progress', { run: fence.run, stages: counts });
  return stages;
}
