/** Statistics of models, as clients of Triton ask for them: of this process, since it started. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import type { Spent, VersionStatistics } from '../../predicting/statistics.ts';
import { errors, type ModelPath, modelPaths, named, paramsOf } from './describe.ts';
import { namedModel } from './model.ts';

const duration = z
  .object({ count: z.int(), ns: z.int().meta({ description: 'Nanoseconds, of all of them.' }) })
  .meta({ id: 'StatisticDuration' });

const modelStatistics = z
  .object({
    model_stats: z.array(
      z
        .object({
          name: z.string(),
          version: z.string(),
          last_inference: z.int().meta({ description: 'Milliseconds since 1970; 0 where there was none.' }),
          inference_count: z.int(),
          execution_count: z.int(),
          inference_stats: z.record(z.string(), duration),
        })
        .meta({ id: 'ModelStatistic' }),
    ),
  })
  .meta({ id: 'ModelStatistics' });

const content = { 'application/json': { schema: modelStatistics } };
const description = 'Of this process of the API, since it started.';

const allRoute = createRoute({
  method: 'get',
  path: '/v2/models/stats',
  operationId: 'statistics',
  tags: ['Inference'],
  summary: 'How often all models were asked, and how long they took',
  responses: { 200: { description, content }, ...errors() },
});

const modelAt = (path: ModelPath) =>
  createRoute({
    method: 'get',
    path: `${path}/stats`,
    ...named('model', path, 'Statistics'),
    summary: 'How often a model was asked, and how long it took',
    request: { params: paramsOf(path) },
    responses: {
      200: { description, content },
      ...errors('not_found', 'validation_failed', 'model_not_ready', 'no_prediction_model'),
    },
  });

/** Registers the routes; before those of a model that might be called `stats`. */
export function registerModelStatistics(api: Api): void {
  api.openapi(allRoute, (c) =>
    c.json({ model_stats: c.var.deps.predicting.statistics.versions.map(statisticOf) }, 200),
  );

  for (const path of modelPaths)
    api.openapi(modelAt(path), async (c) => {
      const { statistics } = c.var.deps.predicting;
      const { name, version } = await namedModel(c, c.req.valid('param'));
      const of = statistics.versions.filter(({ model }) => model.name === name && model.version === version);
      return c.json({ model_stats: of.map(statisticOf) }, 200);
    });
}

const none: Spent = { count: 0, ms: 0 };
const durationOf = ({ count, ms }: Spent) => ({ count, ns: Math.round(ms * 1e6) });

function statisticOf({ model, lastAt, success, ...spent }: VersionStatistics) {
  const { fail, queue, compute_input, compute_infer } = spent;
  const steps = { success, fail, queue, compute_input, compute_infer };
  const unseen = { compute_output: none, cache_hit: none, cache_miss: none };
  return {
    name: model.name,
    version: model.version,
    last_inference: lastAt,
    inference_count: success.count,
    // Each picture is a run of its own, also within a batch.
    execution_count: success.count,
    inference_stats: Object.fromEntries(
      Object.entries({ ...steps, ...unseen }).map(([step, of]) => [step, durationOf(of)]),
    ),
  };
}
