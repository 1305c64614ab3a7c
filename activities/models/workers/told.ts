/** What living workers say that they hold open, as one table; how long they are believed. */
import { modelsChannel } from '@darkroom/contract';
import type { Db } from '@darkroom/records';
import { type SQL, sql } from 'drizzle-orm';

/** Of a worker that was silent for so long nothing is believed any more: shorter silences come of load, and keep nobody from sending work. */
export const silentSeconds = 60;

/** Whoever asks whether a model is there now believes a worker for so long. */
export const believedSeconds = 8;

/** Then its rows go, with the next sweep. */
export const forgottenSeconds = 3600;

export const ago = (seconds: number): SQL<Date> => sql`now() - ${seconds}::float8 * interval '1 second'`;

/** When the worker of a confirmation last said that it holds: the row itself is written where it says something new, and now and then. */
export const lastSaid: SQL<Date> = sql`greatest(model_confirmations.seen_at, (
  select worker.seen_at from model_workers worker where worker.worker = model_confirmations.worker))`;

/**
 * Rows (worker, serves, name, version, digest, lanes, own, state, seen_at). A worker of a release before confirmations says what it has beside that it
 * lives.
 */
export const told: SQL = sql`
  select worker, serves, name, version, digest, lanes, own, state, ${lastSaid} as seen_at from model_confirmations
  where seen_at > ${ago(silentSeconds)}
  union all
  select worker, serves, model_name, model_version, model_digest, lanes, true, 'ready', seen_at from model_workers
  where seen_at > ${ago(silentSeconds)} and model_digest is not null and not exists (
    select 1 from model_confirmations confirmed
    where confirmed.worker = model_workers.worker and confirmed.serves = model_workers.serves
      and confirmed.seen_at > ${ago(silentSeconds)})`;

/** Rows (worker, serves): who lives and serves, whatever it has open; also who could not open what it was configured with. */
export const living: SQL = sql`
  select worker, serves from (${told}) told
  union
  select worker, serves from model_workers
  where seen_at > ${ago(silentSeconds)} and (model_digest is not null or problem is not null)`;

/** Tells who listens, with the commit, that something of the models has changed. */
export async function tellChange(db: Db): Promise<void> {
  await db.execute(sql`select pg_notify(${modelsChannel}, '')`);
}
