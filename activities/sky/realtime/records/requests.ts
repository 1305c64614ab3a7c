/** Requests for cutouts in the records: every one, also what was refused before any work. */
import { type Db, read, write } from '@darkroom/records';
import { and, desc, eq, inArray, lt } from 'drizzle-orm';
import { cutouts } from './schema.ts';

export type CutoutRow = typeof cutouts.$inferSelect;

/** Its id. */
export const recordCutout = write(
  async (db: Db, row: Omit<typeof cutouts.$inferInsert, 'id'>): Promise<number> => {
    const [recorded] = await db.insert(cutouts).values(row).returning({ id: cutouts.id });
    return recorded?.id ?? 0;
  },
);

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
