/** Requests for cutouts in the records: every one, also what was refused before any work, and what somebody waits for. */
import { problemOf } from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm';
import { cutouts } from './schema.ts';

export type CutoutRow = typeof cutouts.$inferSelect;

export type NewCutout = Omit<typeof cutouts.$inferInsert, 'id'>;

/** An id for the row of a request that is written more than once: as it begins to wait, and with its end. */
export const nextCutoutId = read(async (db: Db): Promise<number> => {
  const { rows } = await db.execute<{ id: string }>(
    sql`select nextval(pg_get_serial_sequence('cutouts', 'id')) as id`,
  );
  return Number(rows[0]?.id);
});

/** Writes that a request waits; nothing where its end is there already. */
export const beginCutout = write(async (db: Db, id: number, row: NewCutout): Promise<void> => {
  await db
    .insert(cutouts)
    .values({ id, ...row })
    .onConflictDoNothing();
});

/** Writes a request with its end, over what was written under the same id before; its id. */
export const recordCutout = write(async (db: Db, row: NewCutout, id?: number): Promise<number> => {
  const given = id === undefined ? row : { id, ...row };
  const [recorded] = await db
    .insert(cutouts)
    .values(given)
    .onConflictDoUpdate({ target: cutouts.id, set: row })
    .returning({ id: cutouts.id });
  return recorded?.id ?? 0;
});

/** Gives requests an end that were accepted so long ago and still run: the process that was to answer has died. How many there were. */
export const endLeftCutouts = write(async (db: Db, afterSeconds: number): Promise<number> => {
  const problem = problemOf(
    'internal',
    'How it ended was not written down. The file may be there: ask again.',
  );
  const ended = await db
    .update(cutouts)
    .set({ state: 'failed', problem })
    .where(
      and(
        sql`${cutouts.state} = 'running'`,
        lt(cutouts.acceptedAt, sql`now() - make_interval(secs => ${afterSeconds})`),
      ),
    )
    .returning({ id: cutouts.id });
  return ended.length;
});

/** Newest first. */
export const listCutouts = read(
  async (
    db: Db,
    filter: { readonly owner: string; readonly before?: number | undefined; readonly limit: number },
  ): Promise<CutoutRow[]> =>
    db
      .select()
      .from(cutouts)
      .where(
        and(
          eq(cutouts.owner, filter.owner),
          filter.before === undefined ? undefined : lt(cutouts.id, filter.before),
        ),
      )
      .orderBy(desc(cutouts.owner), desc(cutouts.id))
      .limit(filter.limit),
);

export const getCutout = read(async (db: Db, id: number): Promise<CutoutRow | undefined> => {
  const [row] = await db.select().from(cutouts).where(eq(cutouts.id, id));
  return row;
});

const atOnce = 5000;

/** Removes some thousand requests that were accepted before `moment`; whether there may be more. */
export const removeCutoutsBefore = write(async (db: Db, moment: Date): Promise<boolean> => {
  const old = db.select({ id: cutouts.id }).from(cutouts).where(lt(cutouts.acceptedAt, moment)).limit(atOnce);
  const gone = await db.delete(cutouts).where(inArray(cutouts.id, old)).returning({ id: cutouts.id });
  return gone.length === atOnce;
});
