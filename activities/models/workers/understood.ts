/** How models that workers have opened are understood. */
import type { ModelIdentity, OpenedModel } from '@darkroom/contract';
import { type Db, read } from '@darkroom/records';
import { and, eq, inArray } from 'drizzle-orm';
import { modelVersions } from '../schema.ts';

/** Keeps it, in place of what was told of the same version before. */
export async function keepUnderstood(db: Db, opened: readonly OpenedModel[]): Promise<void> {
  for (const { name, version, digest, family, guessed, understood, labels, input, tensors } of opened) {
    const said = { family, guessed, understood, labels, input, ...(tensors && { tensors }) };
    await db
      .insert(modelVersions)
      .values({ name, version, digest, ...said })
      .onConflictDoUpdate({
        target: [modelVersions.name, modelVersions.version, modelVersions.digest],
        set: said,
      });
  }
}

/** How a version is understood; undefined where no worker has ever opened it. */
export const understoodVersion = read(
  async (db: Db, { name, version, digest }: ModelIdentity): Promise<OpenedModel | undefined> => {
    const [row] = await db
      .select()
      .from(modelVersions)
      .where(
        and(
          eq(modelVersions.name, name),
          eq(modelVersions.version, version),
          eq(modelVersions.digest, digest),
        ),
      );
    return row && understoodOf(row);
  },
);

/** What a row says. */
export const understoodOf = ({
  createdAt: _,
  tensors,
  ...understood
}: typeof modelVersions.$inferSelect): OpenedModel => ({
  ...understood,
  ...(tensors !== null && { tensors }),
});

/** How versions of these digests are understood, as far as a worker has told. */
export const understoodModels = read(async (db: Db, digests: readonly string[]): Promise<OpenedModel[]> => {
  if (digests.length === 0) return [];
  const rows = await db
    .select()
    .from(modelVersions)
    .where(inArray(modelVersions.digest, [...digests]));
  return rows.map(understoodOf);
});
