/** The connection to Postgres: pool, deadlines, a span per query, notifications. */
import { drizzle, type NodePgQueryResultHKT } from 'drizzle-orm/node-postgres';
import type { PgDatabase } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { CommitWatch, withClient } from './deadline.ts';
import { listen } from './listen.ts';
import { traced } from './traced.ts';
import { connectionLost, deadlineMs, OutcomeUnknown, records } from './unavailable.ts';

/** drizzle's database or one of its transactions. */
export type Db = PgDatabase<NodePgQueryResultHKT, Record<string, never>>;

export interface RecordsOptions {
  readonly url: string;
  /** Connections at most; 10. */
  readonly pool?: number | undefined;
  /** Shown in `pg_stat_activity`. */
  readonly application?: string;
}

export interface Records {
  readonly db: Db;
  /** Runs a statement as it is written; values become parameters. For looking around, not for the platform's own queries. */
  sql<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    text: TemplateStringsArray,
    ...values: unknown[]
  ): Promise<Row[]>;
  /** Throws `records_unavailable` when Postgres does not answer. */
  ping(): Promise<void>;
  /**
   * Calls `onPayload` for each NOTIFY on `channel`, over a connection of its own that comes back by itself.
   * What was sent while it was away is lost: `onListening` tells each time it (again) listens, to catch up.
   * Does not fail when Postgres is away; it listens as soon as it can.
   */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onListening?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
  /** Waits for what runs, then closes all connections. */
  close(): Promise<void>;
}

/** Opens the records. Connections are made when they are needed: this does not fail when Postgres is away. */
export function openRecords(options: RecordsOptions): Records {
  const connection = {
    connectionString: options.url,
    application_name: options.application ?? 'darkroom',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 15_000,
    statement_timeout: 15_000,
    idle_in_transaction_session_timeout: 15_000,
    // A server that is silent cannot time out by itself.
    query_timeout: deadlineMs,
  };
  const pool = new pg.Pool({ ...connection, max: options.pool ?? 10, idleTimeoutMillis: 60_000 });
  // A connection that goes away while idle is dropped by the pool, one at work fails its query: nothing to add here.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const sql = async <Row extends pg.QueryResultRow>(text: TemplateStringsArray, ...values: unknown[]) =>
    records(async () => {
      const { rows } = await withClient(pool, connectionLost, (client) =>
        client.query<Row>(
          text.reduce((all, part, i) => `${all}$${i}${part}`),
          values,
        ),
      );
      return rows;
    });
  return {
    db: drizzleOver(pool),
    sql,
    ping: async () => {
      await sql`select 1`;
    },
    listen: (channel, onPayload, onListening) => listen(connection, channel, { onPayload, onListening }),
    close: () => pool.end(),
  };
}

/**
 * drizzle over the pool. Connections are taken and given back here, because drizzle's own transactions keep a
 * connection for good when its BEGIN fails, and give a broken one back as if it were whole.
 */
function drizzleOver(pool: pg.Pool): Db {
  const db = drizzle({
    client: traced({
      query: (config, values) => withClient(pool, connectionLost, (client) => client.query(config, values)),
    }),
  });
  db.transaction = (work, config) =>
    withClient(pool, connectionLost, async (client) => {
      const watch = new CommitWatch(client, connectionLost);
      try {
        return await drizzle({ client: traced(watch) }).transaction(work, config);
      } catch (error) {
        // drizzle's error may be that of the ROLLBACK it sent after the COMMIT.
        throw watch.unanswered ? new OutcomeUnknown({ cause: error }) : error;
      }
    });
  return db;
}
