/**
 * The ledger of items, written by attempts: each write holds the attempt's fence, and takes many items at once. Rows are locked in the
 * order of their ordinals, after the job's and before the stages'.
 */
import type { ProblemRecord } from '@darkroom/contract';
import { and, eq, inArray, sql } from 'drizzle-orm';
import { type Fence, fencedOff, fenceOf } from '../attempts/fence.ts';
import { countable, counting, within } from '../attempts/progress.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { ItemRow } from '../rows.ts';
import { type ItemFile, jobItems } from '../schema.ts';

/** What a claim makes of an item. */
export type Claim = Pick<ItemRow, 'ordinal' | 'state' | 'run' | 'claim' | 'attempt' | 'deaths'>;

/**
 * Takes items to work on them; those that have succeeded or failed in this run already are left out. An item that an attempt of this run
 * left `running` counts one more death: that attempt's process died, or hung, under it. `alone` is kept for whoever asks then, of a suspect.
 * Throws {@link Fenced} when the attempt may not write, or a newer one works on one of the items.
 */
export const claimItems = write(
  async (
    db: Db,
    fence: Fence,
    stage: string,
    ordinals: readonly number[],
    { alone = null }: { readonly alone?: boolean | null } = {},
  ): Promise<Claim[]> => {
    const which = within(ordinals);
    const { rows } = await db.execute<{ ordinal: number; attempt: number; deaths: number }>(sql`
      with ${fenceOf(fence, 'share')}, asked as materialized (
        select item.ordinal,
          item.run = ${fence.run} as same_run,
          item.run = ${fence.run} and item.claim = ${fence.claim} and item.state = 'running' as again
        from ${jobItems} as item join ${listed(ordinals)} using (ordinal), fence
        where item.job_id = fence.job_id and item.stage = ${stage} and ${which}
          and (item.run < ${fence.run}
               or item.run = ${fence.run} and item.state = 'pending'
               or item.run = ${fence.run} and item.state = 'running' and item.claim <= ${fence.claim})
        order by item.ordinal for no key update of item
      )
      update ${jobItems} as item
      set state = 'running', run = ${fence.run}, claim = ${fence.claim}, alone = ${alone}::boolean, updated_at = now(),
          attempt = case when again then item.attempt when same_run then item.attempt + 1 else 1 end,
          deaths = case when again then item.deaths
                        when same_run then item.deaths + (item.state = 'running')::int else 0 end
      from asked
      where item.job_id = ${fence.jobId} and item.stage = ${stage} and ${which} and item.ordinal = asked.ordinal
      returning item.ordinal, item.attempt, item.deaths`);
    if (rows.length < ordinals.length) {
      const taken = new Set(rows.map(({ ordinal }) => ordinal));
      const others = ordinals.filter((ordinal) => !taken.has(ordinal));
      await expectEnded(db, fence, stage, others);
    }
    const { run, claim } = fence;
    return rows
      .sort((a, b) => a.ordinal - b.ordinal)
      .map((row) => ({ ...row, state: 'running', run, claim }));
  },
);

/** Notes that an item which an attempt has claimed alone is so no more; nothing where it has ended. */
export const noteCompany = write(
  async (db: Db, fence: Fence, stage: string, ordinal: number): Promise<void> => {
    await db.execute(sql`
      with ${fenceOf(fence, 'share')}
      update ${jobItems} as item set alone = false
      from fence
      where item.job_id = fence.job_id and item.stage = ${stage} and item.ordinal = ${ordinal}::int and ${workedOn(fence)}`);
  },
);

