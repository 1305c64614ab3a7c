/** Applies the generated SQL of `migrations/`: `DATABASE_URL=… node activities/records/migrate.ts`. */
import { fileURLToPath } from 'node:url';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { drizzle } from 'drizzle-orm/node-postgres';
import { PgDialect, type PgSession } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { records, recordsProblem, rolledBack } from './postgres/unavailable.ts';

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url));
/** Any number, the same for everybody who migrates this schema. */
const lockId = 720_115_005;
/** A migration that waits for tables in another order than who works meanwhile is rolled back, a second after. */
const mostTries = 10;

/** Brings the schema of the database up to date; of several at once, one does it and the others wait. */
export async function migrate(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {}); // the query that runs fails with it
  await records(async () => {
    await client.connect();
  });
  try {
    await client.query('select pg_advisory_lock($1)', [lockId]);
    // Its own type of a session is not one that its dialect takes.
    const session = drizzle({ client })._.session as unknown as PgSession;
    // Each in a transaction of its own, which drizzle's `migrate` does not: a column that is new locks its table for a moment, but not
    // for as long as the index of a later migration is built.
    for (const migration of readMigrationFiles({ migrationsFolder })) {
      await untilKept(() => new PgDialect().migrate([migration], session, { migrationsFolder }));
    }
  } catch (error) {
    throw recordsProblem(error);
  } finally {
    await client.end();
  }
}

async function untilKept(apply: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await apply();
    } catch (error) {
      if (!rolledBack(error) || tries === mostTries) throw error;
    }
  }
}

/** Whether every migration of this version was applied to the database. */
export async function isMigrated(url: string): Promise<boolean> {
  const newest = readMigrationFiles({ migrationsFolder }).at(-1);
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {}); // the query that runs fails with it
  return records(async () => {
    await client.connect();
    try {
      const made = await client.query(
        "select to_regclass('drizzle.__drizzle_migrations') is not null as made",
      );
      if (!made.rows[0]?.made) return false;
      const { rows } = await client.query('select max(created_at) as at from drizzle.__drizzle_migrations');
      return Number(rows[0]?.at ?? 0) >= (newest?.folderMillis ?? 0);
    } finally {
      await client.end();
    }
  });
}

if (import.meta.main) {
  const url = process.env.DATABASE_URL;
  if (url === undefined || url === '') {
    console.error('DATABASE_URL is not set; set it to postgres://user:password@host:port/database.');
    process.exitCode = 1;
  } else {
    await migrate(url);
    console.log('The schema is up to date.');
  }
}
