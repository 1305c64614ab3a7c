/** The months of predictions: a table each, made ahead, and gone whole when its time is over. */
import { type Db, write } from '@darkroom/records';
import { lt, sql } from 'drizzle-orm';
import { predictionKeys } from './schema.ts';

/** Any number, the same for everybody who makes or removes partitions. */
const lockId = 720_115_019;

/** A month, UTC: its table and the times that it holds. */
interface Month {
  readonly table: string;
  readonly from: Date;
  /** Not of it any more. */
  readonly to: Date;
}

/** The month that lies `ahead` months after that of `moment`. */
export function monthOf(moment: Date, ahead = 0): Month {
  const from = new Date(Date.UTC(moment.getUTCFullYear(), moment.getUTCMonth() + ahead));
  const to = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1));
  return { table: `predictions_${from.toISOString().slice(0, 7).replace('-', '_')}`, from, to };
}

/**
 * Makes the tables of the month of `now` and the one after it, where they are missing; of several at once, one does. Rows that lie in
 * the default partition, because nobody did so in time, move to where they belong.
 */
export const ensureMonths = write(async (db: Db, now: Date): Promise<void> => {
  for (const { table, from, to } of [monthOf(now), monthOf(now, 1)]) {
    if (await isThere(db, table)) continue;
    await locked(db, async (tx) => {
      if (await isThere(tx, table)) return;
      // What is written meanwhile would lie in the default partition when the new one is attached, and keep it from that.
      await tx.execute(sql`lock table predictions in share row exclusive mode`);
      const [name, first, last] = [sql.identifier(table), from.toISOString(), to.toISOString()];
      await tx.execute(sql`create table ${name} (like predictions including all)`);
      await tx.execute(sql`
        with moved as (
          delete from predictions_default where accepted_at >= ${first} and accepted_at < ${last} returning *
        )
        insert into ${name} select * from moved`);
      await tx.execute(
        sql`alter table predictions attach partition ${name} for values from (${sql.raw(`'${first}'`)}) to (${sql.raw(`'${last}'`)})`,
      );
    });
  }
});

/**
 * Runs `work`, one at a time everywhere. It gives up rather than wait for the tables for long: whoever wants a row would wait behind it.
 */
async function locked<R>(db: Db, work: (tx: Db) => Promise<R>): Promise<R> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${lockId})`);
    await tx.execute(sql`set local lock_timeout = '500ms'`);
    return work(tx);
  });
}

/** Not to_regclass(): within a transaction it goes on answering no from its cache, while who held the lock before has made the table. */
async function isThere(db: Db, table: string): Promise<boolean> {
  const { rows } = await db.execute(
    sql`select 1 from pg_inherits join pg_class child on child.oid = inhrelid
      where inhparent = 'predictions'::regclass and child.relname = ${table}`,
  );
  return rows.length > 0;
}

/** Rows that go by one statement. */
const rowsAtOnce = 5000;

/**
 * Removes what was accepted before `before`: months that lie before it whole, with their tables; of the month that it falls into, some
 * thousand rows a call. Returns how many tables and rows went.
 */
export const removePredictionsBefore = write(
  async (db: Db, before: Date): Promise<{ months: number; rows: number }> => {
    const { rows: tables } = await db.execute<{ name: string }>(sql`
      select child.relname as name from pg_inherits
      join pg_class child on child.oid = inhrelid
      where inhparent = 'predictions'::regclass and child.relname ~ '^predictions_[0-9]{4}_[0-9]{2}$'
        and child.relname < ${monthOf(before).table}`);
    for (const { name } of tables)
      await locked(db, (tx) => tx.execute(sql`drop table if exists ${sql.identifier(name)}`));
    const { rowCount } = await db.execute(sql`
      delete from predictions where (id, accepted_at) in (
        select id, accepted_at from predictions where accepted_at < ${before.toISOString()} limit ${rowsAtOnce})`);
    return { months: tables.length, rows: rowCount ?? 0 };
  },
);

/** Forgets Idempotency-Keys of before `before`, some thousand a call. */
export const forgetKeysBefore = write(async (db: Db, before: Date): Promise<void> => {
  const some = db
    .select({ owner: predictionKeys.owner, key: predictionKeys.key })
    .from(predictionKeys)
    .where(lt(predictionKeys.acceptedAt, before))
    .limit(rowsAtOnce);
  await db.delete(predictionKeys).where(sql`(owner, key) in ${some}`);
});
