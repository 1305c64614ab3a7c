/** What each worker says of the versions that it holds open: said anew with each beat, believed while the worker lives. */
import {
  type ModelIdentity,
  type ModelService,
  modelsChannel,
  type OpenedModel,
  type ProblemRecord,
} from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, asc, eq, getTableColumns, gt, sql } from 'drizzle-orm';
import type { VersionName } from '../registry/registry.ts';
import { type ConfirmationState, modelConfirmations } from '../schema.ts';
import { ago, lastSaid, silentSeconds, told } from './told.ts';
import { keepUnderstood } from './understood.ts';

/** What a worker says of one version. */
export interface Confirmation extends ModelIdentity {
  readonly serves: ModelService;
  readonly state: ConfirmationState;
  /** How many processes of the worker work with it at most; 0 where it is not open. */
  readonly lanes: number;
  /** Whether it is what the worker was configured with: such a one is held as long as the worker lives, wanted or not. */
  readonly own: boolean;
  /** Why it could not be opened. */
  readonly problem?: ProblemRecord | undefined;
}

/** A row that says nothing new is written anew when it is so old: well before it is believed no more. What is younger is told by the worker's own row. */
const renewedSeconds = 20;
/** A worker whose own row is younger says that it lives there: two beats and a little more. */
const beatingSeconds = 6;

/**
 * Writes all that a worker says of its versions for `serves`, in place of what it said before, and that it lives. Whoever listens on the
 * channel of models is told where anything is new. `understood`: how those that it has opened are read, where that was not told yet.
 */
export const confirmModels = write(
  async (
    db: Db,
    worker: string,
    serves: ModelService,
    confirmations: readonly Omit<Confirmation, 'serves'>[],
    understood: readonly OpenedModel[] = [],
  ): Promise<void> => {
    const said = JSON.stringify(confirmations);
    // Compared first: a beat that says nothing new writes nothing for so long.
    const confirm = sql`
      with said as (
        select name, version, digest, lanes, own, state, problem
        from jsonb_to_recordset(${said}::jsonb)
          as said (name text, version text, digest text, lanes int, own boolean, state text, problem jsonb)
      ), news as (
        (select name, version, digest, lanes, own, state, problem from said
         except
         select name, version, digest, lanes, own, state, problem from model_confirmations
         where worker = ${worker} and serves = ${serves} and seen_at > ${ago(silentSeconds)})
        union all
        (select name, version, digest, lanes, own, state, problem from model_confirmations
         where worker = ${worker} and serves = ${serves} and (name, version) not in (select name, version from said))
      ), gone as (
        delete from model_confirmations
        where worker = ${worker} and serves = ${serves} and (name, version) not in (select name, version from said)
      ), fresh as (
        select name, version, digest, lanes, own, state, problem from model_confirmations
        where worker = ${worker} and serves = ${serves} and seen_at > ${ago(renewedSeconds)} and exists (
          select 1 from model_workers where worker = ${worker} and seen_at > ${ago(beatingSeconds)})
      ), written as (
        insert into model_confirmations (worker, serves, name, version, digest, lanes, own, state, problem, seen_at)
        select ${worker}::text, ${serves}::text, name, version, digest, lanes, own, state, problem, now()
        from (select * from said except select * from fresh) stale
        on conflict (worker, serves, name, version) do update
          set digest = excluded.digest, lanes = excluded.lanes, own = excluded.own, state = excluded.state,
              problem = excluded.problem, seen_at = excluded.seen_at
      )
      select pg_notify(${modelsChannel}, '') from news limit 1`;
    if (understood.length === 0) await db.execute(confirm);
    else
      await db.transaction(async (tx) => {
        await keepUnderstood(tx, understood);
        await tx.execute(confirm);
      });
  },
);

/** What living workers say of a version. */
export const confirmationsOf = read(
  async (db: Db, { name, version }: VersionName): Promise<(typeof modelConfirmations.$inferSelect)[]> =>
    db
      .select({ ...getTableColumns(modelConfirmations), seenAt: lastSaid.mapWith(modelConfirmations.seenAt) })
      .from(modelConfirmations)
      .where(
        and(
          eq(modelConfirmations.name, name),
          eq(modelConfirmations.version, version),
          gt(modelConfirmations.seenAt, ago(silentSeconds)),
        ),
      )
      .orderBy(asc(modelConfirmations.worker), asc(modelConfirmations.serves)),
);

/** Whether a living worker other than `worker` says that it has that version open for `serves`. */
export const isOpenElsewhere = read(
  async (db: Db, worker: string, serves: ModelService, model: ModelIdentity): Promise<boolean> => {
    const { name, version, digest } = model;
    const { rows } = await db.execute(sql`
      select 1 from (${told}) told where state = 'ready' and serves = ${serves} and worker <> ${worker}
        and name = ${name} and version = ${version} and digest = ${digest} limit 1`);
    return rows.length > 0;
  },
);
