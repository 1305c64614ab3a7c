/** Gives each request its id, its span and a logger that names both. */
import { randomUUID } from 'node:crypto';
import {
  context,
  isSpanContextValid,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { ApiContext, ApiDeps, ApiEnv } from '../context.ts';
import { setHeader } from './headers.ts';

const tracer = trace.getTracer('@darkroom/api');

/** The client's own id is kept when it is harmless in a log line. */
const harmlessId = /^[\w.:-]{1,100}$/;

/** The first middleware: everything after it runs within the request's span. The query is in no attribute: it may hold a signature. */
export function requestContext(deps: ApiDeps): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const given = c.req.header('x-request-id');
    const requestId = given !== undefined && harmlessId.test(given) ? given : randomUUID();
    const parent = propagation.extract(context.active(), c.req.header());
    const span = tracer.startSpan(
      c.req.method,
      {
        kind: SpanKind.SERVER,
        attributes: { 'http.request.method': c.req.method, 'url.path': c.req.path, 'request.id': requestId },
      },
      parent,
    );
    const { traceId } = span.spanContext();
    const traced = isSpanContextValid(span.spanContext()) ? traceId : undefined;
    c.set('deps', deps);
    c.set('requestId', requestId);
    c.set('traceId', traced);
    c.set('logger', () => deps.logger.child({ requestId, ...(traced !== undefined && { traceId: traced }) }));
    try {
      await context.with(trace.setSpan(parent, span), next);
    } finally {
      describe(span, c);
      span.end();
    }
    setHeader(c, 'x-request-id', requestId);
  };
}

function describe(span: Span, c: ApiContext): void {
  if (!span.isRecording()) return;
  const route = routeOf(c);
  span.updateName(`${c.req.method} ${route}`);
  span.setAttributes({ 'http.route': route, 'http.response.status_code': c.res.status });
  const jobId = c.get('jobId');
  if (jobId !== undefined) span.setAttribute('job.id', jobId);
  if (c.res.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The route's pattern as the OpenAPI document writes it; few values, unlike paths. */
export function routeOf(c: ApiContext): string {
  const path = matchedRoutes(c).at(-1)?.path ?? '*';
  return path.includes('*') ? 'unmatched' : path.replaceAll(/:(\w+)/g, '{$1}');
}
