/** Submits batch predictions: many pictures, as a prefix, a list or an archive. */
import {
  type BatchPicture,
  batchOptions,
  batchRequest,
  job,
  ProblemError,
  predictionBatchKind,
} from '@darkroom/contract';
import { createRoute } from '@hono/zod-openapi';
import type { Api, ApiContext } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { type ListIntake, listProblems, listRequest, submitListed } from '../../requests/lists.ts';
import { linkedDocument, loadJob } from '../jobs/shared.ts';

const intake: ListIntake<typeof batchRequest, Pick<BatchPicture, 'uri'>> = {
  kind: predictionBatchKind,
  stage: 'plan',
  archives: true,
  request: batchRequest,
  require: (c, input) => requireKnown(c, batchOptions.parse(input).model),
  read: ({ source, pictures, upload, ...input }) => ({
    input,
    // The plan pins what they are: the request does not wait for a question of the store for each.
    rows: pictures && { rows: pictures.map((uri) => ({ uri })), itemStage: 'predict', planned: true },
    uri: source,
    upload,
  }),
};

const submitRoute = createRoute({
  method: 'post',
  path: '/v1/batch-predictions',
  operationId: 'submitBatchPrediction',
  tags: ['Predictions'],
  summary: 'Predict what is on each of many pictures',
  description: [
    'The pictures are the objects under a prefix, those that a list names, or the files in an archive; a list or archive lies in the store, is an upload, or is sent along.',
    'A job like every other: follow, cancel, resume and remove it under `/v1/jobs`. Its results are `predictions.ndjson` and `predictions.csv`, a line a picture, those that failed too. Real-time predictions go first.',
  ].join('\n'),
  ...listRequest(intake),
  responses: {
    202: { description: 'The job is queued.', content: { 'application/json': { schema: job } } },
    ...problems('unknown_model', 'model_not_ready', ...listProblems),
  },
});

/** Refuses a model that no worker has, and a version that is not loaded; where no worker has any, the job waits for one. */
async function requireKnown(c: ApiContext, model: string): Promise<void> {
  if (model === 'default') return;
  try {
    await c.var.deps.predicting.served.resolve(model);
  } catch (error) {
    if (!(error instanceof ProblemError && error.code === 'no_prediction_model')) throw error;
  }
}

/** Registers the route. */
export function registerBatchPredictions(api: Api): void {
  api.openapi(submitRoute, async (c) => {
    const { jobId } = await submitListed(c, intake);
    c.header('location', `/v1/jobs/${jobId}`);
    return c.json(await linkedDocument(c, await loadJob(c, jobId, 'read')), 202);
  });
}
