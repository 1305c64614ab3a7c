/** Applies the generated SQL of `migrations/`: `DATABASE_URL=… node activities/records/migrate.ts`. */
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as applyMigrations } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { records, recordsProblem } from './unavailable.ts';

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url));
/** Any number, the same for everybody who migrates this schema. */
const lockId = 720_115_005;

/** Brings the schema of the database up to date; of several at once, one does it and the others wait. */
export async function migrate(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => {}); // the query that runs fails with it
  await records(async () => {
    await client.connect();
  });
  try {
    await client.query('select pg_advisory_lock($1)', [lockId]);
    await applyMigrations(drizzle({ client }), { migrationsFolder });
  } catch (error) {
    throw recordsProblem(error);
  } finally {
    await client.end();
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
