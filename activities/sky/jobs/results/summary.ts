/** What a job of cutouts came to, in a few numbers: for its result. */
import { type CutoutsSummary, cutoutsSummary } from '@darkroom/contract';
import { type Db, read } from '@darkroom/records';
import { jobItems, jobStages } from '@darkroom/records/schema.ts';
import { eq, sql } from 'drizzle-orm';
import { cutoutTiles, jobCutouts } from '../../schema.ts';
import { itemStage } from './made.ts';

/** Of the cutouts that took longest, and of each reason's first failure: the words. */
const [mostSlow, mostCharacters] = [10, 300];

/**
 * Of the cutouts as they are now. Of stages that are under way, what their ended attempts took. Bounded, however large the job: failures are told
 * by their codes, of which there are a few dozen.
 */
export const summaryOf = read(async (db: Db, jobId: string): Promise<CutoutsSummary> => {
  const ours = sql`item.job_id = ${jobId} and item.stage = ${itemStage}`;
  const { rows: counted } = await db.execute(sql`
    select (count(*) filter (where state = 'succeeded'))::int as succeeded,
      (count(*) filter (where state = 'failed'))::int as failed,
      (count(*) filter (where state = 'succeeded' and input ? 'repeats'))::int as repeated,
      coalesce(sum((select sum((file ->> 'bytes')::bigint) from jsonb_array_elements(item.files) as file))
        filter (where state = 'succeeded'), 0)::float8 as bytes,
      coalesce(sum((input ->> 'pixels')::bigint) filter (where state = 'succeeded'), 0)::float8 as pixels,
      (select count(*)::int from ${cutoutTiles} where job_id = ${jobId}) as tiles
    from ${jobItems} as item where ${ours}`);
  const { rows: slowest } = await db.execute(sql`
    select (item.input ->> 'row')::int as row, (item.input ->> 'set')::int as set, item.input ->> 'name' as file, slow.seconds
    from (select ordinal, seconds from ${jobCutouts} where job_id = ${jobId} and seconds > 0
      order by seconds desc, ordinal limit ${mostSlow}) as slow
    join ${jobItems} as item on ${ours} and item.ordinal = slow.ordinal and item.state = 'succeeded'
    order by slow.seconds desc, slow.ordinal`);
  const { rows: failures } = await db.execute(sql`
    select code, count, jsonb_build_object('row', row, 'detail', detail) as first from (
      select problem ->> 'code' as code, (count(*) over (partition by problem ->> 'code'))::int as count,
        (input ->> 'row')::int as row, left(problem ->> 'detail', ${mostCharacters}) as detail,
        row_number() over (partition by problem ->> 'code' order by (input ->> 'row')::int, ordinal) as nth
      from ${jobItems} as item where ${ours} and item.state = 'failed') as failed
    where nth = 1 order by count desc, code`);
  const stages = await db
    .select({
      name: jobStages.name,
      workSeconds: sql<number>`(${jobStages.workMs} / 1000.0)::float8`,
      queueSeconds: sql<number>`(${jobStages.queueMs} / 1000.0)::float8`,
    })
    .from(jobStages)
    .where(eq(jobStages.jobId, jobId))
    .orderBy(jobStages.ordinal);
  return cutoutsSummary.parse({ ...counted[0], stages, slowest, failures });
});
