/** All that a request's `model` is resolved by, in one question: asked often, and kept in memory by who asks. */
import type { ModelIdentity, ModelService } from '@darkroom/contract';
import { type Db, read } from '@darkroom/records';
import { sql } from 'drizzle-orm';
import type { AliasTarget, VersionState } from '../schema.ts';
import { told } from '../workers/told.ts';

/** What living workers hold open of a version, for one service. */
export interface Open {
  readonly workers: number;
  /** Processes that work with it at most, of all these workers. */
  readonly lanes: number;
  /** Workers that were configured with it. */
  readonly own: number;
}

export interface KnownVersion extends ModelIdentity {
  /** Null where it is not registered: a worker of a release before has it open. */
  readonly state: VersionState | null;
  readonly wanted: boolean;
  /** What it can be opened for. */
  readonly serves: readonly ModelService[];
  /** Milliseconds since 1970; 0 where it is not registered. */
  readonly registeredAt: number;
  readonly open: Partial<Record<ModelService, Open>>;
}

/** As Postgres has it at one moment. */
export interface ModelsNow {
  readonly versions: readonly KnownVersion[];
  readonly aliases: readonly ({ readonly name: string; readonly alias: string } & AliasTarget)[];
  readonly defaults: Partial<Record<ModelService, string>>;
}

export const modelsNow = read(async (db: Db): Promise<ModelsNow> => {
  const { rows } = await db.execute<{ now: ModelsNow }>(sql`
    with open as (
      select name, version, digest, serves, count(*) as workers, sum(lanes) as lanes, count(*) filter (where own) as own
      from (${told}) told where state = 'ready' group by name, version, digest, serves
    ), known as (
      select name, version, digest, state, wanted, serves, registered_at from registered_versions
      union all
      select name, version, digest, null, false, array_agg(serves), null::timestamptz from open
      where not exists (select 1 from registered_versions r where (r.name, r.version, r.digest) = (open.name, open.version, open.digest))
      group by name, version, digest
    )
    select jsonb_build_object(
      'versions', coalesce((
        select jsonb_agg(jsonb_build_object(
          'name', name, 'version', version, 'digest', digest, 'state', state, 'wanted', wanted, 'serves', serves,
          'registeredAt', coalesce(round(extract(epoch from registered_at) * 1000), 0),
          'open', coalesce((
            select jsonb_object_agg(serves, jsonb_build_object('workers', workers, 'lanes', lanes, 'own', own)) from open
            where (open.name, open.version, open.digest) = (known.name, known.version, known.digest)), '{}')
          ) order by name, registered_at desc nulls last, version desc, digest) from known), '[]'),
      'aliases', coalesce((
        select jsonb_agg(jsonb_build_object('name', name, 'alias', alias, 'version', version)
          || case when canary_version is null then '{}'
             else jsonb_build_object('canary', jsonb_build_object('version', canary_version, 'share', canary_share)) end
          order by name, alias) from model_aliases), '[]'),
      'defaults', coalesce((select jsonb_object_agg(serves, name) from model_defaults), '{}')
    ) as now`);
  return rows[0]?.now ?? { versions: [], aliases: [], defaults: {} };
});
