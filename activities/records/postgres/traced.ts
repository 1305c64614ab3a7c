/** A span per query. */
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { NodePgClient } from 'drizzle-orm/node-postgres';
import type pg from 'pg';
import { nameOf } from './prepared.ts';
import { codeOf } from './unavailable.ts';

/** The one method of a client that drizzle calls. */
export interface Queryable {
  query(config: pg.QueryConfig, values: unknown[]): Promise<pg.QueryResult>;
}

const tracer = trace.getTracer('@darkroom/records');

/**
 * The client with a span around each of its queries: the text, never the values. Only within an active trace: the
 * queries of a sweep or a poll would each be a trace of one span.
 */
export function traced(client: Queryable): NodePgClient {
  const query = async (config: pg.QueryConfig, values: unknown[]): Promise<pg.QueryResult> => {
    const name = values.length === 0 ? undefined : nameOf(config.text);
    const prepared = name === undefined ? config : { ...config, name };
    if (trace.getActiveSpan() === undefined) return await client.query(prepared, values);
    const verb = /^\s*(\w+)/.exec(config.text)?.[1]?.toUpperCase() ?? 'QUERY';
    const span = tracer.startSpan(`SQL ${verb}`, {
      kind: SpanKind.CLIENT,
      attributes: { 'db.system': 'postgresql', 'db.statement': config.text },
    });
    try {
      return await client.query(prepared, values);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) ?? 'error' });
      throw error;
    } finally {
      span.end();
    }
  };
  return { query } satisfies Queryable as unknown as NodePgClient;
}
