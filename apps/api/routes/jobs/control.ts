/** What may be done to a job: cancel, resume, run again with changes, remove. */
import { job, ProblemError } from '@darkroom/contract';
import { getJob, getJobRow } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import { authorize } from '../../authorize.ts';
import type { Api, ApiContext } from '../../context.ts';
import {
  idempotencyHeader,
  jobIdParam,
  jsonBodyProblems,
  plainText,
  problems,
} from '../../openapi/describe.ts';
import { exampleJob } from '../../openapi/examples.ts';
import { linkedDocument, loadJob, requireJobId } from './shared.ts';

const shared = { tags: ['Jobs'] };
const accepted = (description: string) => ({
  description,
  headers: z.object({ location: z.string().meta({ description: 'Where to follow the job.' }) }),
  content: { 'application/json': { schema: job, example: exampleJob } },
});

const cancelRoute = createRoute({
  ...shared,
  method: 'post',
  path: '/v1/jobs/{id}/cancel',
  operationId: 'cancelJob',
  summary: 'Cancel a job',
  description:
    'Idempotent. A job that has ended stays as it is; one that is `cancelling` does not succeed any more: it ends `cancelled`, or `failed` where it does just then. What was finished is kept and can be resumed.',
  request: {
    params: jobIdParam,
    body: {
      required: false,
      content: {
        'application/json': {
          schema: z
            .strictObject({
              reason: plainText(500)
                .optional()
                .meta({ description: 'Shown with the job.', example: 'Wrong photos.' }),
            })
            .meta({ id: 'CancelRequest' }),
        },
      },
    },
  },
  responses: { 202: accepted('It is being cancelled.'), ...problems('not_found', ...jsonBodyProblems) },
});

const resumeRoute = createRoute({
  ...shared,
  method: 'post',
  path: '/v1/jobs/{id}/resume',
  operationId: 'resumeJob',
  summary: 'Resume a failed or cancelled job',
  description: 'Items that are done are not done again.',
  request: { params: jobIdParam },
  responses: {
    202: accepted('It is queued again.'),
    ...problems('not_found', 'forbidden', 'conflict', 'source_not_granted'),
  },
});

const rerunRoute = createRoute({
  ...shared,
  method: 'post',
  path: '/v1/jobs/{id}/rerun',
  operationId: 'rerunJob',
  summary: 'Submit the same source again, with changes',
  description:
    'Makes a new job. The body holds the options that change, under the names that `input` of the job shows.',
  request: {
    params: jobIdParam,
    headers: idempotencyHeader,
    body: {
      required: false,
      content: {
        'application/json': {
          schema: z.record(z.string(), z.unknown()).meta({ example: { scoreThreshold: 0.6 } }),
        },
      },
    },
  },
  responses: {
    202: accepted('The new job.'),
    ...problems(
      'not_found',
      'forbidden',
      'conflict',
      'source_not_granted',
      'too_many_items',
      'idempotency_key_reused',
      'idempotency_key_deleted',
      'outcome_unknown',
      ...jsonBodyProblems,
    ),
  },
});

const deleteRoute = createRoute({
  ...shared,
  method: 'delete',
  path: '/v1/jobs/{id}',
  operationId: 'deleteJob',
  summary: 'Remove a job with everything it made',
  description:
    'Durable and idempotent: it is cancelled first where needed; objects go before rows. Repeat until 204.',
  request: { params: jobIdParam },
  responses: {
    202: { description: 'It is being removed, and no longer found.' },
    204: { description: 'It is gone, objects and rows.' },
    ...problems('not_found', 'forbidden'),
  },
});

/** Registers the routes. */
export function registerJobControl(api: Api): void {
  api.openapi(cancelRoute, async (c) => {
    const { id } = c.req.valid('param');
    await loadJob(c, id, 'cancel');
    await c.var.deps.dispatch.cancel(
      id,
      c.req.valid('json')?.reason ?? `Cancelled by ${c.var.caller.owner}.`,
    );
    return c.json(await acceptedJob(c, id), 202);
  });

  api.openapi(resumeRoute, async (c) => {
    const { id } = c.req.valid('param');
    await loadJob(c, id, 'resume');
    await c.var.deps.dispatch.resume(id);
    return c.json(await acceptedJob(c, id), 202);
  });

  api.openapi(rerunRoute, async (c) => {
    const { id } = c.req.valid('param');
    await loadJob(c, id, 'rerun');
    const { 'idempotency-key': key } = c.req.valid('header');
    const changes = c.req.valid('json') ?? {};
    const { jobId } = await c.var.deps.dispatch.rerun(id, changes, c.var.caller, key);
    return c.json(await acceptedJob(c, jobId), 202);
  });

  api.openapi(deleteRoute, async (c) => {
    const { records, dispatch } = c.var.deps;
    const id = requireJobId(c, c.req.valid('param').id);
    // The row stays as a tombstone, so that its owner may repeat this.
    const row = await getJobRow(records.db, id);
    authorize(c.var.caller, 'delete', row);
    if (row.deletedAt !== null) return c.body(null, 204);
    const { done } = await dispatch.remove(id);
    if (done) return c.body(null, 204);
    return c.body(null, 202, { 'retry-after': '1' });
  });
}

/** The job as it is now, with the headers of an answer that is not the end of the matter. */
async function acceptedJob(c: ApiContext, id: string) {
  const found = await getJob(c.var.deps.records.db, id);
  if (found === undefined) throw new ProblemError('not_found', 'The job was removed meanwhile.');
  c.header('location', `/v1/jobs/${id}`);
  c.header('retry-after', '1');
  return linkedDocument(c, found);
}
