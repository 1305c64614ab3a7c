/** Lets pages that are served elsewhere use the API: CORS, for the origins of the configuration. */
import { ProblemError } from '@darkroom/contract';
import type { MiddlewareHandler } from 'hono';
import type { ApiContext, ApiEnv } from '../context.ts';

/** Request headers that a page may send. A list, since a wildcard would leave Authorization out. */
const allowed = [
  'Authorization',
  'Content-Type',
  'Accept',
  'Idempotency-Key',
  'Last-Event-ID',
  'Range',
  'If-Match',
  'If-None-Match',
  'If-Range',
  'X-Request-Id',
  'Inference-Header-Content-Length',
  'traceparent',
  'tracestate',
].join(', ');

/** Response headers that a page may read besides the few that every page may. */
const exposed = [
  'Location',
  'Link',
  'Retry-After',
  'RateLimit',
  'RateLimit-Policy',
  'ETag',
  'Content-Length',
  'Content-Range',
  'Content-Disposition',
  'Accept-Ranges',
  'Allow',
  'WWW-Authenticate',
  'X-Request-Id',
  'Inference-Header-Content-Length',
  'traceparent',
  'Cutout-Id',
  'Cutout-Survey',
  'Cutout-Tiles',
  'Cutout-Mode',
  'Cutout-Coverage',
  'Cutout-Size',
  'Cutout-Provenance',
  'Cutout-Warnings',
  'Cutout-Levels',
].join(', ');

/** Whatever the path takes: a wrong method or path is to be answered by a problem that the page can read. */
const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE';

/** Chromium keeps no permission for longer. */
const keptSeconds = '7200';

/**
 * Answers preflights, which carry no key, and marks all other answers to a page of one of `origins` as readable; `*` stands for all.
 * Nothing is allowed with credentials: keys come in a header, and cookies mean nothing here. Throws `origin_not_allowed` for the
 * preflight of any other page.
 */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler<ApiEnv> {
  const everyone = origins.includes('*');
  return async (c, next) => {
    const origin = c.req.header('origin');
    const permitted = origin !== undefined && (everyone || origins.includes(origin));
    if (isPreflight(c) && !permitted) {
      throw new ProblemError('origin_not_allowed', `CORS_ORIGINS does not list ${origin}.`);
    }
    if (isPreflight(c)) c.res = preflightAnswer();
    else await next();
    const { headers } = c.res;
    if (origins.length > 0 && !everyone) headers.append('vary', 'Origin');
    if (!permitted) return;
    headers.set('access-control-allow-origin', everyone ? '*' : origin);
    headers.set('access-control-expose-headers', exposed);
  };
}

const isPreflight = (c: ApiContext): boolean =>
  c.req.method === 'OPTIONS' &&
  c.req.header('origin') !== undefined &&
  c.req.header('access-control-request-method') !== undefined;

const preflightAnswer = (): Response =>
  new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': methods,
      'access-control-allow-headers': allowed,
      'access-control-max-age': keptSeconds,
    },
  });
