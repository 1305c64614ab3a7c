/** The HTTP surface: middleware in its order, then one file per service under routes/. */
import { ProblemError } from '@darkroom/contract';
import type { MiddlewareHandler } from 'hono';
import type { Api, ApiDeps, ApiEnv } from './context.ts';
import { createAdmission } from './middleware/admission.ts';
import { authentication, rememberingLookup } from './middleware/authentication.ts';
import { jsonBody, type TypesTaken } from './middleware/body.ts';
import { answerFailure } from './middleware/failure.ts';
import { safeHeaders } from './middleware/headers.ts';
import { observation } from './middleware/observation.ts';
import { crossOrigin } from './middleware/origins.ts';
import { requestContext } from './middleware/request.ts';
import { createRouter } from './openapi/describe.ts';
import { documentRoutes } from './openapi/document.ts';
import { allowedMethods, bodyTypes } from './openapi/methods.ts';
import { registerSegments } from './routes/analysis/search.ts';
import { registerAnalysis } from './routes/analysis/tasks.ts';
import { registerCutouts } from './routes/cutouts/index.ts';
import { registerDocs } from './routes/docs.ts';
import { registerInference } from './routes/inference/index.ts';
import { registerJobControl } from './routes/jobs/control.ts';
import { registerJobEvents } from './routes/jobs/events.ts';
import { registerJobItems } from './routes/jobs/items.ts';
import { registerJobs } from './routes/jobs/jobs.ts';
import { registerJobLog } from './routes/jobs/log.ts';
import { registerQueue } from './routes/jobs/queue.ts';
import { registerJobResults } from './routes/jobs/results.ts';
import { registerModels } from './routes/models/index.ts';
import { registerMetrics } from './routes/operations/metrics.ts';
import { registerStatus } from './routes/operations/status.ts';
import { registerBatchPredictions } from './routes/predictions/batch.ts';
import { registerPredictions } from './routes/predictions/index.ts';
import { registerProblemPage } from './routes/problem-page.ts';
import { registerUploads } from './routes/uploads.ts';

/** Those of the Open Inference Protocol that a machine is watched by. */
const probes = ['/v2/health/live', '/v2/health/ready'];

/** What needs no key; /status/ready decides for itself. */
const isPublic = (path: string): boolean =>
  ['/', '/status/health', '/status/ready', '/openapi.json', '/docs', ...probes].includes(path) ||
  path.startsWith('/docs/');

/** What tells that the process lives is neither refused nor kept waiting: whoever asks in vain has the process replaced. */
const butLiveness =
  (limit: MiddlewareHandler<ApiEnv>): MiddlewareHandler<ApiEnv> =>
  (c, next) =>
    ['/status/health', '/v2/health/live'].includes(c.req.path) ? next() : limit(c, next);

/** What is limited by what can be made in time, not by how much of it one caller has under way. */
const isPrediction = (method: string, path: string): boolean =>
  method === 'POST' && (['/predict', '/v1/predict'].includes(path) || /^\/v2\/models\/.*\/infer$/.test(path));

/** Registers the routes of one service. */
export type Service = (api: Api) => void;

/** What users come for; a new kind of job is one entry. */
export const services: readonly Service[] = [
  registerAnalysis,
  registerSegments,
  registerModels,
  registerPredictions,
  registerInference,
  registerBatchPredictions,
  registerCutouts,
  registerUploads,
];

/** The app over its connections; it holds no state but remembered keys and what callers have taken. */
export function createApp(deps: ApiDeps, offered: readonly Service[] = services): Api {
  const api = createRouter();
  const lookup = rememberingLookup(deps.records);
  const typesOf = bodyTypes(api);
  const typesTaken: TypesTaken = (c) => typesOf(c.req.method, c.req.path);
  const admission = createAdmission(deps.config, typesTaken, isPrediction);
  api.use(
    requestContext(deps),
    observation(deps),
    crossOrigin(deps.config.api.origins),
    safeHeaders,
    authentication(lookup, { linkSecret: deps.config.links.secret, isPublic, stranger: admission.stranger }),
    butLiveness(admission.middleware),
    jsonBody(deps.config.limits.jsonBytes, typesTaken),
    butLiveness(admission.turn),
  );
  registerStatus(api, lookup);
  registerMetrics(api);
  registerDocs(api);
  registerProblemPage(api);
  for (const register of offered) register(api);
  registerQueue(api);
  registerJobs(api);
  registerJobControl(api);
  registerJobEvents(api);
  registerJobLog(api);
  registerJobItems(api);
  registerJobResults(api);

  documentRoutes(api, deps.config.api.publicUrl);
  api.onError(answerFailure);
  api.notFound((c) => {
    const allowed = allowedMethods(api, c.req.path);
    if (allowed.length === 0)
      return answerFailure(new ProblemError('not_found', `There is no ${c.req.path}.`), c);
    c.header('allow', allowed.join(', '));
    const detail = `${c.req.path} takes ${allowed.join(', ')}.`;
    return answerFailure(new ProblemError('method_not_allowed', detail), c);
  });
  return api;
}
