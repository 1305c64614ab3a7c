/** The items and stages of a job that is queued again, as if nobody had tried what has not succeeded. */
import { and, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import { bump } from '../feed/events.ts';
import type { Db } from '../postgres/connection.ts';
import { write } from '../postgres/unavailable.ts';
import { type ItemPlace, jobCheckpoints, jobItems, jobStages, jobs } from '../schema.ts';

/** Rows that are changed or removed in a transaction: no statement is long, however many rows a job has. */
export const rowsAtOnce = 5000;

/**
 * Goes on with the items of a run that was queued again, from where its row says that they are ready, until all are (true) or a moment has
 * come, in milliseconds as `Date.now()` counts. Each batch is a transaction with its place in the row: whoever was stopped between two has
 * left a queued run that nobody has started, and the next one goes on. True when the run may be started: false also when the row has moved on.
 */
export async function beginAgain(db: Db, jobId: string, run: number, until: number): Promise<boolean> {
  for (;;) {
    const next = await resetNext(db, jobId, run);
    if (next !== 'more') return next === 'ready';
    if (Date.now() >= until) return false;
  }
}

/** What of the run is left to do; `gone`: it is not to be started. The job's row is locked first: no attempt of the run can have begun. */
const resetNext = write(
  async (db: Db, jobId: string, run: number): Promise<'more' | 'ready' | 'gone'> =>
    db.transaction(async (tx) => {
      const [job] = await tx
        .select({ state: jobs.state, resetAfter: jobs.resetAfter })
        .from(jobs)
        .where(
          and(
            eq(jobs.id, jobId),
            eq(jobs.run, run),
            inArray(jobs.state, ['queued', 'cancelling']),
            isNull(jobs.deleteRequestedAt),
          ),
        )
        .for('no key update');
      if (job === undefined) return 'gone';
      if (job.resetAfter === null) return 'ready';
      const done = (await resetSome(tx, jobId, job.resetAfter)) === null;
      if (done) await bump(tx, jobId, 'state', { state: job.state, run });
      return done ? 'ready' : 'more';
    }),
);

/**
 * Makes the next items behind `after` that have not succeeded pending, and notes in the row up to where; behind the last one lets the stages
 * begin with what the ledger holds as done, which may be all of theirs, and those without items with what their checkpoints stand for. A
 * stage that has left a result stays as it is, and durations and attempts of stages go on summing over the runs. Returns the place noted,
 * null when all is done. For a transaction that has locked the job's row.
 */
export async function resetSome(tx: Db, jobId: string, after: ItemPlace): Promise<ItemPlace | null> {
  let place: ItemPlace | null = after;
  for (let left = rowsAtOnce; left > 0 && place !== null; ) {
    const next = await nextItems(tx, jobId, place);
    if (next !== undefined) {
      const to = Math.min(next.last, next.ordinal + left - 1);
      await resetItems(tx, jobId, next, to);
      left -= to - next.ordinal + 1;
      place = { stage: next.stage, ordinal: to };
    } else {
      await resetStages(tx, jobId);
      place = null;
    }
  }
  await tx.update(jobs).set({ resetAfter: place, updatedAt: sql`now()` }).where(eq(jobs.id, jobId));
  return place;
}

/** The next item behind a place, and the last ordinal of its stage. */
async function nextItems(
  tx: Db,
  jobId: string,
  { stage, ordinal }: ItemPlace,
): Promise<(ItemPlace & { last: number }) | undefined> {
  const { rows } = await tx.execute<{ stage: string; ordinal: number; last: number }>(sql`
    select stage, ordinal,
      (select max(ordinal) from ${jobItems} as item where item.job_id = ${jobId} and item.stage = next.stage) as last
    from (
      select stage, ordinal from ${jobItems}
      where job_id = ${jobId} and (stage, ordinal) > (${stage}, ${ordinal}::int)
      order by stage, ordinal limit 1
    ) as next`);
  return rows[0];
}

/** Only what changes: most of a hundred thousand items may be as nobody has touched them. */
async function resetItems(tx: Db, jobId: string, { stage, ordinal }: ItemPlace, to: number): Promise<void> {
  await tx.execute(sql`
    update ${jobItems} set
      state = case when state = 'succeeded' then state else 'pending' end,
      attempt = case when state = 'succeeded' then attempt else 0 end,
      deaths = case when state = 'succeeded' then deaths else 0 end,
      problem = case when state = 'succeeded' then problem end,
      counted = reached, updated_at = now()
    where job_id = ${jobId} and stage = ${stage} and ordinal between ${ordinal}::int and ${to}::int
      and (state in ('failed', 'running') or counted <> reached
           or state = 'pending' and (attempt <> 0 or deaths <> 0 or problem is not null))`);
}

async function resetStages(tx: Db, jobId: string): Promise<void> {
  await tx.execute(sql`
    update ${jobStages} as stage
    set state = case when whole then 'succeeded' else 'pending' end,
        started_at = case when whole then stage.started_at end,
        finished_at = case when whole then stage.finished_at end,
        failed = 0, done = counted.done, resumed_from = counted.done
    from (
      select s.name, case when left_off.stage is null then count(i.ordinal)::int else s.done end as done,
        count(i.ordinal) > 0 and count(i.ordinal) >= s.total as whole
      from ${jobStages} s
      left join ${jobCheckpoints} left_off on left_off.job_id = s.job_id and left_off.stage = s.name
        and s.items_of = '' and (s.digest is null or left_off.digest = s.digest)
      left join ${jobStages} working on working.job_id = s.job_id
        and (s.items_of = working.name or s.items_of is null and working.unit = s.unit)
      left join ${jobItems} i on i.job_id = s.job_id and i.stage = working.name and i.reached >= s.ordinal
      where s.job_id = ${jobId}
      group by s.name, s.total, s.done, left_off.stage
    ) as counted
    where stage.job_id = ${jobId} and stage.name = counted.name and stage.result is null`);
  await tx
    .update(jobStages)
    .set({ resumedFrom: jobStages.done })
    .where(and(eq(jobStages.jobId, jobId), isNotNull(jobStages.result)));
}
