/** What each worker says of the versions that it holds open: said anew with each beat, believed while the worker lives. */
import {
  type ModelIdentity,
  type ModelService,
  modelsChannel,
  type OpenedModel,
  type ProblemRecord,
} from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { VersionName } from '../registry/registry.ts';
import { type ConfirmationState, modelConfirmations } from '../schema.ts';
import { ago, silentSeconds } from './told.ts';
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
    await db.transaction(async (tx) => {
      await keepUnderstood(tx, understood);
      const said = JSON.stringify(confirmations);
      // Compared first: a beat that says nothing new only moves the time.
      await tx.execute(sql`
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
        ), written as (
          insert into model_confirmations (worker, serves, name, version, digest, lanes, own, state, problem, seen_at)
          select ${worker}::text, ${serves}::text, name, version, digest, lanes, own, state, problem, now() from said
          on conflict (worker, serves, name, version) do update
            set digest = excluded.digest, lanes = excluded.lanes, own = excluded.own, state = excluded.state,
                problem = excluded.problem, seen_at = excluded.seen_at
        )
        select pg_notify(${modelsChannel}, '') from news limit 1`);
    });
  },
);

/** What living workers say of a version. */
export const confirmationsOf = read(
  async (db: Db, { name, version }: VersionName): Promise<(typeof modelConfirmations.$inferSelect)[]> =>
    db
      .select()
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
