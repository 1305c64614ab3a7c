/** Tells of each request when its answer is complete: access log and histogram. */
import { metrics } from '@darkroom/platform';
import type { MiddlewareHandler } from 'hono';
import type { ApiContext, ApiDeps, ApiEnv } from '../context.ts';
import { routeOf } from './request.ts';

export function observation({ accessLog }: ApiDeps): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const began = performance.now();
    await next();
    const { method, path } = c.req;
    const route = routeOf(c);
    const { status } = c.res;
    // The context is not to be kept for as long as a stream lasts.
    const { caller, jobId, predictionId, traceId } = c.var;
    whenComplete(c, () => {
      const ms = performance.now() - began;
      const about = { jobId, predictionId, traceId };
      accessLog.write({ who: caller?.owner, method, route, path, status, ms, ...about });
      metrics.httpSeconds.observe({ method, route, status }, ms / 1000);
    });
  };
}

/** Calls `tell` when the client has taken the answer, or has gone. */
export function whenComplete(c: ApiContext, tell: () => void): void {
  const { outgoing } = c.env ?? {};
  if (outgoing === undefined || outgoing.closed) tell();
  else outgoing.once('close', tell);
}
