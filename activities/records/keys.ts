/** API keys: random, shown once, kept as a hash. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { and, asc, eq, isNull, or, sql } from 'drizzle-orm';
import type { Role } from './jobs/receiving.ts';
import type { Db } from './postgres/connection.ts';
import { read, write } from './postgres/unavailable.ts';
import type { ApiKeyRow } from './rows.ts';
import { apiKeys } from './schema.ts';

export interface NewKey {
  readonly owner: string;
  readonly group?: string | null | undefined;
  readonly role: Role;
  /** 1 (first) to 5. */
  readonly priority: number;
}

const hashOf = (key: string) => createHash('sha256').update(key).digest('hex');
const prefixLength = 'dk_'.length + 8;

/** Makes a key; it cannot be shown again. */
export const createKey = write(async (db: Db, key: NewKey): Promise<{ id: string; key: string }> => {
  const id = randomUUID();
  const secret = `dk_${randomBytes(32).toString('base64url')}`;
  await db.insert(apiKeys).values({
    id,
    prefix: secret.slice(0, prefixLength),
    hash: hashOf(secret),
    owner: key.owner,
    group: key.group ?? null,
    role: key.role,
    priority: key.priority,
  });
  return { id, key: secret };
});

/** The row of a key that is not revoked. Notes its use, to the minute. */
export const findKey = read(async (db: Db, key: string): Promise<ApiKeyRow | undefined> => {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.hash, hashOf(key)), isNull(apiKeys.revokedAt)));
  if (row && (row.lastUsedAt === null || Date.now() - row.lastUsedAt.getTime() > 60_000)) {
    await db
      .update(apiKeys)
      .set({ lastUsedAt: sql`now()` })
      .where(
        and(
          eq(apiKeys.id, row.id),
          sql`coalesce(${apiKeys.lastUsedAt}, '-infinity') < now() - interval '1 minute'`,
        ),
      );
  }
  return row;
});

/** Whether the key with this id is there and not revoked. */
export const isKeyValid = read(
  async (db: Db, id: string): Promise<boolean> =>
    (await db.$count(apiKeys, and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt)))) > 0,
);

/** All keys, revoked ones too, oldest first. */
export const listKeys = read(
  async (db: Db): Promise<ApiKeyRow[]> => db.select().from(apiKeys).orderBy(asc(apiKeys.createdAt)),
);

/** Revokes the keys with this id or prefix (as `listKeys` shows them); returns those that were valid until now. */
export const revokeKey = write(
  async (db: Db, idOrPrefix: string): Promise<ApiKeyRow[]> =>
    db
      .update(apiKeys)
      .set({ revokedAt: sql`now()` })
      .where(and(or(eq(apiKeys.id, idOrPrefix), eq(apiKeys.prefix, idOrPrefix)), isNull(apiKeys.revokedAt)))
      .returning(),
);
