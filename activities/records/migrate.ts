/** Applies the generated SQL of `migrations/`: `DATABASE_URL=… node activities/records/migrate.ts`. */
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { records } from './unavailable.ts';

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url));
/** Any number, the same for everybody who migrates this schema. */
const lockId = 720_115_005;

/** Brings the schema of the database up to date; of several at once, one does it and the others wait. */
export async function migrate(url: string): Promise<void> {
  const client = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    await client`select pg_advisory_lock(${lockId})`;
    await applyMigrations(drizzle(client), { migrationsFolder });
  } catch (error) {
    await records(() => Promise.reject(error));
  } finally {
    await client.end({ timeout: 5 });
  }
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
