/** What Prometheus scrapes. */
import { metrics, metricsText } from '@darkroom/platform';
import { createRoute, z } from '@hono/zod-openapi';
import { requireOperator } from '../../authorize.ts';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  operationId: 'metrics',
  tags: ['Status'],
  summary: 'Measures in the format of Prometheus',
  description: 'For the key of an operator. Prometheus sends one as `authorization: {credentials_file: …}`.',
  responses: {
    200: { description: 'Measures.', content: { 'text/plain': { schema: z.string() } } },
    ...problems('forbidden'),
  },
});

/** Registers the route. */
export function registerMetrics(api: Api): void {
  api.openapi(metricsRoute, async (c) => {
    requireOperator(c.var.caller, 'Reading measures');
    return c.text(await metricsText(), 200, { 'content-type': metrics.registry.contentType });
  });
}
