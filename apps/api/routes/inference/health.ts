/** Whether there is somebody to infer: of the server, and of a model. */
import { ProblemError } from '@darkroom/contract';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { errorResponses, errors, type ModelPath, modelPaths, named, paramsOf } from './describe.ts';
import { namedModel } from './model.ts';

const liveRoute = createRoute({
  method: 'get',
  path: '/v2/health/live',
  operationId: 'serverLive',
  tags: ['Inference'],
  summary: 'Whether this process can serve',
  security: [],
  responses: {
    200: {
      description: 'It can.',
      content: { 'application/json': { schema: z.object({ live: z.literal(true) }).meta({ id: 'Live' }) } },
    },
  },
});

const readyRoute = createRoute({
  method: 'get',
  path: '/v2/health/ready',
  operationId: 'serverReady',
  tags: ['Inference'],
  summary: 'Whether a model is there to infer with',
  description:
    'Some worker has one open, and has said so within the last seconds; and the process was not told to stop.',
  security: [],
  responses: {
    200: {
      description: 'One is there.',
      content: { 'application/json': { schema: z.object({ ready: z.literal(true) }).meta({ id: 'Ready' }) } },
    },
    ...errorResponses(['rate_limited', 'no_prediction_model', 'records_unavailable', 'internal']),
  },
});

const modelReady = z.object({ name: z.string(), ready: z.literal(true) }).meta({ id: 'ModelReady' });

const modelReadyAt = (path: ModelPath) =>
  createRoute({
    method: 'get',
    path: `${path}/ready`,
    ...named('model', path, 'Ready'),
    summary: 'Whether a model is there to infer with',
    request: { params: paramsOf(path) },
    responses: {
      200: { description: 'It is.', content: { 'application/json': { schema: modelReady } } },
      ...errors('not_found', 'validation_failed', 'no_prediction_model'),
    },
  });

/** Registers the routes. */
export function registerInferenceHealth(api: Api): void {
  api.openapi(liveRoute, (c) => c.json({ live: true as const }, 200));

  api.openapi(readyRoute, async (c) => {
    const { draining, predicting } = c.var.deps;
    if (draining.aborted) throw notReady('This process was told to stop.');
    const models = await predicting.readiness.models();
    if (models.length === 0) throw notReady('No worker has a model open.');
    return c.json({ ready: true as const }, 200);
  });

  for (const path of modelPaths)
    api.openapi(modelReadyAt(path), async (c) => {
      const { readiness } = c.var.deps.predicting;
      const { name, version, digest } = await namedModel(c, c.req.valid('param')).catch((error: unknown) => {
        // A version that is there and is not loaded, or cannot be: to whoever asks this, it is not ready.
        const isClosed = error instanceof ProblemError && error.code === 'model_not_ready';
        throw isClosed ? notReady(error.message) : error;
      });
      const ready = (await readiness.models()).some(
        (one) => one.name === name && one.version === version && one.digest === digest,
      );
      if (!ready) throw notReady(`No worker has ${name} ${version} open any more.`);
      return c.json({ name, ready: true as const }, 200);
    });
}

const notReady = (detail: string): ProblemError =>
  new ProblemError('no_prediction_model', detail, { retryAfterSeconds: 5 });
