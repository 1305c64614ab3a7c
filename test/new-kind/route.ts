/** Submits tallies. */
import type { Api } from '@darkroom/api/context.ts';
import { idempotencyHeader, problems } from '@darkroom/api/openapi/describe.ts';
import { linkedDocument, loadJob } from '@darkroom/api/routes/jobs/shared.ts';
import { job } from '@darkroom/contract';
import { fingerprintOf } from '@darkroom/dispatch';
import { createRoute } from '@hono/zod-openapi';
import { tallyKind, tallyRequest } from './contract.ts';

const submitRoute = createRoute({
  method: 'post',
  path: '/v1/tallies',
  operationId: 'submitTally',
  tags: ['Tallies'],
  summary: 'Count a letter in texts',
  request: {
    headers: idempotencyHeader,
    body: { required: true, content: { 'application/json': { schema: tallyRequest } } },
  },
  responses: {
    202: { description: 'The job is queued.', content: { 'application/json': { schema: job } } },
    ...problems(
      'invalid_request',
      'validation_failed',
      'idempotency_key_reused',
      'idempotency_key_deleted',
      'outcome_unknown',
      'payload_too_large',
    ),
  },
});

/** Registers the route. */
export function registerTallies(api: Api): void {
  api.openapi(submitRoute, async (c) => {
    const { texts, ...options } = c.req.valid('json');
    const { jobId } = await c.var.deps.dispatch.submit(tallyKind.kind, c.var.caller, {
      idempotencyKey: c.req.valid('header')['idempotency-key'],
      fingerprint: fingerprintOf({ texts, options }),
      input: options,
      stage: 'count',
      items: texts.map((text, index) => ({ key: String(index + 1), input: { text } })),
    });
    c.header('location', `/v1/jobs/${jobId}`);
    return c.json(await linkedDocument(c, await loadJob(c, jobId, 'read')), 202);
  });
}