/** Throws {@link Fenced} unless the items have ended in the fence's run, and it holds. */
async function expectEnded(db: Db, fence: Fence, stage: string, ordinals: readonly number[]): Promise<void> {
  const items = await db
    .select({ ordinal: jobItems.ordinal, run: jobItems.run, state: jobItems.state })
    .from(jobItems)
    .where(
      and(
        eq(jobItems.jobId, fence.jobId),
        eq(jobItems.stage, stage),
        inArray(jobItems.ordinal, [...ordinals]),
      ),
    );
  const { rows: held } = await db.execute(sql`with ${fenceOf(fence, 'share')} select 1 from fence`);
  if (held.length > 0 && items.length < ordinals.length) {
    const known = new Set(items.map(({ ordinal }) => ordinal));
    const unknown = ordinals.find((ordinal) => !known.has(ordinal));
    throw new Error(`Job ${fence.jobId} has no item ${unknown} in stage ${stage}.`);
  }
  const ended = items.every(
    ({ run, state }) => run === fence.run && (state === 'succeeded' || state === 'failed'),
  );
  if (held.length === 0 || !ended) throw fencedOff(fence);
}

/** Which of these items the attempt holds: asked right before their objects are written. */
export const heldItems = read(
  async (db: Db, fence: Fence, stage: string, ordinals: readonly number[]): Promise<Set<number>> => {
    const { rows } = await db.execute<{ ordinal: number }>(sql`
      with ${fenceOf(fence, 'share')}
      select item.ordinal from ${jobItems} as item join ${listed(ordinals)} using (ordinal), fence
      where item.job_id = fence.job_id and item.stage = ${stage} and ${within(ordinals)} and ${workedOn(fence)}`);
    return new Set(rows.map(({ ordinal }) => ordinal));
  },
);

/**
 * Gives back items that the attempt holds (`from <= ordinal < to`), as if it had not begun them: a worker that shuts down is no death. How many;
 * none once the attempt is fenced off, for then it did hang.
 */
export const releaseItems = write(
  async (
    db: Db,
    fence: Fence,
    stage: string,
    { from, to }: { readonly from: number; readonly to: number },
  ): Promise<number> => {
    const { rows } = await db.execute(sql`
      with ${fenceOf(fence, 'share')}, held as materialized (
        select item.ordinal from ${jobItems} as item, fence
        where item.job_id = fence.job_id and item.stage = ${stage}
          and item.ordinal >= ${from}::int and item.ordinal < ${to}::int and ${workedOn(fence)}
        order by item.ordinal for no key update of item
      )
      update ${jobItems} as item set state = 'pending', attempt = greatest(item.attempt - 1, 0), updated_at = now()
      from held
      where item.job_id = ${fence.jobId} and item.stage = ${stage}
        and item.ordinal >= ${from}::int and item.ordinal < ${to}::int and item.ordinal = held.ordinal
      returning item.ordinal`);
    return rows.length;
  },
);

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

/** What became of an item. */
export type ItemEnd = { readonly ordinal: number } & (
  | { readonly state: 'succeeded'; readonly publication: Publication }
  /** It failed for this reason. */
  | { readonly state: 'failed'; readonly problem: ProblemRecord }
  /** It is given back to be tried again; the reason stays readable. */
  | { readonly state: 'pending'; readonly problem: ProblemRecord }
);

/**
 * Publishes items, after their objects were written, or ends them otherwise; the stages' counts move with them. What `inSameTransaction`
 * writes stands or falls with all of it. Throws {@link Fenced} when the attempt does not hold one of the items any more: the others may
 * have ended then, unless `inSameTransaction` was given.
 */
export const endItems = write(
  async (
    db: Db,
    fence: Fence,
    stage: string,
    ends: readonly ItemEnd[],
    inSameTransaction?: (tx: Db) => Promise<void>,
  ): Promise<void> => {
    if (inSameTransaction === undefined) return await writeEnds(db, fence, stage, ends, 'share');
    await db.transaction(async (tx) => {
      // What is written beside the items may change the job's row or lock the fence: two transactions that raised a shared lock would deadlock.
      await writeEnds(tx, fence, stage, ends, 'no key update');
      await inSameTransaction(tx);
    });
  },
);

