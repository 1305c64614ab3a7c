/** The kind's own table, and what becomes of its rows. */
import type { Db, KindRecords } from '@darkroom/records';
import { ofJob } from '@darkroom/records/schema.ts';
import { asc, eq, sql } from 'drizzle-orm';
import { integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';

const stamps = pgTable(
  'stamps',
  { jobId: ofJob(), ordinal: integer().notNull(), name: text().notNull(), tile: text().notNull() },
  (t) => [primaryKey({ columns: [t.jobId, t.ordinal] })],
);

export type StampRow = typeof stamps.$inferSelect;

/** A job that runs another one again has all its stamps made, so there is nothing to copy. */
export const stampsRecords: KindRecords = {
  tables: [stamps],
  forget: async (tx, { jobId }) => {
    await tx.delete(stamps).where(eq(stamps.jobId, jobId));
  },
};

/** Makes the table where it is missing: the tests' kind has no migrations. */
export async function prepareStamps(db: Db): Promise<void> {
  await db.execute(sql`
    create table if not exists stamps (
      job_id text not null references jobs (id) on delete cascade,
      ordinal integer not null,
      name text not null,
      tile text not null,
      primary key (job_id, ordinal)
    )`);
}

/** Writes the row of a stamp; a repetition writes the same. */
export async function recordStamp(tx: Db, row: StampRow): Promise<void> {
  const { name, tile } = row;
  await tx
    .insert(stamps)
    .values(row)
    .onConflictDoUpdate({ target: [stamps.jobId, stamps.ordinal], set: { name, tile } });
}

export const stampsOf = async (db: Db, jobId: string): Promise<StampRow[]> =>
  db.select().from(stamps).where(eq(stamps.jobId, jobId)).orderBy(asc(stamps.ordinal));
