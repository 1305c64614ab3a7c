/** Who changed what of the models. */
import { type Db, read } from '@darkroom/records';
import { and, desc, eq } from 'drizzle-orm';
import { modelChanges } from '../schema.ts';
import { tellChange } from '../workers/told.ts';

export type ModelChange = typeof modelChanges.$inferSelect;

/** Writes it, and tells who listens. */
export async function noteChange(tx: Db, change: typeof modelChanges.$inferInsert): Promise<void> {
  await tx.insert(modelChanges).values(change);
  await tellChange(tx);
}

/** Changes of a model, or of one of its aliases, the newest first. */
export const modelChangesOf = read(
  async (
    db: Db,
    name: string,
    { alias, limit }: { readonly alias?: string; readonly limit: number },
  ): Promise<ModelChange[]> =>
    db
      .select()
      .from(modelChanges)
      .where(
        and(eq(modelChanges.name, name), alias === undefined ? undefined : eq(modelChanges.alias, alias)),
      )
      .orderBy(desc(modelChanges.id))
      .limit(limit),
);
