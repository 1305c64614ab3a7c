/** The ledger of items, written by attempts: each write holds the attempt's fence. */
import type { ProblemRecord } from '@darkroom/contract';
import { and, eq, getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { type Fence, fenceCtes, fencedOff, fenceOf } from './fence.ts';
import type { ItemRow } from './rows.ts';
import { type ItemFile, jobItems } from './schema.ts';
import { read, write } from './unavailable.ts';

const theItem = (fence: Fence, stage: string, ordinal: number) =>
  and(eq(jobItems.jobId, fence.jobId), eq(jobItems.stage, stage), eq(jobItems.ordinal, ordinal));

const mine = (fence: Fence): SQL =>
  sql`job_items.run = ${fence.run} and job_items.claim = ${fence.claim} and job_items.state = 'running'`;

/**
 * Takes an item to work on it. Undefined when it has succeeded or failed in this run already. An item that an
 * attempt of this run left `running` counts one more death: that attempt's process died, or hung, under it.
 * Throws {@link Fenced} when the attempt may not write, or a newer one works on the item.
 */
export const claimItem = write(
  async (db: Db, fence: Fence, stage: string, ordinal: number): Promise<ItemRow | undefined> => {
    const [fencedJob, held] = fenceCtes(db, fence, 'share');
    const sameRun = sql`${jobItems.run} = ${fence.run}`;
    const again = sql`${sameRun} and ${jobItems.claim} = ${fence.claim} and ${jobItems.state} = 'running'`;
    const [claimed] = await db
      .with(fencedJob, held)
      .update(jobItems)
      .set({
        state: 'running',
        run: fence.run,
        claim: fence.claim,
        updatedAt: sql`now()`,
        attempt: sql`case when ${again} then ${jobItems.attempt} when ${sameRun} then ${jobItems.attempt} + 1 else 1 end`,
        deaths: sql`case when ${again} then ${jobItems.deaths}
          when ${sameRun} then ${jobItems.deaths} + (${jobItems.state} = 'running')::int else 0 end`,
      })
      .from(held)
      .where(
        and(
          theItem(fence, stage, ordinal),
          sql`(${jobItems.run} < ${fence.run}
               or ${sameRun} and ${jobItems.state} = 'pending'
               or ${sameRun} and ${jobItems.state} = 'running' and ${jobItems.claim} <= ${fence.claim})`,
        ),
      )
      .returning(getTableColumns(jobItems));
    if (claimed !== undefined) return claimed;
    const [item] = await db
      .select()
      .from(jobItems)
      .where(theItem(fence, stage, ordinal));
    const ended = item?.run === fence.run && (item.state === 'succeeded' || item.state === 'failed');
    if (ended && (await stillHolds(db, fence))) return undefined;
    if (item === undefined && (await stillHolds(db, fence))) {
      throw new Error(`Job ${fence.jobId} has no item ${ordinal} in stage ${stage}.`);
    }
    throw fencedOff(fence);
  },
);

const stillHolds = async (db: Db, fence: Fence) =>
  (await db.execute(sql`with ${fenceOf(fence, 'share')} select 1 from fence`)).rows.length > 0;

/** Whether the attempt holds the item: asked right before the item's object is written. */
export const holdsItem = read(
  async (db: Db, fence: Fence, stage: string, ordinal: number): Promise<boolean> => {
    const { rows } = await db.execute(sql`
      with ${fenceOf(fence, 'share')}
      select 1 from ${jobItems}, fence
      where job_items.job_id = fence.job_id and stage = ${stage} and ordinal = ${ordinal} and ${mine(fence)}`);
    return rows.length > 0;
  },
);

/**
 * Gives back the items the attempt works on, as if it had not begun them: a worker that shuts down is no death. How many;
 * none once the attempt is fenced off, for then it did hang.
 */
export const releaseItems = write(async (db: Db, fence: Fence): Promise<number> => {
  const { rows } = await db.execute(sql`
    with ${fenceOf(fence, 'share')}
    update ${jobItems} set state = 'pending', attempt = greatest(job_items.attempt - 1, 0), updated_at = now()
    from fence
    where job_items.job_id = fence.job_id and ${mine(fence)}
    returning ordinal`);
  return rows.length;
});

export interface Publication {
  readonly inputDigest: string;
  readonly resultUri?: string | undefined;
  readonly sha256?: string | undefined;
  readonly bytes?: number | undefined;
  /** Files of the item for the manifest. */
  readonly files?: readonly ItemFile[] | undefined;
  /** Ordinal of the last stage the item has been through. */
  readonly reached: number;
}

/**
 * Publishes an item, after its objects were written: from now on it has succeeded. What `inSameTransaction` writes
 * stands or falls with it. Throws {@link Fenced} when the attempt does not hold the item any more.
 */
export const publishItem = write(
  async (
    db: Db,
    fence: Fence,
    stage: string,
    ordinal: number,
    publication: Publication,
    inSameTransaction?: (tx: Db) => Promise<void>,
  ): Promise<void> => {
    const { inputDigest, resultUri, sha256, bytes, files, reached } = publication;
    const change = sql`
      state = 'succeeded', problem = null, input_digest = ${inputDigest},
      result_uri = ${resultUri ?? null}::text, sha256 = ${sha256 ?? null}::text, bytes = ${bytes ?? null}::bigint,
      files = ${files ? JSON.stringify(files) : null}::jsonb, reached = greatest(item.reached, ${reached}::int)`;
    if (inSameTransaction === undefined) return await endItem(db, fence, stage, ordinal, change);
    await db.transaction(async (tx) => {
      await endItem(tx, fence, stage, ordinal, change);
      await inSameTransaction(tx);
    });
  },
);

/** Ends an item as failed, for this reason. Throws {@link Fenced}. */
export const failItem = write(
  async (db: Db, fence: Fence, stage: string, ordinal: number, problem: ProblemRecord): Promise<void> =>
    endItem(db, fence, stage, ordinal, sql`state = 'failed', problem = ${JSON.stringify(problem)}::jsonb`),
);

/** Gives an item back to be tried again; the reason stays readable. Throws {@link Fenced}. */
export const retryItem = write(
  async (db: Db, fence: Fence, stage: string, ordinal: number, problem: ProblemRecord): Promise<void> =>
    endItem(db, fence, stage, ordinal, sql`state = 'pending', problem = ${JSON.stringify(problem)}::jsonb`),
);

async function endItem(db: Db, fence: Fence, stage: string, ordinal: number, change: SQL): Promise<void> {
  const { rows } = await db.execute(sql`
    with ${fenceOf(fence, 'share')}
    update ${jobItems} as item set ${change}, updated_at = now()
    from fence
    where item.job_id = fence.job_id and item.stage = ${stage} and item.ordinal = ${ordinal}
      and item.run = ${fence.run} and item.claim = ${fence.claim} and item.state = 'running'
    returning item.ordinal`);
  if (rows.length === 0) throw fencedOff(fence);
}
