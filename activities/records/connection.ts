/** The connection to Postgres: pool, deadlines, a span per query, notifications. */
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { PgDatabase } from 'drizzle-orm/pg-core';
import { drizzle, type PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { codeOf, connectionLost, records } from './unavailable.ts';

/** drizzle's database or one of its transactions. */
export type Db = PgDatabase<PostgresJsQueryResultHKT, Record<string, never>>;

export interface RecordsOptions {
  readonly url: string;
  /** Connections at most; 10. */
  readonly pool?: number;
  /** Shown in `pg_stat_activity`. */
  readonly application?: string;
}

export interface Records {
  readonly db: Db;
  readonly sql: postgres.Sql;
  /** Throws `records_unavailable` when Postgres does not answer. */
  ping(): Promise<void>;
  /**
   * Calls `onPayload` for each NOTIFY on `channel`, over a connection of its own that comes back by itself.
   * What was sent while it was away is lost: `onListening` tells each time it (again) listens, to catch up.
   */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onListening?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
  /** Ends the pool; what still runs after 5 s is cut off. */
  close(): Promise<void>;
}

/** Opens the records. Connections are made when they are needed: this does not fail when Postgres is away. */
export function openRecords(options: RecordsOptions): Records {
  const client = postgres(options.url, {
    max: options.pool ?? 10,
    connect_timeout: 5,
    idle_timeout: 60,
    keep_alive: 15,
    // A query opens a connection and fails at once when it cannot; waiting longer each time only delays recovery.
    backoff: () => 0.1,
    onnotice: () => {},
    connection: {
      application_name: options.application ?? 'darkroom',
      statement_timeout: 15_000,
      idle_in_transaction_session_timeout: 15_000,
      // Statements are prepared once a connection, but planned for their values: owners differ by orders of magnitude.
      plan_cache_mode: 'force_custom_plan',
    },
  });
  const db: Db = drizzle(traced(client));
  return {
    db,
    sql: client,
    ping: () =>
      records(async () => {
        await client`select 1`;
      }),
    listen: (channel, onPayload, onListening) =>
      records(async () => {
        const { unlisten } = await client.listen(channel, onPayload, onListening);
        return { unlisten };
      }),
    close: () => client.end({ timeout: 5 }),
  };
}

type Client = postgres.Sql | postgres.TransactionSql;
/** Members of a postgres.js query that its type leaves out. */
type Settling = { resolve(value: unknown): void; reject(error: unknown): void };

/** postgres.js as drizzle uses it, with a span per query and transactions that end with their connection. */
function traced(client: postgres.Sql): postgres.Sql {
  return new Proxy(client, {
    get(target, property) {
      if (property === 'unsafe') return unsafeOf(target, undefined);
      if (property === 'begin') return (work: Work) => transaction(target, work);
      return Reflect.get(target, property);
    },
  });
}

type Work = (tx: postgres.TransactionSql) => Promise<unknown>;
interface Ending {
  /** Set once the transaction's connection is gone. */
  error?: unknown;
  reject(error: unknown): void;
}

/**
 * postgres.js goes on using a connection after it was lost: a late statement of the transaction would crash the
 * process or run outside the transaction on the next connection. So the first loss ends the transaction here.
 */
function transaction(client: postgres.Sql, work: Work): Promise<unknown> {
  const { promise: lost, reject } = Promise.withResolvers<never>();
  lost.catch(() => {});
  const ending: Ending = { reject };
  const begun = client.begin((tx) =>
    work(inTransaction(tx, ending)).catch((error: unknown) => {
      if (ending.error === undefined) throw error;
      return new Promise<never>(() => {}); // no ROLLBACK on a dead connection
    }),
  );
  begun.catch((error: unknown) => {
    ending.error ??= error;
  });
  return Promise.race([begun, lost]);
}

function inTransaction(tx: postgres.TransactionSql, ending: Ending): postgres.TransactionSql {
  return new Proxy(tx, {
    get(target, property) {
      if (property === 'unsafe') return unsafeOf(target, ending);
      if (property === 'savepoint') {
        return (work: Work) => target.savepoint((inner) => work(inTransaction(inner, ending)));
      }
      return Reflect.get(target, property);
    },
  });
}

function unsafeOf(client: Client, ending: Ending | undefined) {
  return (text: string, values: never[] = []) => {
    if (ending?.error !== undefined) throw ending.error;
    const query = client.unsafe(text, values, { prepare: values.length > 0 });
    settle(query as unknown as Settling, startSpan(text), ending);
    return query;
  };
}

function settle(query: Settling, span: ReturnType<typeof startSpan>, ending: Ending | undefined): void {
  const { resolve, reject } = query;
  query.resolve = (value) => {
    span?.end();
    resolve.call(query, value);
  };
  query.reject = (error) => {
    span?.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) ?? 'error' });
    span?.end();
    if (ending && connectionLost(error)) {
      ending.error ??= error;
      ending.reject(error);
    }
    reject.call(query, error);
  };
}

const tracer = trace.getTracer('@darkroom/records');

/** Only within somebody's trace: a sweep's or a poll's own queries would each be a trace of one span. */
function startSpan(text: string) {
  if (trace.getActiveSpan() === undefined) return undefined;
  const verb = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'QUERY';
  return tracer.startSpan(`SQL ${verb}`, {
    kind: SpanKind.CLIENT,
    attributes: { 'db.system': 'postgresql', 'db.statement': text },
  });
}
