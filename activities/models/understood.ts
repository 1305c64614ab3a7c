/** How models that workers have opened are understood. */
import type { OpenedModel } from '@darkroom/contract';
import type { Db } from '@darkroom/records';
import { modelVersions } from './schema.ts';

/** Keeps it, in place of what was told of the same version before. */
export async function keepUnderstood(db: Db, opened: readonly OpenedModel[]): Promise<void> {
  for (const { name, version, digest, family, guessed, understood, labels, input } of opened) {
    const said = { family, guessed, understood, labels, input };
    await db
      .insert(modelVersions)
      .values({ name, version, digest, ...said })
      .onConflictDoUpdate({
        target: [modelVersions.name, modelVersions.version, modelVersions.digest],
        set: said,
      });
  }
}
