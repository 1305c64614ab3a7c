/** Attempts at units that stand-ins carry: what the engine does not remember of a local activity when its worker dies. */
import { eq, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { write } from '../postgres/unavailable.ts';
import { unitAttempts } from '../schema.ts';

/** Counts an attempt before it begins; the number of this one, from 1. Counts that nobody took up for a day are forgotten. */
export const countUnitAttempt = write(async (db: Db, id: string): Promise<number> => {
  const { rows } = await db.execute<{ attempts: number }>(sql`
    with forgotten as (
      delete from ${unitAttempts} where at < now() - interval '1 day' and id <> ${id}
    )
    insert into ${unitAttempts} as unit (id, attempts) values (${id}, 1)
    on conflict (id) do update set attempts = unit.attempts + 1, at = now()
    returning attempts`);
  return Number(rows[0]?.attempts);
});

/** Forgets the attempts at a unit that has succeeded. */
export const forgetUnitAttempts = write(async (db: Db, id: string): Promise<void> => {
  await db.delete(unitAttempts).where(eq(unitAttempts.id, id));
});
