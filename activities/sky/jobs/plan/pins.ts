/** The files of surveys that a job reads, as they were when it was planned. */
import { type Db, type Fence, fencedOff, fenceOf, read, write } from '@darkroom/records';
import { and, eq, inArray, sql } from 'drizzle-orm';
import { cutoutTiles } from '../../schema.ts';

export type PinnedTile = Omit<typeof cutoutTiles.$inferSelect, 'jobId'>;

/** Pins tiles, in place of what an earlier attempt at the plan has pinned: the survey may have been indexed anew since. Throws Fenced. */
export const pinTiles = write(async (db: Db, fence: Fence, tiles: readonly PinnedTile[]): Promise<void> => {
  if (tiles.length === 0) return;
  const { rows } = await db.execute(sql`
    with ${fenceOf(fence, 'share')}, given as (
      select * from jsonb_to_recordset(${JSON.stringify(tiles)}::jsonb) as given (survey text, tile text, band text, planes jsonb)
    ), pinned as (
      insert into ${cutoutTiles} (job_id, survey, tile, band, planes)
      select fence.job_id, survey, tile, band, planes from given, fence
      on conflict (job_id, survey, tile, band) do update set planes = excluded.planes
    )
    select 1 from fence`);
  if (rows.length === 0) throw fencedOff(fence);
});

/** Those of one survey that a job has by these names, all their bands. */
export const pinnedTiles = read(
  async (
    db: Db,
    jobId: string,
    { survey, tiles }: { readonly survey: string; readonly tiles: readonly string[] },
  ): Promise<PinnedTile[]> => {
    const { jobId: ofJob, survey: ofSurvey, tile, band, planes } = cutoutTiles;
    return db
      .select({ survey: ofSurvey, tile, band, planes })
      .from(cutoutTiles)
      .where(and(eq(ofJob, jobId), eq(ofSurvey, survey), inArray(tile, [...tiles])));
  },
);
