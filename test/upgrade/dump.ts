/** A database and its objects as files, and back: what was stored by one version of the code is given to another. */
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Storage } from '@darkroom/storage';
import pg from 'pg';
import type { Index } from './answers.ts';

const [pack, unpack] = [promisify(gzip), promisify(gunzip)];
const migrationsFolder = join(import.meta.dirname, '../../activities/records/migrations');
const mostBytes = 10_000_000;

interface StoredObject {
  readonly uri: string;
  readonly etag: string;
  readonly contentType: string;
  /** Absent where an object before it has the same ETag. */
  readonly base64?: string;
}

/** Writes what lies beside rows and objects. */
export async function writeIndex(index: Index, file: string): Promise<void> {
  await writeFile(file, await pack(`${JSON.stringify(index, null, 1)}\n`, { level: 9 }));
}

export async function readIndex(file: string): Promise<Index> {
  return JSON.parse(String(await unpack(await readFile(file)))) as Index;
}

/**
 * Writes `FILE`, gzip of SQL that makes the database at `url` anew: the migrations as they are now, then the rows. Keys stay behind, and
 * names of workers tell nothing of the machine.
 */
export async function dumpDatabase(url: string, file: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const sql: string[] = [];
    for (const name of (await readdir(migrationsFolder)).filter((each) => each.endsWith('.sql')).sort())
      sql.push(await readFile(join(migrationsFolder, name), 'utf8'));
    sql.push(
      'create schema drizzle;',
      'create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);',
    );
    const { rows: tables } = await client.query<{ name: string }>(`
      select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname in ('public', 'drizzle') and tablename <> 'api_keys'
      order by tablename <> 'jobs', tablename`);
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select to_jsonb(t)::text as row from ${name} t`);
      if (rows.length === 0) continue;
      const values = rows.map(({ row }) => row.replace(/"worker": "[^"]*\/(\d+)"/, '"worker": "worker/$1"'));
      sql.push(
        `insert into ${name} select * from jsonb_populate_recordset(null::${name}, $rows$[\n${values.join(',\n')}\n]$rows$);`,
      );
    }
    const { rows: counters } = await client.query<{ name: string; value: string }>(`
      select format('%I.%I', schemaname, sequencename) as name, last_value as value from pg_sequences
      where last_value is not null`);
    for (const { name, value } of counters) sql.push(`select setval('${name}', ${value});`);
    await writeFile(file, await pack(`${sql.join('\n')}\n`, { level: 9 }));
  } finally {
    await client.end();
  }
}

/** Makes the database at `url`, which is empty, what it was. */
export async function restoreDatabase(url: string, file: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(String(await unpack(await readFile(file))));
  } finally {
    await client.end();
  }
}

/** Writes `FILE`, gzip of a line of JSON for each object under the prefixes (`s3://bucket/`). */
export async function dumpObjects(
  storage: Storage,
  prefixes: readonly string[],
  file: string,
): Promise<void> {
  const lines: string[] = [];
  const written = new Set<string>();
  for (const prefix of prefixes) {
    for await (const { uri, etag } of storage.list(prefix)) {
      const { contentType } = await storage.head(uri);
      const bytes = await storage.getBytes(uri, { maxBytes: mostBytes });
      // An object of parts has another ETag, which a plain write would not give back.
      if (etag !== createHash('md5').update(bytes).digest('hex'))
        throw new Error(`${uri} was written in parts.`);
      const object: StoredObject = {
        uri,
        etag,
        contentType: contentType ?? 'application/octet-stream',
        ...(!written.has(etag) && { base64: Buffer.from(bytes).toString('base64') }),
      };
      written.add(etag);
      lines.push(JSON.stringify(object));
    }
  }
  await writeFile(file, await pack(`${lines.join('\n')}\n`, { level: 9 }));
}

/** Puts the objects where they were. */
export async function restoreObjects(storage: Storage, file: string): Promise<void> {
  const lines = String(await unpack(await readFile(file)))
    .trimEnd()
    .split('\n');
  const bodies = new Map<string, Buffer>();
  for (const line of lines) {
    const { uri, etag, contentType, base64 } = JSON.parse(line) as StoredObject;
    if (base64 !== undefined) bodies.set(etag, Buffer.from(base64, 'base64'));
    const written = await storage.putBytes(uri, bodies.get(etag) ?? Buffer.alloc(0), { contentType });
    if (written.etag !== etag) throw new Error(`${uri} has the ETag ${written.etag} instead of ${etag}.`);
  }
}
