/** Statements that are made once: their text in this process, their plan in each connection. */
import type { Db } from './connection.ts';

/** More different texts than the platform has are texts that were put together; those are not worth preparing. */
const most = 500;
const names = new Map<string, string>();

/**
 * The name to prepare a statement under; undefined for one too many. Planning the guarded writes takes several times as long as
 * carrying them out, so Postgres is to do it once a connection, not each time.
 */
export function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= most) return known;
  const name = `darkroom_${names.size + 1}`;
  names.set(text, name);
  return name;
}

/** A query of which drizzle writes the text once for each database, instead of at each call: that costs as much as the rest of a small read. */
export function writtenOnce<Query>(write: (db: Db) => Query): (db: Db) => Query {
  const written = new WeakMap<Db, Query>();
  return (db) => {
    const known = written.get(db);
    if (known !== undefined) return known;
    const query = write(db);
    written.set(db, query);
    return query;
  };
}
