/** The runs that estimates are learnt from: noted as they end, the last ones of each kind and key kept. */
import { type Db, read, write } from '@darkroom/records';
import { lt, sql } from 'drizzle-orm';
import type { Run } from './model/model.ts';
import { estimateKeys, estimateRuns } from './schema.ts';

/** Runs of a key that are kept, and that an estimate stands on at most. */
export const keptRuns = 200;

/** What compares: runs of one kind, and of one key within it. */
export interface Comparable {
  readonly kind: string;
  /** What changes how long the same features take: a format, an algorithm, a mode. One of a few. */
  readonly key: string;
}

export interface KeyedRun extends Comparable, Run {}

/** Runs of a key behind those that were read before. */
export interface NotedRuns extends Comparable {
  /** Runs that had been noted when it was read before; 0: none of what was read before counts. */
  readonly since: number;
  /** Runs that have been noted. */
  readonly count: number;
  /** In their order. */
  readonly runs: readonly Run[];
}

/** Notes one run, as {@link recordRuns}. */
export const recordRun = (db: Db, run: KeyedRun): Promise<void> => recordRuns(db, [run]);

/**
 * Notes runs, in one statement: each takes the place of the oldest one of its key, once {@link keptRuns} are there. The keys are
 * locked in their order, as processes note runs side by side.
 */
export const recordRuns = write(async (db: Db, runs: readonly KeyedRun[]): Promise<void> => {
  if (runs.length === 0) return;
  const rows = [...Map.groupBy(runs, ({ kind, key }) => JSON.stringify([kind, key])).values()].flatMap(
    (ofKey) =>
      // Of more than the ring holds the last ones stay; the others count.
      ofKey.map(({ kind, key, features, seconds, bytes = null, estimated = null }, i) => ({
        ...{ kind, key, features, seconds, bytes },
        estimated: estimated && { p50: estimated.p50, p90: estimated.p90 },
        after: ofKey.length - 1 - i,
      })),
  );
  await db.execute(sql`
    with noted as (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as run
        (kind text, key text, features jsonb, seconds float8, bytes float8, estimated jsonb, after int)
    ), counted as (
      insert into ${estimateKeys} as known (kind, key, runs)
      select kind, key, count(*) from noted group by kind, key order by kind, key
      on conflict (kind, key) do update set runs = known.runs + excluded.runs, updated_at = now()
      returning kind, key, runs
    )
    insert into ${estimateRuns} (kind, key, slot, nth, features, seconds, bytes, estimated)
    select kind, key, (runs - after) % ${keptRuns}::int, runs - after, features, seconds, bytes, estimated
    from noted join counted using (kind, key)
    where after < ${keptRuns}::int
    order by kind, key, after desc
    on conflict (kind, key, slot) do update set nth = excluded.nth, features = excluded.features,
      seconds = excluded.seconds, bytes = excluded.bytes, estimated = excluded.estimated, at = now()`);
});

/**
 * The kept runs of all keys but the first so many of those that are `known`; keys without new ones are left out. One that was removed
 * meanwhile counts anew.
 */
export const newRuns = read(
  async (db: Db, known: readonly (Comparable & { readonly count: number })[]): Promise<NotedRuns[]> => {
    const { rows } = await db.execute<{ [Name in keyof NotedRuns]: NotedRuns[Name] }>(sql`
      select k.kind, k.key, coalesce(known.count, 0)::float8 as since, k.runs::float8 as count,
        json_agg(json_build_object('features', r.features, 'seconds', r.seconds, 'bytes', r.bytes, 'estimated', r.estimated)
          order by r.nth) as runs
      from ${estimateKeys} as k
      left join jsonb_to_recordset(${JSON.stringify(known)}::jsonb) as known (kind text, key text, count bigint)
        on known.kind = k.kind and known.key = k.key and known.count <= k.runs
      join ${estimateRuns} as r on r.kind = k.kind and r.key = k.key and r.nth > coalesce(known.count, 0)
      where k.runs > coalesce(known.count, 0)
      group by k.kind, k.key, k.runs, known.count`);
    return rows;
  },
);

/** Removes what has not run since `before`: what it took then says little. */
export const removeOldRuns = write(async (db: Db, before: Date): Promise<void> => {
  await db.transaction(async (tx) => {
    const gone = await tx.delete(estimateKeys).where(lt(estimateKeys.updatedAt, before)).returning();
    await tx.execute(sql`
      delete from ${estimateRuns} as run
      using jsonb_to_recordset(${JSON.stringify(gone.map(({ kind, key }) => ({ kind, key })))}::jsonb) as gone (kind text, key text)
      where run.kind = gone.kind and run.key = gone.key`);
  });
});