async function writeEnds(
  db: Db,
  fence: Fence,
  stage: string,
  ends: readonly ItemEnd[],
  lock: 'share' | 'no key update',
): Promise<void> {
  const which = within(ends.map(({ ordinal }) => ordinal));
  const { rows } = await db.execute<{ ended: number }>(sql`
    with ${fenceOf(fence, lock)}, given as (
      select * from jsonb_to_recordset(${JSON.stringify(ends.map(rowOf))}::jsonb) as given
        (ordinal int, state text, problem jsonb, digest text, uri text, sha256 text, bytes bigint, files jsonb, reached smallint)
    ), held as materialized (
      select item.ordinal, item.counted as before from ${jobItems} as item join given using (ordinal), fence
      where item.job_id = fence.job_id and item.stage = ${stage} and ${which} and ${workedOn(fence)}
      order by item.ordinal for no key update of item
    ), fresh as (
      select held.before, given.*, given.state = 'succeeded' as published from held join given using (ordinal)
    ), changed as (
      update ${jobItems} as item
      set state = fresh.state, problem = fresh.problem, updated_at = now(),
          input_digest = case when published then fresh.digest else item.input_digest end,
          result_uri = case when published then fresh.uri else item.result_uri end,
          sha256 = case when published then fresh.sha256 else item.sha256 end,
          bytes = case when published then fresh.bytes else item.bytes end,
          files = case when published then fresh.files else item.files end,
          reached = greatest(item.reached, fresh.reached),
          counted = ${countable(sql`fresh.state`, sql`greatest(item.reached, fresh.reached)`)}
      from fresh
      where item.job_id = ${fence.jobId} and item.stage = ${stage} and ${which} and item.ordinal = fresh.ordinal
      returning item.ordinal, fresh.before, item.counted as after
    ), ${counting(fence.jobId, stage)}
    select count(*)::int as ended from changed`);
  if (rows[0]?.ended !== ends.length) throw fencedOff(fence);
}

/** As the statement takes it. */
function rowOf(end: ItemEnd): Record<string, unknown> {
  const { ordinal, state } = end;
  if (state !== 'succeeded') return { ordinal, state, problem: end.problem };
  const { inputDigest: digest, resultUri: uri, sha256, bytes, files, reached } = end.publication;
  return { ordinal, state, digest, uri, sha256, bytes, files, reached };
}

/**
 * Makes items that have succeeded pending again, whose objects the store has lost; what they count for in the stages stays. Throws
 * {@link Fenced}.
 */
export const redoItems = write(
  async (db: Db, fence: Fence, items: readonly Pick<ItemRow, 'stage' | 'ordinal'>[]): Promise<void> => {
    const ofStages = Map.groupBy(items, ({ stage }) => stage);
    // All or none: tried again after a deadlock, a stage that was done alone would look fenced off.
    await db.transaction(async (tx) => {
      for (const [stage, lost] of ofStages) {
        const ordinals = lost.map(({ ordinal }) => ordinal);
        const { rows } = await tx.execute(sql`
          with ${fenceOf(fence, 'share')}
          update ${jobItems} as item set state = 'pending', updated_at = now()
          from fence, ${listed(ordinals)}
          where item.job_id = fence.job_id and item.job_id = ${fence.jobId} and item.stage = ${stage} and ${within(ordinals)}
            and item.ordinal = listed.ordinal and item.state = 'succeeded'
          returning item.ordinal`);
        if (rows.length === 0) throw fencedOff(fence);
      }
    });
  },
);

/** The rows, called `item`, that the attempt works on. */
const workedOn = (fence: Fence) =>
  sql`item.run = ${fence.run} and item.claim = ${fence.claim} and item.state = 'running'`;

/** Ordinals as a table, by one parameter: the text is the same whatever their number, so that the statement is prepared once. */
const listed = (ordinals: readonly number[]) =>
  sql`unnest(${`{${ordinals.join(',')}}`}::int[]) as listed (ordinal)`;
