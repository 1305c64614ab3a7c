/** What Prometheus scrapes. */
import { metrics, metricsText } from '@darkroom/platform';
import { getConnInfo } from '@hono/node-server/conninfo';
import { createRoute, z } from '@hono/zod-openapi';
import { requireOperator } from '../authorize.ts';
import type { Api, ApiContext } from '../context.ts';
import { callerOf, type KeyLookup } from '../middleware/authentication.ts';
import { problems } from '../openapi.ts';

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  operationId: 'metrics',
  tags: ['Status'],
  summary: 'Measures in the format of Prometheus',
  description: 'From this machine without a key, from elsewhere with that of an operator.',
  responses: {
    200: { description: 'Measures.', content: { 'text/plain': { schema: z.string() } } },
    ...problems('forbidden'),
  },
});

/** Registers the route. */
export function registerMetrics(api: Api, lookup: KeyLookup): void {
  api.openapi(metricsRoute, async (c) => {
    if (!isLocal(c)) {
      c.set('caller', await callerOf(c, lookup));
      requireOperator(c.var.caller, 'Reading measures');
    }
    return c.text(await metricsText(), 200, { 'content-type': metrics.registry.contentType });
  });
}

/** Whether the request comes from this machine itself, and not through a proxy on it. */
function isLocal(c: ApiContext): boolean {
  if (c.env?.incoming === undefined) return false;
  if (c.req.header('authorization') !== undefined) return false;
  if (c.req.header('x-forwarded-for') !== undefined || c.req.header('forwarded') !== undefined) return false;
  const address = getConnInfo(c).remote.address ?? '';
  return /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/.test(address);
}
