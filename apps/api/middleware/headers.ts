/** Headers of answers: how they are set, and those that keep browsers from doing more with an answer than reading it. */

import type { MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { ApiContext, ApiEnv } from '../context.ts';

/** Sets a header of the answer, be it there or not. Around one that is there `c.header` makes another, whose text has become a stream. */
export function setHeader(c: ApiContext, name: string, value: string): void {
  if (c.finalized) c.res.headers.set(name, value);
  else c.header(name, value);
}

const reading: NonNullable<Parameters<typeof secureHeaders>[0]> = {
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
};
const strict = secureHeaders({ ...reading, crossOriginResourcePolicy: 'same-origin' });
/** A signed link is for whoever has it: also a page that is served elsewhere may show the picture it leads to. */
const linked = secureHeaders({ ...reading, crossOriginResourcePolicy: 'cross-origin' });

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
export const safeHeaders: MiddlewareHandler<ApiEnv> = (c, next) => {
  if (/^\/docs(?:\/|$)/.test(c.req.path)) return page(c, next);
  return (c.req.query('signature') === undefined ? strict : linked)(c, next);
};
