/** Headers that keep browsers from doing more with an answer than reading it. */

import type { MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { ApiEnv } from '../context.ts';

const strict = secureHeaders({
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  crossOriginResourcePolicy: 'same-origin',
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
});

/** What a page may load: what is served here. Swagger UI sets styles on its own elements; scripts stand in files alone. */
const page = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  crossOriginResourcePolicy: 'same-origin',
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
});

/** For all answers; pages under /docs may load what is theirs. */
export const safeHeaders: MiddlewareHandler<ApiEnv> = (c, next) =>
  /^\/docs(?:\/|$)/.test(c.req.path) ? page(c, next) : strict(c, next);
